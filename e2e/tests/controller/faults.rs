//! Whatever goes wrong at whichever request, the cluster ends as `render` says, and then nothing is written any more.
//!
//! One run counts the writes and watch events of a service's life. Then that life is lived once for each of them and
//! each way in which it can go wrong: with an operator in this process, which is quick, and with the program that is
//! shipped, which is killed and whose connections lead through a proxy.

use std::{
    io::Write,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use flotilla_crds::v1alpha1::{Microservice, MicroserviceStatus};
use flotilla_e2e::{
    Fault, Faults, OPERATOR_NAMESPACE, PODINFO, Proxy, TestNamespace, eventually, in_namespace,
};
use flotilla_operator::{
    app::{Error, Operator},
    cluster::kind::Kind,
    config::Config,
    metrics::Metrics,
    microservice::{
        dereference::{Caches, dereference},
        plan::{Plan, plan},
        render::render,
        validate::{Class, validate},
    },
};
use futures::{StreamExt, stream};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams},
    client::ClientBuilder,
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::{process::Command, task::JoinHandle};

/// Without a write for so long, nothing is written any more.
const QUIET: Duration = Duration::from_secs(3);

/// How long there may be writes after the cluster is as it was rendered.
const NOISE: Duration = Duration::from_secs(40);

/// A service's life: what `spec` is, one after the other, and when each step has been reached.
struct Life {
    steps: fn() -> Vec<(Value, Reached)>,
    /// Of so many faults one is tried, unless `FLOTILLA_FAULTS=all`. It shares no divisor with the number of faults of a
    /// write, so that all of them come up.
    part: usize,
    /// How many lives are lived at once.
    at_once: usize,
    form: Form,
}

/// What is tried.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// The operator in this process. A crash ends its tasks.
    InProcess,
    /// The program that is in the image. A crash is `kill -9`.
    Shipped,
}

/// Whether a step has been reached, besides that the cluster is as it was rendered.
type Reached = fn(&MicroserviceStatus) -> bool;

/// Made, changed and partly pruned, scaled by an autoscaler and back, and set back to the first version.
const WITHOUT_PODS: Life = Life { steps: without_pods, part: 9, at_once: 12, form: Form::InProcess };

/// The same, of the shipped program.
const SHIPPED: Life = Life { part: 17, form: Form::Shipped, ..WITHOUT_PODS };

/// Migrated, broken and rolled back, and mended with another migration. These are real pods, so a life takes longer.
const WITH_PODS: Life = Life { steps: with_pods, part: 61, at_once: 6, form: Form::InProcess };

