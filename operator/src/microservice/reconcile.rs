//! One reconcile, from the object to its status.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use flotilla_crds::v1alpha1::{Microservice, MicroserviceStatus, OnFailure, condition};
use jiff::Timestamp;
use kube::{Client, ResourceExt, api::PartialObjectMeta, runtime::controller::Action};

use super::{
    apply::apply,
    dereference::{Caches, Observed, dereference},
    edges::Key,
    events,
    plan::{self, plan},
    render::{self, Object, Rendered, render},
    status::{self, Fault, Outcome},
    validate::{self, validate},
};
use crate::{
    cluster::{
        events::Events,
        writer::{self, Writer},
    },
    metrics::{ReconcileMetrics, ServiceMetrics},
};

/// Time after which a service is looked at again although nothing was reported. It costs no request.
const RESYNC: Duration = Duration::from_secs(600);

/// Time for the controller of a workload to see what was applied, before the status says that it has not.
const ANSWER: Duration = Duration::from_secs(3);

/// Time before the first retry, doubled at each further one.
const FIRST_RETRY: Duration = Duration::from_millis(500);

/// The longest time between retries.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// Why a reconcile failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object is not valid.
    #[error(transparent)]
    Validate(#[from] validate::Error),
    /// The objects cannot be rendered.
    #[error(transparent)]
    Render(#[from] render::Error),
    /// Something is in the way.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// A child cannot be written.
    #[error(transparent)]
    Apply(#[from] writer::Error),
}

impl Error {
    /// From a fixed list, for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Validate(_) => "InvalidSpec",
            Self::Render(render::Error::Revision(_)) => "RevisionUnavailable",
            Self::Render(_) | Self::Plan(plan::Error::Compare { .. }) => "InternalError",
            Self::Plan(plan::Error::Foreign(_)) => "ForeignObject",
            Self::Apply(error) => error.reason(),
        }
    }

    /// Whether trying again can help while nobody changes anything.
    fn passes(&self) -> bool {
        matches!(
            self,
            Self::Apply(
                writer::Error::NotLeader | writer::Error::Outdated { .. } | writer::Error::Api { .. }
            )
        )
    }

    fn outcome(&self) -> Outcome {
        let (reason, faults) = (self.reason(), self.faults());
        if self.passes() { Outcome::Retrying { reason, faults } } else { Outcome::Blocked { reason, faults } }
    }

    /// The error by the objects that it is about.
    fn faults(&self) -> Vec<Fault> {
        if let Self::Plan(plan::Error::Foreign(all)) = self {
            let fault = |foreign: &plan::Foreign| {
                let object = Some((foreign.kind().name(), foreign.name().to_owned()));
                Fault { object, message: foreign.to_string() }
            };
            return all.iter().map(fault).collect();
        }
        let object = match self {
            Self::Plan(plan::Error::Compare { kind, name, .. }) => Some((kind.name(), name.clone())),
            Self::Apply(
                writer::Error::Outdated { kind, name }
                | writer::Error::Refused { kind, name, .. }
                | writer::Error::Api { kind, name, .. },
            ) => Some((*kind, name.clone())),
            _ => None,
        };
        vec![Fault { object, message: self.to_string() }]
    }
}

/// A service in the queue: its name, namespace and UID.
pub type Handle = PartialObjectMeta<Microservice>;

/// What the reconciler works with.
#[derive(Debug)]
pub struct Context {
    caches: Arc<Caches>,
    writer: Writer,
    events: Events,
    metrics: ReconcileMetrics,
    services: ServiceMetrics,
    /// The hash of what was wanted last of each service.
    wanted: Mutex<HashMap<Key, u64>>,
    /// Since when services wait for the controller of their workload.
    asked: Mutex<HashMap<Key, Instant>>,
    failures: Mutex<HashMap<String, u32>>,
}

