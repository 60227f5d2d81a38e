//! Measures an installed operator: many services made, changed, kept and deleted. Prints one JSON line a size.
//!
//! `cargo xtask bench operator` runs it. Services have no pods, so what is measured is the operator and the API server.

#![allow(clippy::print_stdout, reason = "printing is its purpose")]

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_e2e::{AuditLog, OPERATOR_NAMESPACE, client, condition, kubectl};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

/// Requests of ours that are under way at once.
const AT_ONCE: usize = 16;

/// How long an unchanged cluster is watched.
const IDLE: Duration = Duration::from_secs(60);

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(1200);

#[tokio::main]
async fn main() -> Result<()> {
    let client = client().await?;
    let audit = AuditLog::from_environment()?;
    for size in std::env::args().skip(1) {
        let size: usize = size.parse().context("sizes are numbers")?;
        let result = measure(&client, &audit, size).await?;
        println!("{result}");
    }
    Ok(())
}

fn service(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "flotilla.dev/v1alpha1",
        "kind": "Microservice",
        "metadata": {"name": name},
        "spec": {"image": image, "replicas": 0, "ports": [{"name": "http", "port": 8080, "protocol": "HTTP"}]},
    })
}

async fn measure(client: &Client, audit: &AuditLog, size: usize) -> Result<Value> {
    let name = format!("bench-{size}");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    namespaces.create(&PostParams::default(), &namespace).await?;
    let api: Api<Microservice> = Api::namespaced(client.clone(), &name);
    let names: Vec<String> = (0..size).map(|index| format!("service-{index}")).collect();
    let (before_memory, position) = (operator()?.resident, audit.position()?);
    let (operator_cpu, server_cpu) = (operator()?.cpu, api_server()?.cpu);

    let began = Instant::now();
    let ready = tokio::spawn(until_ready(api.clone(), size, 1));
    let made: HashMap<String, Instant> = apply(&api, &names, "registry.invalid/app:1").await?;
    let ready_at = ready.await??;
    let seconds = began.elapsed().as_secs_f64();
    let mut waits: Vec<f64> = ready_at
        .iter()
        .filter_map(|(name, at)| Some(at.duration_since(*made.get(name)?).as_secs_f64()))
        .collect();
    waits.sort_by(f64::total_cmp);
    let percentile = |share: usize| waits.get((waits.len() - 1) * share / 100).copied().unwrap_or_default();
    let made_writes = writes(audit, position)?;
    let (after, server_after) = (operator()?, api_server()?);

    let changed = Instant::now();
    let ready = tokio::spawn(until_ready(api.clone(), size, 2));
    apply(&api, &names, "registry.invalid/app:2").await?;
    ready.await??;
    let update_seconds = changed.elapsed().as_secs_f64();

    settle(audit).await?;
    let position = audit.position()?;
    tokio::time::sleep(IDLE).await;
    let idle = audit.since(position, "flotilla-operator/")?;
    let idle = idle.iter().filter(|request| request.verb != "watch" && !request.is_election()).count();

    let position = audit.position()?;
    for arguments in [["rollout", "restart"], ["rollout", "status"]] {
        let all =
            [arguments.as_slice(), &["deployment/flotilla-operator", "-n", OPERATOR_NAMESPACE]].concat();
        kubectl(&all, "").await?;
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    let restart_writes = writes(audit, position)?;
    let peak = after.peak.max(operator()?.peak);

    let deleting = Instant::now();
    namespaces.delete(&name, &DeleteParams::background()).await?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &name);
    while !deployments.list_metadata(&ListParams::default().limit(1)).await?.items.is_empty() {
        if deleting.elapsed() > PATIENCE {
            bail!("{name} is not gone after {PATIENCE:?}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(json!({
        "size": size,
        "seconds": seconds,
        "p50": percentile(50),
        "p99": percentile(99),
        "writes": made_writes,
        "operator_cpu": after.cpu - operator_cpu,
        "server_cpu": server_after.cpu - server_cpu,
        "memory": peak,
        "memory_each": after.resident.saturating_sub(before_memory) / size as u64,
        "update_seconds": update_seconds,
        "idle_requests": idle,
        "idle_seconds": IDLE.as_secs(),
        "restart_writes": restart_writes,
        "delete_seconds": deleting.elapsed().as_secs_f64(),
    }))
}