fn without_pods() -> Vec<(Value, Reached)> {
    let service = |more: Value| {
        let mut spec = json!({"image": "registry.invalid/orders:1"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (spec, (|_| true) as Reached)
    };
    let ports = json!([{"name": "http", "port": 8080}]);
    vec![
        service(
            json!({"ports": ports, "replicas": 0, "config": {"data": {"a": "1"}, "mountPath": "/etc/a"}}),
        ),
        service(
            json!({"image": "registry.invalid/orders:2", "replicas": 0, "disruption": {"disabled": true}}),
        ),
        service(json!({"image": "registry.invalid/orders:2", "autoscaling": {"min": 2, "max": 4}})),
        service(
            json!({"ports": ports, "replicas": 0, "config": {"data": {"a": "1"}, "mountPath": "/etc/a"}}),
        ),
    ]
}

fn with_pods() -> Vec<(Value, Reached)> {
    // Only what shall fail has a short time: on a busy machine, good pods may take long.
    let service = |command: Value, version: &str, deadline: u32| {
        json!({
            "image": PODINFO,
            "command": command,
            "env": [{"name": "VERSION", "value": version}],
            "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
            "probes": {"readiness": {"http": {"path": "/readyz"}, "periodSeconds": 1}},
            "migrations": [{"name": "schema", "command": ["podcli", "version"]}],
            "rollout": {"progressDeadlineSeconds": deadline},
            "resources": {"requests": {"cpu": "5m", "memory": "16Mi"}},
            "lifecycle": {"drainSeconds": 0, "terminationGracePeriodSeconds": 1},
        })
    };
    let stable: Reached = |status| {
        let revisions = status.revisions.clone().unwrap_or_default();
        revisions.failed.is_none() && revisions.stable.is_some() && revisions.stable == revisions.latest
    };
    let rolled_back: Reached = |status| {
        let revisions = status.revisions.clone().unwrap_or_default();
        revisions.failed.is_some() && revisions.stable == revisions.current
    };
    vec![
        (service(json!(["./podinfo"]), "1", 600), stable),
        (service(json!(["./podinfo", "--no-such-option"]), "2", 6), rolled_back),
        (service(json!(["./podinfo"]), "3", 600), stable),
    ]
}

/// The arguments of an operator for one namespace.
fn arguments(namespace: &TestNamespace) -> [&str; 7] {
    [
        "flotilla-operator",
        "--watch-namespaces",
        &namespace.name,
        "--listen",
        "127.0.0.1:0",
        "--leader-election",
        "false",
    ]
}

/// An operator in this process whose requests go through faults.
async fn operator(namespace: &TestNamespace, faults: &Faults) -> Result<JoinHandle<Result<(), Error>>> {
    let config = Config::parse_from(arguments(namespace));
    let client = ClientBuilder::try_from(kube::Config::infer().await?)?.with_layer(faults).build();
    let operator = Box::pin(Operator::start(&config, client, Metrics::default().into())).await?;
    Ok(tokio::spawn(operator.run_until(std::future::pending())))
}

/// Keeps an operator running: when it crashes, another takes its place. Returns only when it ends by itself.
async fn supervise(form: Form, namespace: &TestNamespace, faults: &Faults) -> Result<()> {
    match form {
        Form::InProcess => loop {
            let running = operator(namespace, faults).await?;
            faults.crashed().await;
            running.abort();
            running.await.ok();
        },
        Form::Shipped => {
            let user = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:flotilla-operator");
            let proxy = Proxy::start(&user, faults).await?;
            let mut kubeconfig = NamedTempFile::new()?;
            kubeconfig.write_all(proxy.kubeconfig().as_bytes())?;
            let program = std::env::var("FLOTILLA_OPERATOR")
                .context("set FLOTILLA_OPERATOR to the program, or run cargo xtask test operator")?;
            loop {
                let mut child = Command::new(&program)
                    .args(&arguments(namespace)[1..])
                    .env("KUBECONFIG", kubeconfig.path())
                    .stdout(Stdio::null())
                    .kill_on_drop(true)
                    .spawn()
                    .with_context(|| format!("cannot start {program}"))?;
                tokio::select! {
                    () = faults.crashed() => child.kill().await?,
                    ended = child.wait() => bail!("the operator ended by itself: {}", ended?),
                }
            }
        }
    }
}

/// What the operator would write now, computed anew from what the API server has.
pub(crate) async fn left_to_do(namespace: &TestNamespace, client: &Client) -> Result<Option<Plan>> {
    let Some(service) = namespace.api::<Microservice>().get_opt("orders").await? else {
        return Ok(None);
    };
    let caches = Caches::new(false, false, Arc::default());
    for kind in Kind::ALL.into_iter().filter(|kind| kind.definition().is_none()) {
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &namespace.name, &kind.api_resource());
        for object in api.list(&ListParams::default()).await? {
            caches.wrote(kind, object);
        }
    }
    let validated = validate(&service, &Class::default())?;
    let observed = dereference(&service, &caches);
    let desired = render(&validated, &observed)?.objects;
    Ok(Some(plan(&desired, &observed, &validated.uid)?))
}

/// Lives the life. Returns how many writes and watch events it took.
async fn live(life: &Life, namespace: &TestNamespace, faults: &Faults) -> Result<()> {
    let client = flotilla_e2e::client().await?;
    for (step, (spec, reached)) in (life.steps)().into_iter().enumerate() {
        namespace.apply("orders", spec).await?;
        let client = &client;
        eventually(&format!("step {step}: the cluster is as it was rendered"), || async move {
            let Some(plan) = left_to_do(namespace, client).await? else {
                return Ok(Err("there is no Microservice".to_owned()));
            };
            let service: Microservice = namespace.api().get("orders").await?;
            let status = service.status.clone().unwrap_or_default();
            let seen = status.observed_generation == service.metadata.generation;
            let done = plan == Plan::default() && seen && reached(&status);
            Ok(if done { Ok(()) } else { Err(format!("{plan:#?} {:#?}", service.status)) })
        })
        .await?;
    }
    // Conditions follow the Deployment, and a watch that was broken off brings its news late. Then it must be quiet.
    let (mut before, mut quiet_since) = (faults.writes(), Instant::now());
    let began = quiet_since;
    while quiet_since.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = faults.writes();
        if now != before {
            (before, quiet_since) = (now, Instant::now());
        }
        ensure!(began.elapsed() < NOISE, "the operator goes on writing: {now} writes by now");
    }

    let service: Microservice = namespace.api().get("orders").await?;
    namespace.api::<Microservice>().delete("orders", &DeleteParams::background()).await?;
    let service = &service;
    eventually("everything is gone", || async move {
        let left = namespace.owned(service).await?;
        Ok(if left.is_empty() { Ok(()) } else { Err(left) })
    })
    .await
}

