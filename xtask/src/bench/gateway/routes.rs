//! `docs/benchmarks-routes.md`: how fast a route reaches the requests that it is for, in a cluster, and what many routes cost.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::bench::document::{Machine, Row, mib, number, table};
use crate::cluster::{self, Options};
use crate::install::install_with;
use crate::{images, process, progress, workspace_root};

/// How this is asked for.
pub(super) const NAME: &str = "routes";

/// How many routes there are beside the one that is looked at.
const SIZES: [u32; 2] = [10, 5_000];

const ROWS: [Row; 12] = [
    ("a new route, from the request that makes it to the first answer by it", |result| {
        times(&result["made"], "")
    }),
    ("the same, from the API server's answer to that request", |result| times(&result["made"], "after_")),
    ("a changed route, from the request that changes it", |result| times(&result["changed"], "")),
    ("the same, from the API server's answer", |result| times(&result["changed"], "after_")),
    ("all of them: made / served / accepted in their status after", |result| {
        let seconds = |field: &str| format!("{:.1} s", number(result, field));
        ["created_seconds", "served_seconds", "accepted_seconds"].map(seconds).join(" / ")
    }),
    ("control plane: processor time for all of them", |result| {
        format!("{:.1} s", number(result, "operator_cpu"))
    }),
    ("control plane: processor time for one more or one changed", |result| {
        format!("{:.1} ms", number(result, "operator_cpu_each"))
    }),
    ("control plane: memory (RSS) without routes", |result| mib(result, "operator_memory_before")),
    ("control plane: memory with them", |result| mib(result, "operator_memory")),
    ("control plane: memory at most", |result| mib(result, "operator_memory_peak")),
    ("a gateway's pod: processor time for one more or one changed", |result| {
        format!("{:.1} ms", number(result, "gateway_cpu_each"))
    }),
    ("a gateway's pod: memory with them / at most", |result| {
        format!("{} / {}", mib(result, "gateway_memory"), mib(result, "gateway_memory_peak"))
    }),
];

/// Half of the times, and 99 of 100.
fn times(of: &Value, prefix: &str) -> String {
    let part = |name: &str| format!("{:.0} ms", number(of, &format!("{prefix}{name}")));
    format!("{} / {}", part("p50"), part("p99"))
}

/// Measures on the test cluster, and writes the document.
pub(super) fn run(is_quick: bool) -> Result<()> {
    let cluster = cluster::up(&Options::default())?;
    // One replica, so that what is measured is one process; and room enough that the limit is not what is measured.
    images::load(&cluster, &images::build(&["api-gateway", "podinfo"])?)?;
    install_with(&cluster, &["--set=replicas=1", "--set=resources.limits.memory=1Gi"])?;
    let program = images::compile_example("flotilla-e2e", "gateway_bench")?;
    let mut results = Vec::new();
    for size in SIZES {
        let mut bench = Command::new(&program);
        bench
            .args([&*size.to_string(), "--rounds", if is_quick { "3" } else { "100" }])
            .env("KUBECONFIG", &cluster.kubeconfig)
            .env("KUBECTL", cluster.kubectl.program());
        let output =
            progress::during(format!("Measuring with {size} routes"), || process::output(&mut bench))?;
        println!("{output}");
        let result: Value = serde_json::from_str(&output).context("a result is JSON")?;
        results.push(result);
    }
    if !is_quick {
        fs::write(
            workspace_root().join("docs/benchmarks-routes.md"),
            write(&results, &Machine::of_this()?)?,
        )?;
    }
    Ok(())
}

fn write(results: &[Value], machine: &Machine) -> Result<String> {
    let Machine { processors, memory_gib } = machine;
    let rounds = results.first().map(|result| number(result, "rounds")).unwrap_or_default();
    let mut text = format!(
        "# Benchmarks of routes\n\n\
         Written by `cargo xtask bench gateway --only routes`: how long it takes until requests go where a route says, and what many routes cost.\n\
         Times are those of half of the {rounds:.0} rounds, and of 99 of 100. Everything shares one machine: {processors} processors and {memory_gib} GiB of memory\n\
         for the API server, etcd, the controllers, the operator, the gateway and the program that asks.\n\n"
    );
    table(&mut text, |result| format!("{} routes", number(result, "size")), &ROWS, results)?;
    text.push_str(
        "\nA route is an HTTPRoute of its own with one rule, a header that is set and a rewrite, at a Gateway of the class `flotilla` with one\n\
         listener. The gateway is asked on one connection, a millisecond after each answer, until it answers by the route. A round makes a\n\
         route, changes it and deletes it, with 0.3 s between; processor time is that of all three by three. The control plane is the operator,\n\
         with all that it does; a change of a route is also a write of its status.\n",
    );
    Ok(text)
}
