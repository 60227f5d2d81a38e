//! What has to be written now: the difference between what follows from the objects and what is there. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use flotilla_crds::gateway_api::Gateway;
use flotilla_gateway_config::package::Packer;
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    compile::{
        self, Outcome, RouteKey, Served,
        listener::Fault,
        route::{self, Route},
    },
    events::{Said, transitions},
    infrastructure::{
        self, Running,
        address::{self, Given},
        package::Package,
        plan::{self, Step},
        waits_for,
    },
    kind::Kind,
    objects::Key,
    settings::Settings,
    status,
    watch::Known,
};

/// An object that something is written to.
pub type Target = (Kind, Key);

/// Something to write.
#[derive(Clone, Debug)]
pub enum Job {
    /// What is made for a gateway, step by step.
    Make(Vec<Step>),
    /// A status.
    Status {
        /// The version of the object that it was computed for.
        resource_version: String,
        /// The status.
        status: Value,
        /// What is said of it when it is written.
        said: Vec<Said>,
    },
}

/// What has to be written.
#[derive(Debug, Default)]
pub struct Decision {
    /// By what it is written to.
    pub jobs: BTreeMap<Target, Job>,
    /// When to look again although nothing has changed.
    pub look_again: Option<Timestamp>,
}

/// What the status of a route was computed from, and the version of the object.
type Settled = (Option<Arc<Route>>, String);

/// A configuration as it lies in Secrets.
#[derive(Debug, Default)]
struct Packed {
    from: Arc<[u8]>,
    package: Package,
    packer: Packer,
}

/// Decides, and remembers what is settled.
#[derive(Debug, Default)]
pub struct Decider {
    packages: HashMap<Key, Packed>,
    /// Routes whose status is right, in the order of their keys.
    settled: Vec<(RouteKey, Settled)>,
}

impl Decider {
    /// What has to be written now. `failed` says of gateways why something could not be made for them.
    pub fn decide(
        &mut self,
        known: &Known,
        outcome: &Outcome,
        settings: &Settings,
        failed: &BTreeMap<Key, String>,
        now: Timestamp,
    ) -> Decision {
        let mut decision = Decision::default();
        let given = Given::new(
            outcome.gateways.keys().filter_map(|(namespace, name)| {
                known.objects.gateways.get(namespace, name).map(|gateway| &**gateway)
            }),
            &settings.addresses,
        );
        let mut running = BTreeMap::new();
        let mut subjects = Vec::new();
        self.packages.retain(|key, _| outcome.gateways.contains_key(key));
        for (key, served) in &outcome.gateways {
            let Some(gateway) = known.objects.gateways.get(&key.0, &key.1) else { continue };
            let state = self.make(known, key, gateway, served, settings, &given, failed, now, &mut decision);
            if is_run(served) {
                subjects.push((key.0.clone(), infrastructure::name(gateway)));
            }
            running.insert(key, state);
        }
        forget(known, outcome, &mut decision);
        bind(known, subjects, &mut decision);
        statuses(known, outcome, &running, now, &mut decision);
        self.routes(known, outcome, now, &mut decision);
        decision
    }

