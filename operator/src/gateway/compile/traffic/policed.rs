//! A route with its policies. Listeners that ask for different things have different variants of it.

use std::{collections::BTreeMap, sync::Arc};

use flotilla_gateway_config::{
    Backend, Filter, Jwt, JwtProvider, RateKey, RateLimit, Route as Written, Rule,
};
use serde_json::value::RawValue;

use super::{
    targets::{Field, Fields, Source, Target, Targets},
    translate::{Field as Value, Tokens, Translated},
};
use crate::gateway::{
    compile::{
        RouteKey,
        route::{Compiled, Route},
    },
    names::digest,
    objects::Key,
};

/// What policies a route has at a gateway.
#[derive(Debug, PartialEq)]
pub(super) struct Inputs {
    /// What the rules have, by their names; the others have that of the route.
    rules: BTreeMap<String, Fields>,
    route: Fields,
    /// What listeners ask for, each with those that ask for the same.
    listeners: Vec<(Fields, Vec<String>)>,
}

impl Inputs {
    /// `None` without any policy.
    pub(super) fn find(
        targets: &Targets,
        route: &RouteKey,
        gateway: &Key,
        listeners: &[String],
    ) -> Option<Self> {
        let of_gateway = targets.get(&Target::Gateway(gateway.clone()));
        let mut inputs = Self {
            rules: targets.rules(route).map(|(name, fields)| (name.to_owned(), fields.clone())).collect(),
            route: targets.get(&Target::Route(route.clone())).cloned().unwrap_or_default(),
            listeners: Vec::new(),
        };
        for listener in listeners {
            let own = targets.get(&Target::Listener(gateway.clone(), listener.clone()));
            let asked = own.cloned().unwrap_or_default().or(of_gateway);
            match inputs.listeners.iter_mut().find(|(known, _)| *known == asked) {
                Some((_, names)) => names.push(listener.clone()),
                None => inputs.listeners.push((asked, vec![listener.clone()])),
            }
        }
        let is_free = inputs.rules.is_empty()
            && inputs.route.is_empty()
            && inputs.listeners.iter().all(|(asked, _)| asked.is_empty());
        (!is_free).then_some(inputs)
    }

    fn of(&self, rule: &Rule, asked: &Fields) -> Fields {
        let of_route = self.route.or(Some(asked));
        match rule.name.as_ref().and_then(|name| self.rules.get(name)) {
            Some(own) => own.or(Some(&of_route)),
            None => of_route,
        }
    }
}

/// A route as some listeners have it.
#[derive(Debug)]
pub(in crate::gateway::compile) struct Variant {
    pub(in crate::gateway::compile) name: String,
    pub(in crate::gateway::compile) listeners: Vec<String>,
    pub(in crate::gateway::compile) json: Box<RawValue>,
}

/// A route with its policies, and what they name.
#[derive(Debug, Default)]
pub(in crate::gateway::compile) struct Policed {
    pub(in crate::gateway::compile) variants: Vec<Variant>,
    pub(in crate::gateway::compile) backends: Vec<(String, Arc<Backend>)>,
    pub(in crate::gateway::compile) rate_limits: BTreeMap<String, RateLimit>,
    pub(in crate::gateway::compile) providers: BTreeMap<String, JwtProvider>,
}

/// A field of a policy that cannot be had: what needs it is closed.
struct Broken;

impl Policed {
    pub(super) fn new(route: &Route, inputs: &Inputs) -> Self {
        let mut policed = Self::default();
        let Compiled::Route(json) = &route.compiled else { return policed };
        // It was written from the same type.
        let Ok(base) = serde_json::from_str::<Written>(json.get()) else { return policed };
        for (place, (asked, listeners)) in inputs.listeners.iter().enumerate() {
            let mut written = base.clone();
            if place > 0 {
                written.name = format!("{}@{}", base.name, listeners.first().map_or("", String::as_str));
            }
            for rule in &mut written.rules {
                let fields = inputs.of(rule, asked);
                let open = std::mem::take(rule);
                *rule = match policed.rule(open.clone(), &fields, route) {
                    Ok(rule) => rule,
                    // Nobody comes through: neither a backend nor a filter is there that would answer otherwise.
                    Err(Broken) => Rule { name: open.name, matches: open.matches, ..Rule::default() },
                };
            }
            if let Ok(json) = serde_json::value::to_raw_value(&written) {
                let listeners = listeners.clone();
                policed.variants.push(Variant { name: written.name, listeners, json });
            }
        }
        policed
    }

