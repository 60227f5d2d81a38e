//! `TrafficPolicy`: which policy counts where, and what becomes of each (GEP-713).
//!
//! `translate` says what a policy means, `targets` which policy a target has of each field, and `policed` puts that on the rules
//! of a route. The most specific policy counts, field by field; of two for one target the older.

mod policed;
mod targets;
mod translate;

use std::{collections::BTreeMap, sync::Arc};

pub(super) use self::policed::Policed;
use self::{policed::Inputs, targets::Targets, translate::Translated};
use super::{RouteKey, RouteKind, attach::Gateways, route::Route};
use crate::gateway::{
    condition::Verdict,
    objects::{Key, Objects},
};

/// Whether there is a policy of this name that is attached to a route as a whole.
pub fn is_for(objects: &Objects, policy: &str, kind: RouteKind, namespace: &str, route: &str) -> bool {
    objects.traffic_policies.get(namespace, policy).is_some_and(|policy| {
        policy.spec.target_refs.iter().any(|target| {
            target.kind.name() == kind.name() && target.name == route && target.section_name.is_none()
        })
    })
}

/// Something that has policies, or should have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ancestor {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace and name.
    pub key: Key,
    /// A part of it.
    pub section: Option<String>,
}

/// The reason of a policy whose target is not there.
pub const TARGET_NOT_FOUND: &str = "TargetNotFound";

/// What the status of a policy says: of each gateway, and of targets that are not there.
pub type Verdicts = BTreeMap<Ancestor, Verdict>;

/// Compiles policies, and remembers what it has compiled.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// The versions of policies and of ConfigMaps that they were translated from.
    versions: (u64, u64),
    translated: Vec<Arc<Translated>>,
    policed: BTreeMap<(RouteKey, Key), Known>,
}

#[derive(Debug)]
struct Known {
    route: Arc<Route>,
    inputs: Inputs,
    policed: Arc<Policed>,
}

/// What policies make of routes.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    /// By route and gateway; the others stay as they are.
    pub(super) policed: BTreeMap<(RouteKey, Key), Arc<Policed>>,
    /// By policy.
    pub(super) verdicts: BTreeMap<Key, Verdicts>,
}

impl Traffic {
    /// What the policies make of these routes.
    pub(super) fn compile(
        &mut self,
        objects: &Objects,
        gateways: &Gateways,
        routes: &BTreeMap<RouteKey, Arc<Route>>,
    ) -> Compiled {
        if objects.traffic_policies.is_empty() {
            *self = Self::default();
            return Compiled::default();
        }
        let versions = (objects.traffic_policies.version(), objects.config_maps.version());
        if self.versions != versions {
            self.translated = translate::all(objects, std::mem::take(&mut self.translated));
            self.versions = versions;
        }
        let targets = Targets::resolve(objects, gateways, routes, &self.translated);
        let mut before = std::mem::take(&mut self.policed);
        let mut compiled = Compiled::default();
        for (key, route) in routes {
            for (gateway, listeners) in &route.attached {
                let Some(inputs) = Inputs::find(&targets, key, gateway, listeners) else { continue };
                let place = (key.clone(), gateway.clone());
                let known = match before.remove(&place) {
                    Some(known) if Arc::ptr_eq(&known.route, route) && known.inputs == inputs => known,
                    _ => {
                        let policed = Arc::new(Policed::new(route, &inputs));
                        Known { route: Arc::clone(route), inputs, policed }
                    }
                };
                compiled.policed.insert(place.clone(), Arc::clone(&known.policed));
                self.policed.insert(place, known);
            }
        }
        compiled.verdicts = targets.verdicts;
        compiled
    }
}

#[cfg(test)]
impl Traffic {
    pub(super) fn policed(&self, place: &(RouteKey, Key)) -> Arc<Policed> {
        self.policed.get(place).map(|known| Arc::clone(&known.policed)).unwrap_or_default()
    }
}