    #[expect(clippy::too_many_arguments, reason = "all of it is what one gateway follows from")]
    fn make(
        &mut self,
        known: &Known,
        key: &Key,
        gateway: &Gateway,
        served: &Served,
        settings: &Settings,
        given: &Given,
        failed: &BTreeMap<Key, String>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> status::Running {
        let name = infrastructure::name(gateway);
        let addresses = given.of(gateway);
        let owner = gateway.uid().unwrap_or_default();
        let wanted = if is_run(served) {
            match self.package(key, &name, served) {
                Ok(package) => {
                    let running = Running { gateway, served, package, addresses: &addresses };
                    Ok(running.wanted(settings))
                }
                Err(message) => Err(message),
            }
        } else {
            Ok(Vec::new())
        };
        let blocked = match wanted.and_then(|wanted| plan::plan(wanted, &known.live, &key.0, &owner)) {
            Ok(steps) if steps.is_empty() => None,
            Ok(steps) => {
                decision.jobs.insert((Kind::Microservice, key.clone()), Job::Make(steps));
                None
            }
            Err(message) => Some(message),
        };
        if !is_run(served) {
            return status::Running::default();
        }
        let service = known.objects.services.get(&key.0, &name);
        let reached = address::reached(service.map(|service| &**service), &addresses, now);
        if let Some(until) = reached.look_again {
            decision.look_again = Some(decision.look_again.map_or(until, |known| known.min(until)));
        }
        if let Some(service) = service {
            give(key, service, &addresses, decision);
        }
        let microservice = known.objects.microservices.get(&key.0, &name);
        let fault = |reason, message| Fault { reason, message };
        let waits = blocked
            .or_else(|| failed.get(key).cloned())
            .map(|message| fault("Invalid", message))
            .or_else(|| given.refused(gateway, &settings.addresses))
            .or_else(|| {
                let message = "its Service has no address yet".to_owned();
                reached.addresses.is_empty().then(|| fault("AddressNotAssigned", message))
            })
            .or_else(|| {
                waits_for(microservice.map(|found| &**found)).map(|message| fault("Pending", message))
            });
        status::Running { addresses: reached.addresses, waits }
    }

    fn package(&mut self, key: &Key, name: &str, served: &Served) -> Result<&Package, String> {
        let packed = self.packages.entry(key.clone()).or_default();
        if !Arc::ptr_eq(&packed.from, &served.configuration) {
            packed.package = Package::new(&mut packed.packer, name, &served.configuration)
                .map_err(|error| error.to_string())?;
            packed.from = Arc::clone(&served.configuration);
        }
        Ok(&packed.package)
    }

    /// Statuses of routes. There may be thousands, so that those that are right are not computed again.
    fn routes(&mut self, known: &Known, outcome: &Outcome, now: Timestamp, decision: &mut Decision) {
        let before = std::mem::take(&mut self.settled);
        self.settled.reserve(before.len());
        let (mut before, mut compiled) = (before.into_iter().peekable(), outcome.routes.iter().peekable());
        for source in route::sources(&known.objects) {
            let place = source.place();
            let settled = route::at(&mut before, place);
            let compiled = route::at(&mut compiled, place).map(|(_, compiled)| compiled);
            let meta = source.meta();
            let version = meta.resource_version.as_deref().unwrap_or_default();
            let is_same = |(from, of): &Settled| {
                *of == version
                    && match (from, compiled) {
                        (None, None) => true,
                        (Some(from), Some(compiled)) => Arc::ptr_eq(from, compiled),
                        _ => false,
                    }
            };
            if let Some(settled) = settled.filter(|(_, settled)| is_same(settled)) {
                self.settled.push(settled);
                continue;
            }
            let key = source.key();
            let live = source.status();
            let next = status::route(live, meta.generation, compiled.map(|found| &**found), now);
            if live.map_or(next.parents.is_empty(), |live| *live == next) {
                self.settled.push((key, (compiled.map(Arc::clone), version.to_owned())));
            } else {
                let status = json!({"parents": next.parents});
                let said = transitions(Kind::Route(key.0), &json!(live), &status);
                let job = Job::Status { resource_version: version.to_owned(), status, said };
                decision.jobs.insert((Kind::Route(key.0), key.1), job);
            }
        }
    }
}

/// Whether something runs for a gateway.
fn is_run(served: &Served) -> bool {
    served.refused.is_none() && !served.ports.is_empty()
}

/// Writes the addresses that a gateway gets into the status of its Service, as a load balancer does.
fn give(
    key: &Key,
    service: &k8s_openapi::api::core::v1::Service,
    addresses: &[std::net::IpAddr],
    decision: &mut Decision,
) {
    let class = service.spec.as_ref().and_then(|spec| spec.load_balancer_class.as_deref());
    if addresses.is_empty() || class != Some(infrastructure::LOAD_BALANCER_CLASS) {
        return;
    }
    let wanted: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let live = service.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.as_ref());
    let live: Vec<_> = live.into_iter().flatten().filter_map(|ingress| ingress.ip.clone()).collect();
    if live != wanted {
        let ingress: Vec<_> = wanted.iter().map(|ip| json!({"ip": ip, "ipMode": "VIP"})).collect();
        let target = (Kind::Service, (key.0.clone(), service.name_any()));
        let resource_version = service.resource_version().unwrap_or_default();
        let status = json!({"loadBalancer": {"ingress": ingress}});
        decision.jobs.insert(target, Job::Status { resource_version, status, said: Vec::new() });
    }
}

/// Takes back what was made for gateways that are there and not ours any more. With a gateway that is gone, the cluster
/// deletes what belonged to it.
fn forget(known: &Known, outcome: &Outcome, decision: &mut Decision) {
    for (key, gateway) in known.objects.gateways.iter() {
        let (false, Some(owner)) = (outcome.gateways.contains_key(key), gateway.uid()) else { continue };
        if gateway.metadata.deletion_timestamp.is_some() {
            continue;
        }
        match plan::plan(Vec::new(), &known.live, &key.0, &owner) {
            Ok(steps) if !steps.is_empty() => {
                decision.jobs.insert((Kind::Microservice, key.clone()), Job::Make(steps));
            }
            _ => {}
        }
    }
}