impl Context {
    /// The context of a controller; `instance` is the name of this replica.
    pub fn new(
        client: Client,
        caches: Arc<Caches>,
        writer: Writer,
        metrics: ReconcileMetrics,
        services: ServiceMetrics,
        instance: &str,
    ) -> Self {
        let events = Events::new(client, instance);
        Self {
            caches,
            writer,
            events,
            metrics,
            services,
            wanted: Mutex::default(),
            asked: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Whether the same was wanted of a service when it was last made true.
    fn is_unchanged(&self, key: &Key, wanted: u64) -> bool {
        let known = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key) == Some(&wanted)
    }

    fn remember(&self, key: Key, wanted: u64) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(key, wanted);
    }

    fn forget(&self, key: &Key) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// How long a service may still wait for the controller of its workload; `None` when it has answered, or has not
    /// for too long.
    fn patience(&self, key: Key, is_answered: bool) -> Option<Duration> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if is_answered {
            asked.remove(&key);
            return None;
        }
        let since = asked.entry(key).or_insert_with(Instant::now);
        ANSWER.checked_sub(since.elapsed()).filter(|left| !left.is_zero())
    }
}

/// The hash of everything that is wanted of a service.
fn hash(objects: &[Object]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for Object { kind, name, manifest, first_replicas } in objects {
        (kind, name, manifest, first_replicas).hash(&mut hasher);
    }
    hasher.finish()
}

/// Makes one service true. Measured; the steps are in [`steps`].
pub async fn reconcile(object: Arc<Handle>, context: Arc<Context>) -> Result<Action, Error> {
    context.caches.wait_until_ready().await;
    if !context.writer.leads() {
        return Ok(Action::await_change());
    }
    let namespace = object.namespace().unwrap_or_default();
    let Some(microservice) = context.caches.microservices.get(&namespace, &object.name_any()) else {
        context.forget(&(namespace, object.name_any()));
        return Ok(Action::await_change());
    };
    if microservice.metadata.deletion_timestamp.is_some() {
        // Children go by their owner references.
        return Ok(Action::await_change());
    }
    let began = Instant::now();
    let running = context.metrics.start();
    let result = steps(&microservice, &namespace, &context).await;
    drop(running);
    context.metrics.finish(began.elapsed(), result.as_ref().err().map(Error::reason));
    let uid = microservice.uid().unwrap_or_default();
    if result.is_ok() {
        context.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(&uid);
    }
    result.map(Action::requeue)
}

/// When a service is looked at again although nothing is reported: at the latest when a version that is on its way has
/// taken too long.
fn next_look(microservice: &Microservice, status: &MicroserviceStatus) -> Duration {
    if !status.conditions.iter().any(|found| found.type_ == condition::RECONCILING) {
        return RESYNC;
    }
    let deadline = u64::try_from(status::progress_deadline(microservice)).unwrap_or_default();
    RESYNC.min(Duration::from_secs(deadline + 1))
}

/// Returns when the service is to be looked at again.
async fn steps(
    microservice: &Arc<Microservice>,
    namespace: &str,
    context: &Context,
) -> Result<Duration, Error> {
    let result = converge(microservice, namespace, context).await;
    let (outcome, unchanged) = match &result {
        Ok((outcome, unchanged)) => (outcome.clone(), unchanged.as_ref().map(|seen| (microservice, seen))),
        // Whoever does not lead knows nothing worth writing, and may not write it.
        Err(Error::Apply(writer::Error::NotLeader)) => return result.map(|_| RESYNC),
        Err(error) => (error.outcome(), None),
    };
    let mut reported = report(microservice, unchanged, &outcome, context).await?;
    result?;
    // A version that has just failed gives way at once. What runs then has not failed, so this ends.
    while reported.has_failed {
        let Some(microservice) = context.caches.microservices.get(namespace, &microservice.name_any()) else {
            return Ok(RESYNC);
        };
        let (outcome, _) = converge(&microservice, namespace, context).await?;
        reported = report(&microservice, None, &outcome, context).await?;
    }
    Ok(reported.next_look)
}

