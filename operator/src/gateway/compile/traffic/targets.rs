//! Which policy a target has of each field.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flotilla_crds::v1alpha1::{PolicyTarget, PolicyTargetKind};

use super::{Ancestor, TARGET_NOT_FOUND, Verdicts, translate::Translated};
use crate::gateway::{
    compile::{RouteKey, RouteKind, attach::Gateways, listener::Owner, route::Route},
    condition::Verdict,
    objects::{Key, Objects},
};

/// A field of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    RateLimits,
    Jwt,
    Cors,
    CircuitBreaker,
    MaxBodyBytes,
}

impl Field {
    pub(super) const ALL: [Self; 5] =
        [Self::RateLimits, Self::Jwt, Self::Cors, Self::CircuitBreaker, Self::MaxBodyBytes];

    const fn name(self) -> &'static str {
        match self {
            Self::RateLimits => "rateLimits",
            Self::Jwt => "jwt",
            Self::Cors => "cors",
            Self::CircuitBreaker => "circuitBreaker",
            Self::MaxBodyBytes => "maxBodyBytes",
        }
    }

    fn is_in(self, policy: &Translated) -> bool {
        match self {
            Self::RateLimits => policy.rate_limits.is_some(),
            Self::Jwt => policy.jwt.is_some(),
            Self::Cors => policy.cors.is_some(),
            Self::CircuitBreaker => policy.circuit_breaker.is_some(),
            Self::MaxBodyBytes => policy.max_body_bytes.is_some(),
        }
    }
}

/// Where a field comes from: a policy, and the place of the target in it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) policy: Arc<Translated>,
    pub(super) target: usize,
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.policy, &other.policy) && self.target == other.target
    }
}

/// Where each field comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields([Option<Source>; 5]);

impl Fields {
    pub(super) fn get(&self, field: Field) -> Option<&Source> {
        let place = Field::ALL.iter().position(|found| *found == field)?;
        self.0.get(place)?.as_ref()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// These, and of a less specific target what they lack.
    pub(super) fn or(&self, less: Option<&Self>) -> Self {
        let Some(less) = less else { return self.clone() };
        let mut all = self.clone();
        for (own, other) in all.0.iter_mut().zip(&less.0) {
            *own = own.take().or_else(|| other.clone());
        }
        all
    }

    /// Takes over what this policy has. Returns fields that another policy has already, with that.
    fn add(&mut self, source: &Source) -> Vec<(Field, Key)> {
        let mut taken = Vec::new();
        for (field, own) in Field::ALL.into_iter().zip(&mut self.0) {
            if !field.is_in(&source.policy) {
                continue;
            }
            match own {
                None => *own = Some(source.clone()),
                Some(other) if other.policy.key == source.policy.key => {}
                Some(other) => taken.push((field, other.policy.key.clone())),
            }
        }
        taken
    }
}

/// What a policy is attached to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    Gateway(Key),
    Listener(Key, String),
    Route(RouteKey),
    Rule(RouteKey, String),
}

/// All targets that have policies.
#[derive(Debug, Default)]
pub(super) struct Targets {
    fields: BTreeMap<Target, Fields>,
    pub(super) verdicts: BTreeMap<Key, Verdicts>,
}

impl Targets {
    /// From policies, the older first.
    pub(super) fn resolve(
        objects: &Objects,
        gateways: &Gateways,
        routes: &BTreeMap<RouteKey, Arc<Route>>,
        policies: &[Arc<Translated>],
    ) -> Self {
        let mut targets = Self::default();
        for policy in policies {
            let verdicts = targets.add(objects, gateways, routes, policy);
            targets.verdicts.insert(policy.key.clone(), verdicts);
        }
        targets
    }

    pub(super) fn get(&self, target: &Target) -> Option<&Fields> {
        self.fields.get(target)
    }

    /// The names of rules that have policies of their own.
    pub(super) fn rules(&self, route: &RouteKey) -> impl Iterator<Item = (&str, &Fields)> {
        let from = Target::Rule(route.clone(), String::new());
        self.fields.range(from..).map_while(move |(target, fields)| match target {
            Target::Rule(key, rule) if key == route => Some((rule.as_str(), fields)),
            _ => None,
        })
    }