/// Writes every service. Returns when each was written.
async fn apply(api: &Api<Microservice>, names: &[String], image: &str) -> Result<HashMap<String, Instant>> {
    stream::iter(names)
        .map(|name| async move {
            let params = PatchParams::apply("bench").force();
            api.patch(name, &params, &Patch::Apply(service(name, image))).await?;
            Ok((name.clone(), Instant::now()))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Waits until so many services are done with a generation. Returns when each was seen to be.
async fn until_ready(
    api: Api<Microservice>,
    size: usize,
    generation: i64,
) -> Result<HashMap<String, Instant>> {
    let mut ready = HashMap::new();
    let mut watch = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
    let began = Instant::now();
    while ready.len() < size {
        let left = PATIENCE.saturating_sub(began.elapsed());
        let next = tokio::time::timeout(left, watch.try_next()).await;
        let Some(service) = next.with_context(|| format!("{} of {size} are ready", ready.len()))?? else {
            bail!("the watch ended");
        };
        let status = service.status.clone().unwrap_or_default();
        let done = status.observed_generation == Some(generation)
            && condition(&status, "Ready").is_some_and(|ready| ready.status == "True")
            && condition(&status, "Reconciling").is_none();
        if done {
            ready.entry(service.name_any()).or_insert_with(Instant::now);
        }
    }
    Ok(ready)
}

/// Waits until the operator has written nothing for a while.
async fn settle(audit: &AuditLog) -> Result<()> {
    let began = Instant::now();
    loop {
        let position = audit.position()?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        if writes(audit, position)? == 0 || began.elapsed() > PATIENCE {
            return Ok(());
        }
    }
}

/// Writes of the operator since a position, without elections and events.
fn writes(audit: &AuditLog, position: u64) -> Result<usize> {
    let requests = audit.since(position, "flotilla-operator/")?;
    let is_work = |request: &&flotilla_e2e::Request| {
        request.is_write() && !request.is_election() && !request.request_uri.contains("/apis/events.k8s.io/")
    };
    Ok(requests.iter().filter(is_work).count())
}

/// What a process has used so far.
struct Usage {
    /// Bytes of memory now.
    resident: u64,
    /// The most bytes that it ever had.
    peak: u64,
    /// Seconds of processor time.
    cpu: f64,
}

/// The operator that leads is the one that has worked most.
fn operator() -> Result<Usage> {
    busiest("/flotilla-operator")
}

fn api_server() -> Result<Usage> {
    busiest("kube-apiserver")
}

/// The process of this name that has used the most processor time. The nodes of a cluster that `cargo xtask cluster`
/// made show their processes to this machine.
fn busiest(name: &str) -> Result<Usage> {
    let mut found: Option<Usage> = None;
    for entry in fs::read_dir("/proc")? {
        let folder = entry?.path();
        // A process may be gone meanwhile.
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
        let command = read("cmdline");
        let program = command.split('\0').next().unwrap_or_default();
        if !program.ends_with(name) {
            continue;
        }
        let Some(usage) = usage(&read("status"), &read("stat")) else { continue };
        if found.as_ref().is_none_or(|other| usage.cpu > other.cpu) {
            found = Some(usage);
        }
    }
    found.with_context(|| format!("no process {name} can be seen here: this needs a cluster on this machine"))
}

fn usage(status: &str, stat: &str) -> Option<Usage> {
    let kilobytes = |field: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    // The name in parentheses may have spaces; the fields after it do not.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u32 = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    Some(Usage {
        resident: kilobytes("VmRSS")? * 1024,
        peak: kilobytes("VmHWM")? * 1024,
        // USER_HZ is 100 on every Linux of today.
        cpu: f64::from(ticks) / 100.0,
    })
}