/// Lets gateways see endpoints.
fn bind(known: &Known, subjects: Vec<(String, String)>, decision: &mut Decision) {
    let wanted = infrastructure::cluster_role_binding(subjects.into_iter());
    let live = known.live.get(&(Kind::ClusterRoleBinding, String::new(), wanted.name.clone()));
    let step = match live {
        None => Step::Create(wanted),
        Some(live) if plan::differs(&wanted, live) => Step::Update(wanted, live.uid().unwrap_or_default()),
        Some(_) => return,
    };
    let target = (Kind::ClusterRoleBinding, (String::new(), infrastructure::CLUSTER_ROLE.to_owned()));
    decision.jobs.insert(target, Job::Make(vec![step]));
}

/// Statuses of everything but routes.
fn statuses(
    known: &Known,
    outcome: &Outcome,
    running: &BTreeMap<&Key, status::Running>,
    now: Timestamp,
    decision: &mut Decision,
) {
    let objects = &known.objects;
    for (key, class) in objects.classes.iter().filter(|(_, class)| compile::is_ours(class)) {
        let next = status::class(class, now);
        if class.status.as_ref() != Some(&next) {
            let status = json!({"conditions": next.conditions, "supportedFeatures": next.supported_features});
            add(decision, (Kind::GatewayClass, key), &**class, class.status.as_ref(), status);
        }
    }
    for (key, served) in &outcome.gateways {
        let (Some(gateway), Some(state)) = (objects.gateways.get(&key.0, &key.1), running.get(key)) else {
            continue;
        };
        let next = status::gateway(gateway, served, state, now);
        if gateway.status.as_ref() != Some(&next) {
            let status = json!({
                "addresses": next.addresses,
                "attachedListenerSets": next.attached_listener_sets,
                "conditions": next.conditions,
                "listeners": next.listeners,
            });
            add(decision, (Kind::Gateway, key), &**gateway, gateway.status.as_ref(), status);
        }
        let sets = served.listeners.get(key).map(|listeners| &listeners.sets);
        for set_key in sets.into_iter().flat_map(BTreeMap::keys) {
            let Some(set) = objects.listener_sets.get(&set_key.0, &set_key.1) else { continue };
            let Some(next) = status::listener_set(set, key, served, state, now) else { continue };
            if set.status.as_ref() != Some(&next) {
                let status = json!({"conditions": next.conditions, "listeners": next.listeners});
                add(decision, (Kind::ListenerSet, set_key), &**set, set.status.as_ref(), status);
            }
        }
    }
    for (key, verdicts) in &outcome.traffic {
        let Some(policy) = objects.traffic_policies.get(&key.0, &key.1) else { continue };
        let next = status::traffic(policy, verdicts, now);
        let is_right = policy.status.as_ref().map_or(next.ancestors.is_empty(), |live| *live == next);
        if !is_right {
            let status = json!({"ancestors": next.ancestors});
            add(decision, (Kind::TrafficPolicy, key), &**policy, policy.status.as_ref(), status);
            // A service makes its policy before its routes, and says itself when these do not come.
            let is_made = policy.owner_references().iter().any(|owner| owner.controller == Some(true));
            if let (true, Some(Job::Status { said, .. })) =
                (is_made, decision.jobs.get_mut(&(Kind::TrafficPolicy, key.clone())))
            {
                said.retain(|said| said.reason != compile::traffic::TARGET_NOT_FOUND);
            }
        }
    }
    for (key, (verdicts, _)) in &outcome.policies.verdicts {
        let Some(policy) = objects.backend_tls_policies.get(&key.0, &key.1) else { continue };
        let gateways = outcome.policed.get(key).map(Vec::as_slice).unwrap_or_default();
        let next = status::policy(policy, verdicts, gateways, now);
        let is_right = policy.status.as_ref().map_or(next.ancestors.is_empty(), |live| *live == next);
        if !is_right {
            let status = json!({"ancestors": next.ancestors});
            add(decision, (Kind::BackendTlsPolicy, key), &**policy, policy.status.as_ref(), status);
        }
    }
}

fn add<K: Resource>(
    decision: &mut Decision,
    (kind, key): (Kind, &Key),
    object: &K,
    live: Option<&impl Serialize>,
    status: Value,
) {
    let resource_version = object.meta().resource_version.clone().unwrap_or_default();
    let said = transitions(kind, &json!(live), &status);
    decision.jobs.insert((kind, key.clone()), Job::Status { resource_version, status, said });
}

#[cfg(test)]
mod tests;