/// Lives a life with a fault. Returns whether the fault came.
async fn survives(life: &'static Life, faults: Faults) -> Result<bool> {
    let seen = faults.clone();
    in_namespace("fault", |namespace| {
        Box::pin(async move {
            tokio::select! {
                ended = supervise(life.form, &namespace, &faults) => ended.context("the operator does not run"),
                lived = live(life, &namespace, &faults) => lived.with_context(|| format!("{faults:?}")),
            }
        })
    })
    .await?;
    Ok(seen.happened().is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn every_fault_at_every_request_is_survived() -> Result<()> {
    Box::pin(try_all(&WITHOUT_PODS)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn every_fault_is_survived_by_the_shipped_program() -> Result<()> {
    Box::pin(try_all(&SHIPPED)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn every_fault_during_a_migration_and_a_rollback_is_survived() -> Result<()> {
    Box::pin(try_all(&WITH_PODS)).await
}

/// Lives a life once for each fault, or for a part of them.
#[allow(clippy::print_stdout, reason = "the figure is what is reported")]
async fn try_all(life: &'static Life) -> Result<()> {
    let counted = Faults::default();
    let count = counted.clone();
    in_namespace("count", |namespace| {
        Box::pin(async move {
            tokio::select! {
                ended = supervise(life.form, &namespace, &count) => ended,
                lived = live(life, &namespace, &count) => lived,
            }
        })
    })
    .await?;
    let (writes, events) = (counted.writes(), counted.events());
    ensure!(writes > 15 && events > 15, "{writes} writes, {events} events");
    let of_writes = (0..writes).flat_map(|at| Fault::OF_WRITES.map(|fault| (fault, at)));
    let of_watches = (0..events).flat_map(|at| Fault::OF_WATCHES.map(|fault| (fault, at)));
    let mut all: Vec<_> = of_writes.chain(of_watches).collect();
    // All of them take long. A part goes through every write, every event and every fault.
    if std::env::var("FLOTILLA_FAULTS").as_deref() != Ok("all") {
        all = all
            .into_iter()
            .enumerate()
            .filter(|(index, _)| index % life.part == 0)
            .map(|(_, one)| one)
            .collect();
    }
    let lived: Vec<_> = stream::iter(all.clone())
        .map(|(fault, at)| async move { (fault, at, survives(life, Faults::plan(fault, at)).await) })
        .buffer_unordered(life.at_once)
        .collect()
        .await;
    let mut happened = 0;
    for (fault, at, outcome) in lived {
        // A life that takes fewer requests than the first ends before its fault.
        happened += usize::from(outcome.with_context(|| format!("{fault:?} at {at}"))?);
    }
    println!("{happened} faults survived, of {} planned ({writes} writes, {events} watch events)", all.len());
    ensure!(happened * 10 >= all.len() * 7, "{happened} of {} faults happened at all", all.len());
    Ok(())
}
