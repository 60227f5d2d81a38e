//! Where in a request a token stands.

use flotilla_gateway_config::TokenSource;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::Refused;

/// Places that may have a token, in the order in which they are looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sources(Vec<Source>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Header { name: HeaderName, prefix: Option<String> },
    Cookie(String),
}

/// A token, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'h> {
    pub(super) text: &'h str,
    /// Which of the sources.
    pub(super) place: usize,
}

impl Sources {
    pub(super) fn new(written: &[TokenSource]) -> Self {
        if written.is_empty() {
            // RFC 6750 section 2.1.
            let prefix = Some("Bearer".to_owned());
            return Self(vec![Source::Header { name: header::AUTHORIZATION, prefix }]);
        }
        let source = |source: &TokenSource| match source {
            TokenSource::Header(written) => {
                Source::Header { name: written.name.0.clone(), prefix: written.prefix.clone() }
            }
            TokenSource::Cookie(name) => Source::Cookie(name.as_str().to_owned()),
        };
        Self(written.iter().map(source).collect())
    }

    /// The first token. Two at one place can be read in two ways.
    pub(super) fn find<'h>(&self, headers: &'h HeaderMap) -> Result<Option<Found<'h>>, Refused> {
        for (place, source) in self.0.iter().enumerate() {
            if let Some(text) = source.find(headers)? {
                return Ok(Some(Found { text, place }));
            }
        }
        Ok(None)
    }

    /// Takes what stands at a place out of a request.
    pub(super) fn remove(&self, place: usize, headers: &mut HeaderMap) {
        match self.0.get(place) {
            Some(Source::Header { name, .. }) => drop(headers.remove(name)),
            Some(Source::Cookie(name)) => remove_cookie(name, headers),
            None => {}
        }
    }
}

impl Source {
    fn find<'h>(&self, headers: &'h HeaderMap) -> Result<Option<&'h str>, Refused> {
        let mut found = None;
        match self {
            Self::Header { name, prefix } => {
                for value in headers.get_all(name) {
                    let Ok(value) = value.to_str() else { return Err(Refused::Malformed) };
                    if let Some(token) = after(prefix.as_deref(), value)
                        && found.replace(token).is_some()
                    {
                        return Err(Refused::Malformed);
                    }
                }
            }
            Self::Cookie(name) => {
                for token in cookies(headers).filter(|(own, _)| own == name).map(|(_, value)| value) {
                    if found.replace(token).is_some() {
                        return Err(Refused::Malformed);
                    }
                }
            }
        }
        Ok(found)
    }
}

/// What is behind a word such as `Bearer`, which is written in capitals or not (RFC 9110 section 11.1). Other words stand
/// before other things than tokens.
fn after<'v>(prefix: Option<&str>, value: &'v str) -> Option<&'v str> {
    let Some(prefix) = prefix else { return Some(value.trim()) };
    let (word, token) = value.trim_start().split_once(' ').unwrap_or((value.trim(), ""));
    word.eq_ignore_ascii_case(prefix).then(|| token.trim())
}

/// Cookies with their values (RFC 6265 section 5.4), of all headers: HTTP/2 has them apart.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
}

fn remove_cookie(name: &str, headers: &mut HeaderMap) {
    let is_other = |pair: &&str| pair.split('=').next().is_some_and(|own| own.trim() != name);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let others: Vec<&str> = lines.flat_map(|line| line.split(';')).filter(is_other).map(str::trim).collect();
    match HeaderValue::from_str(&others.join("; ")) {
        Ok(rest) if !others.is_empty() => drop(headers.insert(header::COOKIE, rest)),
        _ => drop(headers.remove(header::COOKIE)),
    }
}