    fn rule(&mut self, mut rule: Rule, fields: &Fields, route: &Route) -> Result<Rule, Broken> {
        if let Some(source) = fields.get(Field::Jwt) {
            let Tokens { providers, jwt } = value(source, |policy| &policy.jwt)?;
            let named = |name: &String| named(source, name);
            self.providers.extend(providers.iter().map(|(name, provider)| (named(name), provider.clone())));
            let providers = jwt.providers.iter().map(named).collect();
            rule.policy.jwt = Some(Jwt { providers, ..jwt.clone() });
        }
        if let Some(source) = fields.get(Field::RateLimits) {
            let has_tokens = rule.policy.jwt.as_ref().is_some_and(|jwt| !jwt.providers.is_empty());
            for (place, limit) in value(source, |policy| &policy.rate_limits)?.iter().enumerate() {
                let (mut name, mut limit) = (limit_name(source, place), limit.clone());
                // Without tokens nobody has the claim, and those without it are counted together.
                if matches!(limit.key, RateKey::Claim(_)) && !has_tokens {
                    limit.key = RateKey::Everybody;
                    name.push_str("/everybody");
                }
                rule.policy.rate_limits.push(name.clone());
                self.rate_limits.insert(name, limit);
            }
        }
        if let Some(source) = fields.get(Field::MaxBodyBytes) {
            rule.policy.max_body_bytes = Some(*value(source, |policy| &policy.max_body_bytes)?);
        }
        if let Some(source) = fields.get(Field::Cors) {
            let cors = value(source, |policy| &policy.cors)?;
            if !rule.filters.iter().any(|filter| matches!(filter, Filter::Cors(_))) {
                rule.filters.insert(0, Filter::Cors(cors.clone()));
            }
        }
        let limits = match fields.get(Field::CircuitBreaker) {
            None => None,
            Some(source) => Some((source, value(source, |policy| &policy.circuit_breaker)?)),
        };
        let shares = rule.backends.iter_mut().filter_map(|share| share.backend.as_mut());
        for name in shares {
            let Some(backend) = route.backend(name) else { continue };
            let mut backend = backend.clone();
            if let Some((source, limits)) = &limits {
                let (namespace, policy) = &source.policy.key;
                *name = format!("{name}/limits-{}", digest(&format!("{namespace}/{policy}")));
                Arc::make_mut(&mut backend).limits = Some((*limits).clone());
            }
            self.backends.push((name.clone(), backend));
        }
        let inner = rule.backends.iter().flat_map(|share| &share.filters);
        for filter in rule.filters.iter().chain(inner) {
            if let Filter::RequestMirror(mirror) = filter
                && let Some(backend) = route.backend(&mirror.backend)
            {
                self.backends.push((mirror.backend.clone(), backend.clone()));
            }
        }
        Ok(rule)
    }
}

fn value<'s, T>(
    source: &'s Source,
    field: impl FnOnce(&'s Translated) -> &'s Value<T>,
) -> Result<&'s T, Broken> {
    match field(&source.policy) {
        Some(Ok(value)) => Ok(value),
        _ => Err(Broken),
    }
}

fn named(source: &Source, name: &str) -> String {
    let (namespace, policy) = &source.policy.key;
    format!("{namespace}/{policy}/{name}")
}

/// The name of a limit: what one target takes together shares it.
fn limit_name(source: &Source, place: usize) -> String {
    named(source, &format!("{}/{place}", source.target))
}
