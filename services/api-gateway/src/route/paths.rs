//! The rules of one host by path, so that a request is held against the few that its path allows, however many there are.

use std::{borrow::Cow, cmp::Reverse, sync::Arc};

use flotilla_gateway_config::{HeaderMatch, Match, Path, PathMatch, Pattern, QueryMatch, ValueMatch};
use http::request::Parts;

use super::{Matched, Rule};
use crate::{edge::normalise, map::Map};

/// The matches of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    exact: Map<Box<str>, Vec<Entry>>,
    /// In the order of precedence.
    patterns: Vec<(Pattern, Entry)>,
    /// By prefix without its last slash.
    prefixes: Map<Box<str>, Vec<Entry>>,
    /// The most segments that a prefix has: no longer part of a path needs a look.
    depth: usize,
}

/// One match of a rule, apart from its path.
#[derive(Clone, Debug)]
struct Entry {
    method: Option<http::Method>,
    headers: Vec<HeaderMatch>,
    query: Vec<QueryMatch>,
    /// Where it stands in the configuration.
    order: usize,
    rule: Arc<Rule>,
}

impl Paths {
    /// Adds a match. `order` grows with each.
    pub(super) fn add(&mut self, wanted: &Match, order: usize, rule: &Arc<Rule>) {
        let entry = Entry {
            method: wanted.method.as_ref().map(|method| method.0.clone()),
            headers: wanted.headers.clone(),
            query: wanted.query.clone(),
            order,
            rule: Arc::clone(rule),
        };
        match &wanted.path {
            Some(PathMatch::Exact(path)) => self.exact.entry(normal(path).into()).or_default().push(entry),
            Some(PathMatch::RegularExpression(pattern)) => self.patterns.push((pattern.clone(), entry)),
            Some(PathMatch::PathPrefix(path)) => self.add_prefix(&normal(path), entry),
            None => self.add_prefix("/", entry),
        }
    }

    fn add_prefix(&mut self, prefix: &str, entry: Entry) {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        self.depth = self.depth.max(prefix.matches('/').count());
        self.prefixes.entry(prefix.into()).or_default().push(entry);
    }

    /// Brings all matches into the order of precedence, once they are all there.
    pub(super) fn sort(&mut self) {
        for entries in self.exact.values_mut().chain(self.prefixes.values_mut()) {
            entries.sort_by_key(Entry::rank);
        }
        self.patterns.sort_by_key(|(_, entry)| entry.rank());
    }

    /// The rule that takes a request: of an exact path before that of a regular expression, and that before the longest
    /// prefix; then by method, number of headers, number of parameters, and place in the configuration.
    pub(super) fn find(&self, path: &str, parts: &Parts) -> Option<Matched<'_>> {
        let fits = |entry: &&Entry| entry.fits(parts);
        if let Some(found) = self.exact.get(path).and_then(|entries| entries.iter().find(fits)) {
            return Some(Matched { rule: &found.rule, prefix: 0 });
        }
        let by_pattern =
            self.patterns.iter().find(|(pattern, entry)| entry.fits(parts) && pattern.fits(path));
        if let Some((_, found)) = by_pattern {
            return Some(Matched { rule: &found.rule, prefix: 0 });
        }
        if self.prefixes.is_empty() {
            return None;
        }
        let ends = memchr::memchr_iter(b'/', path.as_bytes()).take(self.depth + 1);
        let mut ends: smallvec::SmallVec<[usize; 16]> = ends.collect();
        // The whole path ends a segment too, unless a slash did.
        if ends.len() <= self.depth && !path.ends_with('/') {
            ends.push(path.len());
        }
        ends.into_iter().rev().find_map(|end| {
            let entries = self.prefixes.get(path.get(..end)?)?;
            let found = entries.iter().find(fits)?;
            Some(Matched { rule: &found.rule, prefix: end })
        })
    }
}

/// A path of the configuration in the form that paths of requests have. One that no request can have stays as it is.
fn normal(path: &Path) -> Cow<'_, str> {
    normalise(path.as_str()).unwrap_or(Cow::Borrowed(path.as_str()))
}

impl Entry {
    fn rank(&self) -> (bool, Reverse<usize>, Reverse<usize>, usize) {
        (self.method.is_none(), Reverse(self.headers.len()), Reverse(self.query.len()), self.order)
    }

    fn fits(&self, parts: &Parts) -> bool {
        self.method.as_ref().is_none_or(|method| *method == parts.method)
            && self.headers.iter().all(|wanted| has_header(parts, wanted))
            && self.query.iter().all(|wanted| has_parameter(parts, wanted))
    }
}

fn has_header(parts: &Parts, wanted: &HeaderMatch) -> bool {
    // A header that is there several times is one list (RFC 9110 section 5.2); any of its lines may fit.
    parts
        .headers
        .get_all(&wanted.name.0)
        .iter()
        .any(|value| value.to_str().is_ok_and(|value| is_value(value, &wanted.value)))
}

fn has_parameter(parts: &Parts, wanted: &QueryMatch) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| *name == *wanted.name)
        .is_some_and(|(_, value)| is_value(&value, &wanted.value))
}

fn is_value(value: &str, wanted: &ValueMatch) -> bool {
    match wanted {
        ValueMatch::Exact(own) => own == value,
        ValueMatch::RegularExpression(pattern) => pattern.fits(value),
    }
}
