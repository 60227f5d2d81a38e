//! The upstream suite of the Gateway API against the operator and its gateways, as Helm installs them.
//!
//! It speaks to gateways at the addresses in their status, from this machine. What it says is written to a log, and its
//! report is held against the one in `docs/conformance`.

mod output;
mod report;

use std::fs;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::output::Output;
use crate::cluster::{CONFORMANCE, Cluster, GatewayApi, Provider};
use crate::install::install_with;
use crate::{cache, images, process, progress};

/// The class that the chart makes.
const CLASS: &str = "flotilla";

/// The cluster has no load balancer, whose address each gateway would wait for, and this machine reaches its Services.
const NO_BALANCER: &str = "--set=gateway.service=ClusterIP";
/// Of a gateway's pods each does the same, and the suite has dozens of gateways.
const ONE_POD: &str = "--set=gateway.replicas=1";

/// The address of the pool that the test of chosen addresses asks for.
const USABLE: Ipv4Addr = Ipv4Addr::new(10, 200, 64, 250);
/// An address that no gateway can have: it is for documents alone (RFC 5737).
const UNUSABLE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Every namespace that the suite makes gets it, and what has it is removed afterwards.
const LABEL: &str = "flotilla.dev/conformance=true";

/// Tests of the suite that may run at the same time. They wait more than they work.
const PARALLEL: usize = 8;

/// The suite's patience, in seconds, where its own is meant for clouds and would only let failures last. What decides
/// whether a report counts (`MaxTimeToConsistency`, `RequiredConsecutiveSuccesses`) is left as it is.
const PATIENCE: [(&str, u32); 6] = [
    ("GWCMustBeAccepted", 30),
    ("NamespacesMustBeReady", 180),
    ("GatewayMustHaveAddress", 60),
    ("GatewayMustHaveCondition", 60),
    ("ListenerSetMustHaveCondition", 60),
    ("DeleteTimeout", 30),
];

/// Longer than all tests take, so that one that hangs is told by its name.
const WHOLE: &str = "40m";

/// Names the tests to run while one works on them, by a regular expression. What they share is then left in the cluster.
const CHOSEN: &str = "CONFORMANCE_RUN";
/// Set to write the report instead of holding against it.
const UPDATE: &str = "FLOTILLA_UPDATE";

/// Runs the suite.
pub(super) fn run(cluster: &Cluster) -> Result<()> {
    let Some(pool) = cluster.gateway_addresses() else {
        bail!(
            "the suite needs addresses for gateways that this machine reaches, which only the provider host has"
        );
    };
    cluster.install_gateway_api(GatewayApi::Experimental)?;
    if cluster.provider == Provider::Host {
        let mut built = images::build(&["api-gateway"])?;
        built.extend(images::build_conformance()?);
        images::load(cluster, &built)?;
    }
    let addresses = format!("--set=gateway.addresses={{{pool}}}");
    install_with(cluster, &[&addresses, NO_BALANCER, ONE_POD])?;
    await_class(cluster)?;

    let chosen = variable(CHOSEN);
    if chosen.is_none() {
        remove_namespaces(cluster)?;
    }
    let folder = tempfile::tempdir()?;
    let written = folder.path().join("report.yaml");
    let outcome = run_suite(cluster, &written, chosen.as_deref());
    if let Some(chosen) = chosen {
        println!("{CHOSEN}={chosen}: the report is not looked at, and the suite's namespaces are left");
        return outcome;
    }
    let removed = remove_namespaces(cluster);
    outcome?;
    removed?;
    report::hold(&written, variable(UPDATE).is_some())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Waits until the operator says that the class is its own.
fn await_class(cluster: &Cluster) -> Result<()> {
    let class = format!("gatewayclass/{CLASS}");
    for event in ["create", "condition=Accepted"] {
        cluster
            .kubectl
            .output(&["wait", &format!("--for={event}"), "--timeout=60s", &class])
            .with_context(|| format!("the GatewayClass {CLASS} is not accepted: does the operator run?"))?;
    }
    Ok(())
}

fn remove_namespaces(cluster: &Cluster) -> Result<()> {
    let selector = format!("--selector={LABEL}");
    progress::during("Removing the suite's namespaces", || {
        cluster.kubectl.output(&["delete", "namespaces", &selector, "--timeout=180s"]).map(drop)
    })
}

/// Runs the program, and says of each test how it ended.
fn run_suite(cluster: &Cluster, report: &std::path::Path, chosen: Option<&str>) -> Result<()> {
    let path = cache::root()?.join("logs/conformance.log");
    if path.exists() {
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    let log = process::open_log(&path)?;
    let began = Instant::now();
    let mut child = suite(cluster, report, chosen)?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?)
        .spawn()
        .context("starting the suite")?;
    let lines = child.stdout.take().context("the suite has no output")?;
    let summary = Output::new(log).follow(lines, &mut std::io::stdout())?;
    let status = child.wait()?;
    println!("{summary} in {}; see {}", progress::seconds(began.elapsed()), path.display());
    if summary.failed() > 0 {
        bail!("{} tests of the Gateway API's suite failed", summary.failed());
    }
    // What it sets up before its tests may have failed as well.
    if !status.success() {
        bail!("the suite ended with {status}\n{}", process::tail(&path));
    }
    if summary.passed() == 0 {
        bail!("the suite ran no test: does {CHOSEN} name one of a feature that the class supports?");
    }
    Ok(())
}

fn suite(cluster: &Cluster, report: &std::path::Path, chosen: Option<&str>) -> Result<Command> {
    let mut suite = Command::new(CONFORMANCE.build()?.program("conformance.test"));
    let patience: Vec<_> = PATIENCE.iter().map(|(what, seconds)| format!("{what}:{seconds}")).collect();
    suite
        .env("KUBECONFIG", &cluster.kubeconfig)
        // Lines that end a test come at once in this form, and not with all others at the end.
        .args(["-test.v=test2json", &format!("-test.timeout={WHOLE}"), &format!("-test.parallel={PARALLEL}")])
        .arg(format!("-test.run=^TestConformance$/{}", chosen.unwrap_or_default()))
        .arg(format!("-gateway-class={CLASS}"))
        .arg(format!("-conformance-profiles={}", report::PROFILES.join(",")))
        .arg(format!("-usable-address={USABLE}"))
        .arg(format!("-unusable-address={UNUSABLE}"))
        .arg(format!("-timeout-config-overrides={}", patience.join(";")))
        .arg(format!("-namespace-labels={LABEL}"))
        .arg(format!("-cleanup-base-resources={}", chosen.is_none()))
        .arg(format!("-report-output={}", report.display()))
        .args(report::implementation());
    Ok(suite)
}
