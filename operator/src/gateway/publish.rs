//! Writes what was decided: each object by one writer at a time, configurations before statuses, and what fails again later.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{ResourceExt, api::DynamicObject, runtime::events::EventType};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

use super::{
    decide::{Job, Target},
    events::Said,
    infrastructure::plan::Step,
    kind::Kind,
    objects::Key,
};
use crate::{
    cluster::{
        events::Events,
        kind::Written,
        writer::{Error, Writer},
    },
    metrics::ReconcileMetrics,
};

/// Statuses that are written at once.
const STATUSES: usize = 16;

/// Time before a failed write is tried again, doubled at each further one.
const FIRST_RETRY: Duration = Duration::from_millis(200);

/// The longest time between tries.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// What a job has come to.
#[derive(Debug)]
pub struct Done {
    target: Target,
    /// What is there now, as the API server has answered.
    pub written: Vec<(Kind, DynamicObject)>,
    /// What is not there any more.
    pub deleted: Vec<(Kind, String, String)>,
    error: Option<Error>,
}

/// Writes.
#[derive(Debug)]
pub struct Publisher {
    writer: Writer,
    running: JoinSet<Done>,
    busy: HashSet<Target>,
    waiting: HashMap<Target, (u32, Instant)>,
    failed: BTreeMap<Key, String>,
    room: Arc<Semaphore>,
    events: Arc<Events>,
    metrics: ReconcileMetrics,
}

impl Publisher {
    /// Nothing to do yet.
    pub fn new(writer: Writer, events: Events, metrics: ReconcileMetrics) -> Self {
        let (running, busy, waiting, failed) = Default::default();
        let room = Arc::new(Semaphore::new(STATUSES));
        Self { writer, running, busy, waiting, failed, room, events: Arc::new(events), metrics }
    }

    /// Why something could not be made for a gateway.
    pub fn failed(&self) -> &BTreeMap<Key, String> {
        &self.failed
    }

    /// Starts the jobs whose target is free. Those of the others are decided anew when it is.
    pub fn start(&mut self, jobs: BTreeMap<Target, Job>) {
        let now = Instant::now();
        self.waiting.retain(|target, _| jobs.contains_key(target) || self.busy.contains(target));
        self.failed.retain(|key, _| {
            let target = (Kind::Microservice, key.clone());
            self.waiting.contains_key(&target) || self.busy.contains(&target)
        });
        for (target, job) in jobs {
            let waits = self.waiting.get(&target).is_some_and(|(_, until)| *until > now);
            if waits || !self.busy.insert(target.clone()) {
                continue;
            }
            let (writer, room) = (self.writer.clone(), Arc::clone(&self.room));
            let events = Arc::clone(&self.events);
            self.running.spawn(async move { run(&writer, &room, &events, target, job).await });
        }
    }

    /// When something that failed is due again.
    pub fn due(&self) -> Option<Instant> {
        self.waiting
            .iter()
            .filter(|(target, _)| !self.busy.contains(*target))
            .map(|(_, (_, until))| *until)
            .min()
    }

    /// The next job that has come to its end; waits for ever when none runs.
    pub async fn done(&mut self) -> Done {
        loop {
            match self.running.join_next().await {
                None => std::future::pending::<()>().await,
                Some(Err(error)) => tracing::error!(%error, "a write died"),
                Some(Ok(done)) => {
                    self.settle(&done);
                    return done;
                }
            }
        }
    }

    fn settle(&mut self, done: &Done) {
        let Done { target, error, .. } = done;
        self.busy.remove(target);
        let Some(error) = error else {
            self.waiting.remove(target);
            return;
        };
        let count = self.waiting.get(target).map_or(0, |(count, _)| *count);
        // Somebody was faster, and the watch brings what they wrote: no reason to wait long, or to speak of it.
        let is_late = matches!(error, Error::Outdated { .. });
        let wait = FIRST_RETRY.saturating_mul(1 << count.min(16)).min(LAST_RETRY);
        self.waiting.insert(target.clone(), (count + 1, Instant::now() + wait));
        let (kind, (namespace, name)) = target;
        if !is_late || count > 3 {
            self.metrics.fail(error.reason());
            tracing::warn!(%error, %kind, namespace, name, ?wait, "cannot be written, will be tried again");
            if *kind == Kind::Microservice {
                self.failed.insert(target.1.clone(), error.to_string());
            }
        }
    }
}

async fn run(writer: &Writer, room: &Semaphore, events: &Events, target: Target, job: Job) -> Done {
    let mut done = Done { target, written: Vec::new(), deleted: Vec::new(), error: None };
    let (kind, (namespace, name)) = done.target.clone();
    match job {
        Job::Status { resource_version, status, said } => {
            // It is closed never.
            let _place = room.acquire().await;
            match writer.replace_status(kind, &namespace, &name, &resource_version, &status).await {
                Ok(object) => {
                    publish(events, kind, &object, &said).await;
                    done.written.push((kind, object));
                }
                Err(error) => done.error = Some(error),
            }
        }
        Job::Make(steps) => {
            for step in steps {
                if let Err(error) = make(writer, &namespace, step, &mut done).await {
                    done.error = Some(error);
                    break;
                }
            }
        }
    }
    done
}

async fn publish(events: &Events, kind: Kind, object: &DynamicObject, said: &[Said]) {
    let about = ObjectReference {
        api_version: Some(kind.api_resource().api_version),
        kind: Some(kind.name().to_owned()),
        namespace: object.namespace(),
        name: Some(object.name_any()),
        uid: object.uid(),
        resource_version: object.resource_version(),
        ..ObjectReference::default()
    };
    for Said { is_warning, reason, note } in said {
        let type_ = if *is_warning { EventType::Warning } else { EventType::Normal };
        events.publish(&about, type_, reason, note).await;
    }
}

async fn make(writer: &Writer, namespace: &str, step: Step, done: &mut Done) -> Result<(), Error> {
    match step {
        Step::Create(wanted) => {
            let object = writer.create(wanted.kind, namespace, &wanted.manifest).await?;
            tracing::info!(kind = %wanted.kind, namespace, name = object.name_any(), "made");
            done.written.push((wanted.kind, object));
        }
        Step::Update(wanted, uid) => {
            let object = writer.update(wanted.kind, namespace, &wanted.manifest, &uid).await?;
            tracing::debug!(kind = %wanted.kind, namespace, name = object.name_any(), "applied");
            done.written.push((wanted.kind, object));
        }
        Step::Delete(kind, name, uid) => {
            writer.delete(kind, namespace, &name, &uid).await?;
            tracing::info!(%kind, namespace, name, "deleted");
            done.deleted.push((kind, namespace.to_owned(), name));
        }
    }
    Ok(())
}
