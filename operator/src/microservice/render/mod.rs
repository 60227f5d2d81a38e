//! Step 3: the objects that a `Microservice` becomes. Pure: no I/O, no clock, the same input gives the same
//! bytes. The command line calls this very function, so what is reviewed is what is applied.

mod autoscaler;
mod binding;
mod config_map;
mod container;
mod deployment;
mod disruption_budget;
mod job;
mod labels;
mod listener;
mod monitor;
mod mutual_tls;
mod network_policy;
mod overlay;
mod pod;
mod policy;
mod probe;
mod revision;
mod route;
mod scaled_object;
mod service;
mod service_account;
mod stateful_set;
#[cfg(test)]
pub(crate) mod tests;
mod volume;

use std::collections::BTreeMap;

use flotilla_crds::v1alpha1::Capability;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, api::DynamicObject};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub use self::labels::selector;
use super::{
    dereference::Observed,
    digest,
    revision::{Choice, JobOutcome, Wait, choose},
    scale::Replicas,
    validate::{Reference, Validated},
};
use crate::cluster::{ADOPTED_ANNOTATION, kind::Kind, ownership};

/// Why the objects cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A defect of the operator.
    #[error("{kind} cannot be written as JSON")]
    Write {
        /// What was to be written.
        kind: Kind,
        /// Why not.
        source: serde_json::Error,
    },
    /// A block of `spec` is not what Kubernetes has under that name: a defect of the operator.
    #[error("a block of spec cannot be written in the form of Kubernetes: {0}")]
    Shape(#[source] serde_json::Error),
    /// No version can be chosen.
    #[error(transparent)]
    Revision(#[from] super::revision::Error),
}

/// An object that the operator wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its name, in the namespace of the `Microservice`.
    pub name: String,
    /// The object as it is applied: every field in it is owned by the operator.
    pub manifest: Value,
    /// With how many replicas it is created, when they are others' from then on.
    pub first_replicas: Option<i32>,
}

/// What a `Microservice` becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Every object, in the order of apply.
    pub objects: Vec<Object>,
    /// The name of the revision that `spec` asks for.
    pub latest: String,
    /// What that revision waits for before it runs.
    pub waits: Option<Wait>,
    /// What `spec` asks for and cannot be made.
    pub unmet: Vec<Unmet>,
}

/// Something that `spec` asks for and that cannot be made, although the rest can.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// From a fixed list, for conditions.
    pub reason: &'static str,
    /// The field, and what to do.
    pub message: String,
    /// Whether the service is not Ready for it.
    pub is_fatal: bool,
}

impl Unmet {
    /// The cluster does not serve a kind that a field needs.
    fn missing_kind(service: &Validated, kind: Kind, field: &str, advice: &str) -> Self {
        let capability = match kind {
            Kind::HttpRoute | Kind::GrpcRoute | Kind::ListenerSet => Some(Capability::Routes),
            Kind::ServiceMonitor | Kind::PodMonitor | Kind::PrometheusRule => Some(Capability::Monitoring),
            Kind::Certificate => Some(Capability::Certificates),
            Kind::ScaledObject => Some(Capability::EventScaling),
            Kind::PeerAuthentication => Some(Capability::MutualTls),
            Kind::SecurityPolicy | Kind::BackendTrafficPolicy | Kind::TrafficPolicy => {
                Some(Capability::Policies)
            }
            _ => None,
        };
        Self {
            is_fatal: !capability.is_some_and(|capability| service.class.is_optional(capability)),
            reason: "MissingCapability",
            message: format!(
                "{field} needs the kind {kind} ({}), which this cluster does not have: {advice}, or remove {field}",
                kind.api_version()
            ),
        }
    }
}