/// Steps 1 to 4. Returns what was observed as well when nothing was written.
async fn converge(
    microservice: &Microservice,
    namespace: &str,
    context: &Context,
) -> Result<(Outcome, Option<Observed>), Error> {
    if microservice.spec.suspend.unwrap_or(false) {
        return Ok((Outcome::Suspended, None));
    }
    let observed: Observed = dereference(microservice, &context.caches);
    let validated = validate(microservice, observed.class.get()?)?;
    let Rendered { objects, latest, waits, unmet } = render(&validated, &observed)?;
    let plan = plan(&objects, &observed, &validated.uid)?;
    let key = (namespace.to_owned(), validated.name.clone());
    let wanted = hash(&objects);
    let is_repair = context.is_unchanged(&key, wanted);
    let written: Vec<_> = plan.writes.iter().map(|write| write.object.kind).collect();
    let is_idle = plan.writes.is_empty() && plan.prunes.is_empty() && plan.stuck.is_empty();
    let unchanged = is_idle.then_some(observed);
    apply(plan, namespace, &context.writer, &context.caches).await?;
    if is_repair {
        for kind in written {
            context.services.repaired(kind.name());
        }
    }
    context.remember(key, wanted);
    Ok((Outcome::Applied { latest, waits, unmet }, unchanged))
}

/// What a report has found.
struct Reported {
    /// Whether the status says for the first time that the version of `spec` has failed.
    has_failed: bool,
    /// When the service is to be looked at again.
    next_look: Duration,
}

/// Step 5: writes the status when it is not what it shall be. `unchanged` is what was observed just now.
async fn report(
    microservice: &Microservice,
    unchanged: Option<(&Arc<Microservice>, &Observed)>,
    outcome: &Outcome,
    context: &Context,
) -> Result<Reported, Error> {
    let (namespace, name) = (microservice.namespace().unwrap_or_default(), microservice.name_any());
    let looked: Observed;
    let (microservice, observed) = if let Some((microservice, observed)) = unchanged {
        (Arc::clone(microservice), observed)
    } else {
        let Some(microservice) = context.caches.microservices.get(&namespace, &name) else {
            return Ok(Reported { has_failed: false, next_look: RESYNC });
        };
        looked = dereference(&microservice, &context.caches);
        (microservice, &looked)
    };
    // Its controller answers at once, and that brings us back; if not, the time does.
    let is_answered =
        !matches!(outcome, Outcome::Applied { .. }) || status::is_answered(&microservice, observed);
    if let Some(left) = context.patience((namespace, name), is_answered) {
        return Ok(Reported { has_failed: false, next_look: left });
    }
    let next = status::compute(&microservice, observed, outcome, Timestamp::now());
    let next_look = next_look(&microservice, &next);
    if microservice.status.as_ref() == Some(&next) {
        return Ok(Reported { has_failed: false, next_look });
    }
    let failed = |status: &MicroserviceStatus| status.revisions.as_ref()?.failed.clone();
    let has_failed = failed(&next).is_some_and(|now| {
        microservice.status.as_ref().and_then(failed).is_none_or(|before| before.name != now.name)
    });
    if has_failed {
        let rollout = microservice.spec.rollout.as_ref();
        context.services.failed(match rollout.and_then(|rollout| rollout.on_failure).unwrap_or_default() {
            OnFailure::Rollback => "Rollback",
            OnFailure::Pause => "Pause",
            OnFailure::None => "None",
        });
    }
    let created = microservice.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let took = status::time_to_ready(created, microservice.status.as_ref(), &next, Timestamp::now());
    if let Some(time) = took {
        context.services.ready_after(time);
    }
    let written = context.writer.status(&microservice, &next).await?;
    context.caches.microservices.wrote(written);
    events::transition(&context.events, &microservice, &next).await;
    Ok(Reported { has_failed, next_look })
}

/// When a failed reconcile is tried again.
pub fn retry(object: Arc<Handle>, error: &Error, context: Arc<Context>) -> Action {
    let name = object.name_any();
    if !error.passes() {
        tracing::warn!(%error, reason = error.reason(), microservice = name, "blocked");
        return Action::requeue(RESYNC);
    }
    let mut failures = context.failures.lock().unwrap_or_else(PoisonError::into_inner);
    let count = failures.entry(object.uid().unwrap_or_default()).or_default();
    let wait = FIRST_RETRY.saturating_mul(1 << (*count).min(16)).min(LAST_RETRY);
    *count += 1;
    tracing::warn!(%error, reason = error.reason(), microservice = name, ?wait, "failed, will be tried again");
    Action::requeue(wait)
}
