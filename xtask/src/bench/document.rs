//! `docs/benchmarks.md`: what was measured of the operator, on what, and what it means.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use super::kro;
use super::plot::{Bar, Panel};

/// What the run was made on.
pub(super) struct Machine {
    pub(super) processors: usize,
    pub(super) memory_gib: u64,
}

impl Machine {
    pub(super) fn of_this() -> Result<Self> {
        let text = fs::read_to_string("/proc/meminfo")?;
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib: u64 = total
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .context("/proc/meminfo has no MemTotal")?;
        Ok(Self { processors: std::thread::available_parallelism()?.get(), memory_gib: kib / 1_048_576 })
    }
}

/// What its processors are.
pub(super) fn processor() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Ok(name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned()))
}

/// The version of its kernel, without what a distribution adds.
pub(super) fn kernel() -> Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(text.split('.').take(2).collect::<Vec<_>>().join("."))
}

/// A number of a result.
pub(super) fn number(result: &Value, field: &str) -> f64 {
    result[field].as_f64().unwrap_or_default()
}

/// How a column is called.
fn name(result: &Value) -> String {
    let subject = if result["subject"] == "kro" { "kro" } else { "Flotilla" };
    format!("{subject}, {}", number(result, "size"))
}

/// Bytes, as people read them.
pub(super) fn mib(result: &Value, field: &str) -> String {
    format!("{:.0} MiB", number(result, field) / 1_048_576.0)
}

/// Of a number, how much a service.
fn each(result: &Value, field: &str) -> f64 {
    number(result, field) / number(result, "size")
}

/// The processor time of what belongs to neither the operator nor the control plane.
fn others(result: &Value) -> f64 {
    let parts = ["operator_cpu", "server_cpu", "etcd_cpu", "controllers_cpu"];
    (number(result, "all_cpu") - parts.iter().map(|part| number(result, part)).sum::<f64>()).max(0.0)
}

/// The share of the machine's processors that was busy until all were Ready, in percent.
fn busy(result: &Value) -> f64 {
    100.0 * number(result, "all_cpu") / (number(result, "seconds") * number(result, "processors"))
}