/// Every object that a `Microservice` becomes in a cluster that has what was observed. Without a cluster that is
/// nothing.
pub fn render(service: &Validated, observed: &Observed) -> Result<Rendered, Error> {
    let live = observed.get(service.workload, &service.name);
    // A selector cannot be changed, so a workload that was taken over keeps its own.
    let of_live = live.filter(|live| {
        ownership::is_controlled_by(&live.metadata, &service.uid)
            || ownership::may_adopt(&live.metadata, &service.name)
    });
    let mut service = service.clone();
    if let Some(selector) = of_live.and_then(|live| match_labels(live)) {
        service.selector = selector;
    }
    let pending = binding::resolve(&mut service.bindings, observed);
    let service = &service;
    let replicas = Replicas::decide(service, live.map(AsRef::as_ref));
    let template = pod::template(service, observed, references_digest(observed))?;
    let mut template = serde_json::to_value(template).map_err(Error::Shape)?;
    overlay::template(service, &mut template);
    let config = service.config.as_ref().map(|config| config.data.clone()).unwrap_or_default();
    let latest = super::revision::content(service, template, config);
    let latest_name = latest.name.clone();
    let mut choice = choose(service, latest, pending.as_ref(), observed)?;
    if pending.is_some() {
        // It is not what will run.
        choice
            .kept
            .retain(|kept| kept.name != latest_name || observed.get(Kind::Revision, &kept.name).is_some());
    }

    let mut objects = Vec::new();
    if let Some(account) = service_account::render(service) {
        objects.push(object(Kind::ServiceAccount, &account)?);
    }
    for kept in choice.kept.iter().filter(|kept| !kept.spec.config.is_empty()) {
        let rendered = object(Kind::ConfigMap, &config_map::render(service, &kept.spec.config))?;
        if !objects.contains(&rendered) {
            objects.push(rendered);
        }
    }
    for kept in &choice.kept {
        objects.push(object(Kind::Revision, &revision::render(service, kept))?);
    }
    if let Some(policy) = network_policy::render(service, observed) {
        objects.push(object(Kind::NetworkPolicy, &policy)?);
    }
    if let Some(cluster_service) = service::render(service) {
        objects.push(object(Kind::Service, &cluster_service)?);
    }
    let mut unmet: Vec<_> = autoscaler::unmet(service).into_iter().collect();
    for schedule in &service.schedules {
        objects.push(object(Kind::CronJob, &job::scheduled(service, observed, schedule)?)?);
    }
    let (others, missing) = of_optional_kinds(service, observed)?;
    objects.extend(others);
    unmet.extend(missing);
    let (jobs, migrating) = migrations(service, observed, &choice, &latest_name)?;
    objects.extend(jobs);
    let finish = |mut objects: Vec<Object>, waits: Option<Wait>, mut unmet: Vec<Unmet>| {
        objects.sort_by_key(|object| object.kind);
        // What waits, and what cannot be made, may be what an overlay is for.
        let partial = waits.is_some() || !unmet.is_empty();
        unmet.extend(overlay::objects(service, &mut objects, partial));
        Ok(Rendered { objects, latest: latest_name.clone(), waits, unmet })
    };
    let (run, waits) = match migrating {
        // What runs goes on until the database is ready for the next version.
        Some(wait) => (choice.held.clone(), Some(wait)),
        None => (choice.run, choice.waits),
    };
    let Some(run) = run else {
        return finish(objects, waits, unmet);
    };
    let mut workload = if service.workload == Kind::StatefulSet {
        objects.push(object(Kind::Service, &stateful_set::governing_service(service))?);
        object(Kind::StatefulSet, &stateful_set::render(service, &run.name, choice.paused, &replicas))?
    } else {
        object(Kind::Deployment, &deployment::render(service, &run.name, choice.paused, &replicas))?
    };
    workload.manifest["spec"]["template"] = run.spec.template;
    if choice.adopted {
        workload.manifest["metadata"]["annotations"][ADOPTED_ANNOTATION] = Value::from(latest_name.clone());
    }
    if let Replicas::Automatic { first } = replicas {
        workload.first_replicas = Some(first);
    }
    objects.push(workload);
    if let Some(budget) = disruption_budget::render(service, &replicas) {
        objects.push(object(Kind::PodDisruptionBudget, &budget)?);
    }
    if let Some(autoscaler) = autoscaler::render(service) {
        objects.push(object(Kind::HorizontalPodAutoscaler, &autoscaler)?);
    }
    match scaled_object::render(service, observed) {
        Some(Ok(scaled)) => objects.push(scaled),
        Some(Err(missing)) => unmet.push(missing),
        None => {}
    }
    finish(objects, waits, unmet)
}