    fn add(
        &mut self,
        objects: &Objects,
        gateways: &Gateways,
        routes: &BTreeMap<RouteKey, Arc<Route>>,
        policy: &Arc<Translated>,
    ) -> Verdicts {
        let mut missing = Verdicts::new();
        let mut conflicts: BTreeMap<Key, Vec<String>> = BTreeMap::new();
        for (place, written) in policy.targets.iter().enumerate() {
            match find(objects, gateways, routes, &policy.key.0, written) {
                Err(message) => {
                    let ancestor = Ancestor {
                        kind: written.kind.name(),
                        key: (policy.key.0.clone(), written.name.clone()),
                        section: written.section_name.clone(),
                    };
                    missing.insert(ancestor, Verdict::bad("Accepted", TARGET_NOT_FOUND, message));
                }
                Ok((target, touched)) => {
                    let source = Source { policy: Arc::clone(policy), target: place };
                    let taken = self.fields.entry(target).or_default().add(&source);
                    let taken = taken.into_iter().map(|(field, (namespace, name))| {
                        let (field, kind) = (field.name(), written.kind.name());
                        format!("{kind} {} has {field} of {namespace}/{name}, which is older", written.name)
                    });
                    let taken: Vec<_> = taken.collect();
                    for gateway in touched {
                        conflicts.entry(gateway).or_default().extend(taken.iter().cloned());
                    }
                }
            }
        }
        let errors = policy.errors();
        let verdict = |taken: Vec<String>| {
            if !errors.is_empty() {
                let message =
                    format!("{}; until then, requests that need it are answered with 500", errors.join("; "));
                Verdict::bad("Accepted", "Invalid", message)
            } else if !taken.is_empty() {
                let message = format!("{}: remove one; other fields hold", taken.join("; "));
                Verdict::bad("Accepted", "Conflicted", message)
            } else {
                Verdict::good("Accepted", "Accepted", "the policy is in force")
            }
        };
        let at_gateways = conflicts
            .into_iter()
            .map(|(key, taken)| (Ancestor { kind: "Gateway", key, section: None }, verdict(taken)));
        at_gateways.chain(missing).collect()
    }
}

/// The target that is written, with the gateways that are touched; or why there is none.
fn find(
    objects: &Objects,
    gateways: &Gateways,
    routes: &BTreeMap<RouteKey, Arc<Route>>,
    namespace: &str,
    written: &PolicyTarget,
) -> Result<(Target, BTreeSet<Key>), String> {
    let PolicyTarget { kind, name, section_name, .. } = written;
    let key = (namespace.to_owned(), name.clone());
    let no_section =
        |what: &str, section: &str| format!("{} {name:?} has no {what} {section:?}", kind.name());
    let route = match kind {
        PolicyTargetKind::Gateway => {
            let Some(listeners) = gateways.get(&key) else {
                return Err(match objects.gateways.get(namespace, name) {
                    None => format!("there is no Gateway {name:?} in namespace {namespace:?}"),
                    Some(_) => format!("Gateway {name:?} is not of a class of Flotilla"),
                });
            };
            let touched = BTreeSet::from([key.clone()]);
            return match section_name {
                None => Ok((Target::Gateway(key), touched)),
                Some(section) => {
                    let mut own = listeners.of(&Owner::Gateway);
                    if own.any(|listener| listener.name == *section) {
                        Ok((Target::Listener(key, section.clone()), touched))
                    } else {
                        Err(no_section("listener", section))
                    }
                }
            };
        }
        PolicyTargetKind::HttpRoute => RouteKind::Http,
        PolicyTargetKind::GrpcRoute => RouteKind::Grpc,
    };
    let Some(names) = rules(objects, route, &key) else {
        return Err(format!("there is no {} {name:?} in namespace {namespace:?}", kind.name()));
    };
    if let Some(section) = section_name.as_ref().filter(|section| !names.contains(section.as_str())) {
        return Err(no_section("rule", section));
    }
    let key = (route, key);
    let touched: BTreeSet<Key> = routes
        .get(&key)
        .into_iter()
        .flat_map(|route| route.attached.iter().map(|(gateway, _)| gateway.clone()))
        .collect();
    if touched.is_empty() {
        return Err(format!(
            "{} {name:?} attaches to no gateway of Flotilla: its status says why",
            kind.name()
        ));
    }
    Ok(match section_name {
        None => (Target::Route(key), touched),
        Some(section) => (Target::Rule(key, section.clone()), touched),
    })
}

/// The names of a route's rules; `None` when there is no such route.
fn rules<'o>(objects: &'o Objects, kind: RouteKind, (namespace, name): &Key) -> Option<BTreeSet<&'o str>> {
    if kind == RouteKind::Grpc {
        let route = objects.grpc_routes.get(namespace, name)?;
        return Some(route.spec.rules.iter().flatten().filter_map(|rule| rule.name.as_deref()).collect());
    }
    let route = objects.http_routes.get(namespace, name)?;
    Some(route.spec.rules.iter().flatten().filter_map(|rule| rule.name.as_deref()).collect())
}