/// A row: its name, and how a result is written.
pub(super) type Row = (&'static str, fn(&Value) -> String);

const ROWS: [Row; 19] = [
    ("from the first created to the last Ready", |result| format!("{:.1} s", number(result, "seconds"))),
    ("services a second", |result| format!("{:.0}", number(result, "size") / number(result, "seconds"))),
    ("from created to Ready, half of them / 99 of 100", |result| {
        format!("{:.2} s / {:.2} s", number(result, "p50"), number(result, "p99"))
    }),
    ("writes of the operator for each", |result| format!("{:.1}", each(result, "writes"))),
    ("writes of everybody for each", |result| format!("{:.1}", each(result, "server_writes"))),
    ("answer to a write of the operator, half / 99 of 100", |result| {
        format!(
            "{:.0} ms / {:.0} ms",
            1000.0 * number(result, "write_p50"),
            1000.0 * number(result, "write_p99")
        )
    }),
    ("answer to any write, half / 99 of 100 (the API server's histogram)", |result| {
        format!(
            "{:.0} ms / {:.0} ms",
            1000.0 * number(result, "server_write_p50"),
            1000.0 * number(result, "server_write_p99")
        )
    }),
    ("processor time: operator", |result| format!("{:.1} s", number(result, "operator_cpu"))),
    ("processor time: API server", |result| format!("{:.1} s", number(result, "server_cpu"))),
    ("processor time: etcd / kube-controller-manager", |result| {
        format!("{:.1} s / {:.1} s", number(result, "etcd_cpu"), number(result, "controllers_cpu"))
    }),
    ("processor time: all else on the machine", |result| format!("{:.1} s", others(result))),
    ("processors busy", |result| format!("{:.0} %", busy(result).min(100.0))),
    ("memory of the operator (RSS): at first / when done / at most", |result| {
        format!(
            "{} / {} / {}",
            mib(result, "memory_before"),
            mib(result, "memory_steady"),
            mib(result, "memory")
        )
    }),
    ("memory for each service", |result| format!("{:.1} KiB", number(result, "memory_each") / 1024.0)),
    ("a new image for all", |result| format!("{:.1} s", number(result, "update_seconds"))),
    ("writes of the operator for each of them", |result| format!("{:.1}", each(result, "update_writes"))),
    ("requests besides watches while nothing happens", |result| {
        format!("{} in {} s", number(result, "idle_requests"), number(result, "idle_seconds"))
    }),
    ("writes after a restart", |result| match result["restart_writes"].as_u64() {
        Some(writes) => writes.to_string(),
        None => "not measured".to_owned(),
    }),
    ("everything deleted", |result| format!("{:.1} s", number(result, "delete_seconds"))),
];

/// A table with a column for each result.
pub(super) fn table(
    text: &mut String,
    name: fn(&Value) -> String,
    rows: &[Row],
    results: &[Value],
) -> Result<()> {
    let names: Vec<_> = results.iter().map(name).collect();
    writeln!(text, "| | {} |", names.join(" | "))?;
    writeln!(text, "|---|{}", "---|".repeat(results.len()))?;
    for (name, of) in rows {
        let cells: Vec<_> = results.iter().map(of).collect();
        writeln!(text, "| {name} | {} |", cells.join(" | "))?;
    }
    Ok(())
}

/// The whole document.
pub(super) fn write(results: &[Value], machine: &Machine) -> Result<String> {
    let Machine { processors, memory_gib } = machine;
    let mut text = format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench operator`, with the sizes of the columns as its arguments. Services have one port and no pods, so\n\
         what is measured is the operator and the API server. Everything shares one machine: {processors} processors and {memory_gib} GiB of memory for\n\
         the API server, etcd, the controllers, the operator and the program that measures. Times differ from machine to\n\
         machine; compare within one run. The gateway has benchmarks of its own: [requests](benchmarks-gateway.md) and\n\
         [routes](benchmarks-routes.md).\n\n\
         ![Time until all are Ready, and memory of the operator](benchmarks.svg)\n\n"
    );
    table(&mut text, name, &ROWS, results)?;
    text.push_str(
        "\nEach service becomes a ServiceAccount, a MicroserviceRevision, a NetworkPolicy, a Service and a Deployment. Its status is written\n\
         when the Deployment has been answered. \"At most\" has the restart in it, after which the operator reads everything anew.\n\
         \"All else on the machine\" is the program that measures, the node's agents, and whatever else ran at the time.\n",
    );
    limit(&mut text, results)?;
    if results.iter().any(|result| result["subject"] == "kro") {
        peer(&mut text)?;
    }
    Ok(text)
}

/// What is in the plot: time and memory.
pub(super) fn panels(results: &[Value]) -> [Panel; 2] {
    let panel = |title: &str, of: fn(&Value) -> f64, unit| Panel {
        title: title.to_owned(),
        bars: results
            .iter()
            .map(|result| Bar {
                name: name(result),
                amount: of(result),
                text: format!("{:.0} {unit}", of(result)),
                is_ours: result["subject"] != "kro",
            })
            .collect(),
    };
    [
        panel("Until all are Ready", |result| number(result, "seconds"), "s"),
        panel("Memory of the operator at most", |result| number(result, "memory") / 1_048_576.0, "MiB"),
    ]
}

/// What the largest run was limited by.
fn limit(text: &mut String, results: &[Value]) -> Result<()> {
    let ours = results.iter().filter(|result| result["subject"] == "flotilla");
    let Some(largest) = ours.max_by(|a, b| number(a, "size").total_cmp(&number(b, "size"))) else {
        return Ok(());
    };
    let all = number(largest, "all_cpu");
    let share = |field: &str| 100.0 * number(largest, field) / all;
    let (seconds, writes) = (number(largest, "seconds"), number(largest, "server_writes"));
    write!(
        text,
        "\n## What limits\n\n\
         With {} services the processors were busy for {:.0} % of the time. Of what they did, the API server had {:.0} %, etcd {:.0} %, the\n\
         controllers of Kubernetes {:.0} % and the operator {:.0} %. The API server answered {writes:.0} writes in {seconds:.0} s, {:.0} a second,\n\
         at {:.1} ms of its own processor time for each: the operator's {:.1} a service, and those of the controllers, which make\n\
         ReplicaSets, EndpointSlices and the Deployment's status of it. All else on the machine had {:.0} %: without it, the operator and the\n\
         control plane would have kept {} processors busy for at least {:.0} s.\n",
        number(largest, "size"),
        busy(largest).min(100.0),
        share("server_cpu"),
        share("etcd_cpu"),
        share("controllers_cpu"),
        share("operator_cpu"),
        writes / seconds,
        1000.0 * number(largest, "server_cpu") / writes,
        each(largest, "writes"),
        100.0 * others(largest) / all,
        number(largest, "processors"),
        (all - others(largest)) / number(largest, "processors"),
    )?;
    Ok(())
}

fn peer(text: &mut String) -> Result<()> {
    let version = kro::VERSION;
    write!(
        text,
        "\n## The peer\n\n\
         [kro](https://kro.run) {version} is built from its Go module and measured in the same run, on the same cluster, after Flotilla. One\n\
         ResourceGraphDefinition (`xtask/src/bench/kro.yaml`) makes of each of its objects a ServiceAccount, a NetworkPolicy, a Service\n\
         and a Deployment. What differs:\n\n\
         - kro keeps no revisions: it has four children a service where Flotilla has five.\n\
         - kro is Ready when its children are applied; Flotilla when the Deployment's controller has answered as well.\n\
         - By default kro works on one object at a time and takes ten a second. Here it may work on 16 at once, as Flotilla does, and\n  \
           its limits of rate are lifted.\n\
         - kro runs as a process of the machine, Flotilla in a pod with the limits of its chart except for memory. Both have an account\n  \
           of their own, which the API server queues fairly.\n\
         - kro deletes the children itself, one object after the other; of Flotilla's, Kubernetes deletes them by their owner.\n\
         - kro does what any definition says; Flotilla knows one kind, and does for it what kro leaves to others: it waits for pods,\n  \
           goes back to the last good version, explains what fails.\n"
    )?;
    Ok(())
}