/// What is written in kinds that a cluster may lack, and what cannot be.
fn of_optional_kinds(service: &Validated, observed: &Observed) -> Result<(Vec<Object>, Vec<Unmet>), Error> {
    let (mut objects, mut unmet) = route::render(service, observed)?;
    match policy::unmet(service, observed) {
        Some(missing) => {
            if policy::needs_sign_in(service) {
                objects.clear();
            }
            unmet.push(missing);
        }
        None => policy::add(service, observed, &mut objects)?,
    }
    let (monitors, missing) = monitor::render(service, observed);
    objects.extend(monitors);
    unmet.extend(missing);
    match mutual_tls::render(service, observed) {
        Some(Ok(authentication)) => objects.push(authentication),
        Some(Err(missing)) => unmet.push(missing),
        None => {}
    }
    Ok((objects, unmet))
}

/// The Jobs of the version that `spec` asks for, as far as it is their turn, and what that version waits for.
///
/// A version that already runs needs none of them: those that are there stay as a record, and one that somebody has
/// deleted is not run again.
fn migrations(
    service: &Validated,
    observed: &Observed,
    choice: &Choice,
    latest: &str,
) -> Result<(Vec<Object>, Option<Wait>), Error> {
    let runs_already = super::revision::current(service, observed).as_deref() == Some(latest);
    let comes_next = choice.run.as_ref().is_some_and(|run| run.name == latest) && !runs_already;
    let mut jobs = Vec::new();
    for migration in &service.migrations {
        let name = job::migration_name(service, migration, latest);
        let live = observed.get(Kind::Job, &name);
        if live.is_none() && !comes_next {
            continue;
        }
        jobs.push(object(Kind::Job, &job::migration(service, observed, migration, latest)?)?);
        if !comes_next {
            continue;
        }
        match super::revision::job_outcome(live.map(AsRef::as_ref)) {
            JobOutcome::Succeeded => {}
            JobOutcome::Running => {
                let message = format!("migration {:?} runs (Job {name})", migration.name);
                return Ok((
                    jobs,
                    Some(Wait { reason: "Migrating", message, is_failure: false, job: Some(name) }),
                ));
            }
            JobOutcome::Failed(why) => {
                let message = format!(
                    "migration {:?} failed: {why}; its log: kubectl logs job/{name}; correct spec, or delete the Job to try again",
                    migration.name
                );
                return Ok((
                    jobs,
                    Some(Wait { reason: "MigrationFailed", message, is_failure: true, job: Some(name) }),
                ));
            }
        }
    }
    Ok((jobs, None))
}

/// What selects the pods of a live workload.
pub fn match_labels(live: &DynamicObject) -> Option<BTreeMap<String, String>> {
    let labels = live.data.pointer("/spec/selector/matchLabels")?.as_object()?;
    labels.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// The hash of the versions of everything that the pods refer to; `None` when there is nothing.
fn references_digest(observed: &Observed) -> Option<String> {
    if observed.references.is_empty() {
        return None;
    }
    let versions: Vec<_> = observed
        .references
        .iter()
        .map(|(reference, version)| match reference {
            Reference::ConfigMap(name) => serde_json::json!(["ConfigMap", name, version]),
            Reference::Secret(name) => serde_json::json!(["Secret", name, version]),
        })
        .collect();
    Some(digest::short(&digest::of(&Value::from(versions))).to_owned())
}

/// A block of `spec` as the type of Kubernetes that has the same form.
fn core_shape<A: Serialize, B: DeserializeOwned>(block: &A) -> Result<B, Error> {
    serde_json::to_value(block).and_then(serde_json::from_value).map_err(Error::Shape)
}

fn object<K>(kind: Kind, object: &K) -> Result<Object, Error>
where
    K: Serialize + Resource<DynamicType = ()>,
{
    let mut manifest = serde_json::to_value(object).map_err(|source| Error::Write { kind, source })?;
    manifest["apiVersion"] = Value::from(kind.api_version());
    manifest["kind"] = Value::from(kind.name());
    let name = object.meta().name.clone().unwrap_or_default();
    Ok(Object { kind, name, manifest, first_replicas: None })
}

/// Metadata of a child that carries the name of the service.
fn metadata(service: &Validated) -> ObjectMeta {
    ObjectMeta {
        name: Some(service.name.clone()),
        namespace: Some(service.namespace.clone()),
        labels: Some(labels::all(&service.name)),
        owner_references: Some(vec![OwnerReference {
            api_version: format!("{}/v1alpha1", flotilla_crds::GROUP),
            kind: "Microservice".to_owned(),
            name: service.name.clone(),
            uid: service.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    }
}
