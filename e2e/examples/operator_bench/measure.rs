//! One run: so many objects made, changed, kept and deleted.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use flotilla_e2e::{AuditLog, Machine, Position, Request, Usage};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

use crate::{server::Latency, subject::Subject};

/// Requests of ours that are under way at once.
const AT_ONCE: usize = 16;

/// How long an operator that was started anew is watched.
const AFTER_RESTART: Duration = Duration::from_secs(20);

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(1800);

/// A run.
pub(crate) struct Bench {
    pub(crate) client: Client,
    pub(crate) audit: AuditLog,
    pub(crate) machine: Machine,
    pub(crate) subject: Subject,
    pub(crate) pid: Option<u32>,
    pub(crate) size: usize,
    pub(crate) idle: Duration,
}

/// What everything has used so far.
struct Snapshot {
    operator: Usage,
    api_server: Usage,
    etcd: Usage,
    controllers: Usage,
    all: f64,
    writes: Latency,
}

impl Bench {
    /// Measures.
    pub(crate) async fn run(&self) -> Result<Value> {
        // Its memory shall be that of this run.
        self.subject.restart().await?;
        self.settle().await?;
        let name = format!("bench-{}", self.size);
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        namespaces.create(&PostParams::default(), &namespace).await?;
        let mut result = self.measure(&name).await?;
        let deleting = Instant::now();
        self.delete(&name).await?;
        result["delete_seconds"] = json!(deleting.elapsed().as_secs_f64());
        namespaces.delete(&name, &DeleteParams::background()).await?;
        while namespaces.get_opt(&name).await?.is_some() {
            wait(deleting, "the namespace is deleted").await?;
        }
        Ok(result)
    }

    async fn measure(&self, namespace: &str) -> Result<Value> {
        let api = self.api(namespace);
        let names: Vec<String> = (0..self.size).map(|index| format!("service-{index}")).collect();
        let (before, position) = (self.snapshot().await?, self.audit.position()?);

        let began = Instant::now();
        let ready = tokio::spawn(until_ready(api.clone(), self.subject, self.size, 1));
        let made = self.apply(&api, &names, "registry.invalid/app:1").await?;
        let create_seconds = began.elapsed().as_secs_f64();
        let ready_at = ready.await??;
        let seconds = began.elapsed().as_secs_f64();
        let after = self.snapshot().await?;
        self.settle().await?;
        let writes = self.writes(position)?;
        let steady = self.operator().await?;
        let mut waits: Vec<f64> = ready_at
            .iter()
            .filter_map(|(name, at)| Some(at.duration_since(*made.get(name)?).as_secs_f64()))
            .collect();
        let mut latencies: Vec<f64> = writes.iter().filter_map(Request::seconds).collect();
        let server = after.writes.since(&before.writes);
        let (_, processors) = Machine::all()?;

        let changed = Instant::now();
        let position = self.audit.position()?;
        let ready = tokio::spawn(until_ready(api.clone(), self.subject, self.size, 2));
        self.apply(&api, &names, "registry.invalid/app:2").await?;
        ready.await??;
        let update_seconds = changed.elapsed().as_secs_f64();
        self.settle().await?;
        let update_writes = self.writes(position)?.len();

        let position = self.audit.position()?;
        tokio::time::sleep(self.idle).await;
        let idle = self.audit.since(position, self.subject.agent())?;
        let idle = idle.iter().filter(|request| request.verb != "watch" && !request.is_election()).count();
        let mut peak = self.operator().await?.peak;

        let mut restart_writes = Value::Null;
        if self.pid.is_none() {
            let position = self.audit.position()?;
            self.subject.restart().await?;
            tokio::time::sleep(AFTER_RESTART).await;
            restart_writes = json!(self.writes(position)?.len());
            peak = peak.max(self.operator().await?.peak);
        }
        let cpu = |of: fn(&Snapshot) -> f64| of(&after) - of(&before);
        Ok(json!({
            "subject": format!("{:?}", self.subject).to_lowercase(),
            "size": self.size,
            "seconds": seconds,
            "create_seconds": create_seconds,
            "p50": percentile(&mut waits, 0.5),
            "p99": percentile(&mut waits, 0.99),
            "writes": writes.len(),
            "write_p50": percentile(&mut latencies, 0.5),
            "write_p99": percentile(&mut latencies, 0.99),
            "server_writes": server.count(),
            "server_write_p50": server.quantile(0.5),
            "server_write_p99": server.quantile(0.99),
            "operator_cpu": cpu(|at| at.operator.cpu),
            "server_cpu": cpu(|at| at.api_server.cpu),
            "etcd_cpu": cpu(|at| at.etcd.cpu),
            "controllers_cpu": cpu(|at| at.controllers.cpu),
            "all_cpu": cpu(|at| at.all),
            "processors": processors,
            "memory_before": before.operator.resident,
            "memory_steady": steady.resident,
            "memory": peak,
            "memory_each": steady.resident.saturating_sub(before.operator.resident) / self.size as u64,
            "update_seconds": update_seconds,
            "update_writes": update_writes,
            "idle_requests": idle,
            "idle_seconds": self.idle.as_secs(),
            "restart_writes": restart_writes,
        }))
    }

    fn api(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &self.subject.resource())
    }

    async fn operator(&self) -> Result<Usage> {
        match self.pid {
            Some(pid) => Machine::process(pid),
            None => Machine::pod(&Subject::pod(&self.client).await?),
        }
    }

    async fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot {
            operator: self.operator().await?,
            api_server: self.machine.component("kube-apiserver")?,
            etcd: self.machine.component("etcd")?,
            controllers: self.machine.component("kube-controller-manager")?,
            all: Machine::all()?.0,
            writes: Latency::of_writes(&self.client).await?,
        })
    }

    /// Writes every object. Returns when each was written.
    async fn apply(
        &self,
        api: &Api<DynamicObject>,
        names: &[String],
        image: &str,
    ) -> Result<HashMap<String, Instant>> {
        stream::iter(names)
            .map(|name| async move {
                let params = PatchParams::apply("bench").force();
                api.patch(name, &params, &Patch::Apply(self.subject.object(name, image))).await?;
                Ok((name.clone(), Instant::now()))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Deletes every object and waits until they and their Deployments are gone.
    async fn delete(&self, namespace: &str) -> Result<()> {
        let api = self.api(namespace);
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let began = Instant::now();
        // It may take longer than a request may: what is left is deleted by the next one.
        while let Err(error) =
            api.delete_collection(&DeleteParams::background(), &ListParams::default()).await
        {
            wait(began, "everything is told to go").await.context(error)?;
        }
        let first = ListParams::default().limit(1);
        let is_empty = async || -> kube::Result<bool> {
            Ok(api.list_metadata(&first).await?.items.is_empty()
                && deployments.list_metadata(&first).await?.items.is_empty())
        };
        loop {
            match is_empty().await {
                Ok(true) => return Ok(()),
                Ok(false) => wait(began, "everything is deleted").await?,
                // The API server is busy; a connection may end while a request is on its way.
                Err(error) => wait(began, "everything is deleted").await.context(error)?,
            }
        }
    }

    /// Waits until the operator has written nothing for a while.
    async fn settle(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let position = self.audit.position()?;
            tokio::time::sleep(Duration::from_secs(5)).await;
            if self.writes(position)?.is_empty() {
                return Ok(());
            }
            wait(began, "the operator is done").await?;
        }
    }

    /// Writes of the operator since a position, without elections and events.
    fn writes(&self, position: Position) -> Result<Vec<Request>> {
        let requests = self.audit.since(position, self.subject.agent())?;
        let is_work = |request: &Request| {
            request.is_write() && !request.is_election() && !request.request_uri.contains("/events")
        };
        Ok(requests.into_iter().filter(is_work).collect())
    }
}

/// Waits until so many objects are done with a generation. Returns when each was seen to be.
async fn until_ready(
    api: Api<DynamicObject>,
    subject: Subject,
    size: usize,
    generation: i64,
) -> Result<HashMap<String, Instant>> {
    let mut ready = HashMap::new();
    let mut watch = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
    let began = Instant::now();
    while ready.len() < size {
        let left = PATIENCE.saturating_sub(began.elapsed());
        let next = tokio::time::timeout(left, watch.try_next()).await;
        let Some(object) = next.with_context(|| format!("{} of {size} are ready", ready.len()))?? else {
            bail!("the watch ended");
        };
        if subject.is_ready(&object, generation) {
            ready.entry(object.name_any()).or_insert_with(Instant::now);
        }
    }
    Ok(ready)
}

/// A pause between two looks, or an error when it has taken too long.
async fn wait(began: Instant, what: &str) -> Result<()> {
    if began.elapsed() > PATIENCE {
        bail!("not within {PATIENCE:?}: {what}");
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(())
}

/// The value that this share of all does not exceed.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index of a list that is in memory"
)]
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len().saturating_sub(1) as f64 * share) as usize;
    values.get(index).copied().unwrap_or_default()
}
