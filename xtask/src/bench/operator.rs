//! `cargo xtask bench operator`: the installed operator with many services, and the document about it.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cluster::{self, Options};
use crate::install::install_with;
use crate::{process, progress, workspace_root};

/// Runs the benchmark and writes `docs/benchmarks.md`.
pub(super) fn run(sizes: &[u32]) -> Result<()> {
    let cluster = cluster::up(&Options::default())?;
    // One replica, so that what is measured is one process; and room enough that the limit is not what is measured.
    install_with(&cluster, &["--set=replicas=1", "--set=resources.limits.memory=1Gi"])?;
    let log =
        cluster.audit_log.clone().context("this needs a cluster whose API server's audit log can be read")?;
    let sizes: Vec<String> = sizes.iter().map(u32::to_string).collect();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(workspace_root())
        .args([
            "run",
            "--quiet",
            "--release",
            "--locked",
            "--package",
            "flotilla-e2e",
            "--example",
            "operator_bench",
            "--",
        ])
        .args(&sizes)
        .env("KUBECONFIG", &cluster.kubeconfig)
        .env("KUBECTL", cluster.kubectl.program())
        .env("FLOTILLA_AUDIT_LOG", log);
    let output = progress::during(format!("Measuring with {} services", sizes.join(", ")), || {
        process::output(&mut cargo)
    })?;
    let results: Vec<Value> =
        output.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("a result is JSON")?;
    if results.is_empty() {
        bail!("nothing was measured");
    }
    let docs = workspace_root().join("docs");
    let document = document(&results);
    fs::write(docs.join("benchmarks.md"), &document)?;
    fs::write(docs.join("benchmarks.svg"), plot(&results))?;
    println!("{document}");
    Ok(())
}

fn number(result: &Value, field: &str) -> f64 {
    result[field].as_f64().unwrap_or_default()
}

/// A row: its name, and how a result is written.
type Row = (&'static str, fn(&Value) -> String);

const ROWS: [Row; 12] = [
    ("services", |result| format!("{}", number(result, "size"))),
    ("from the first created to the last Ready", |result| format!("{:.1} s", number(result, "seconds"))),
    ("services a second", |result| format!("{:.0}", number(result, "size") / number(result, "seconds"))),
    ("from created to Ready, half of them / 99 of 100", |result| {
        format!("{:.2} s / {:.2} s", number(result, "p50"), number(result, "p99"))
    }),
    ("writes to the API server for each", |result| {
        format!("{:.1}", number(result, "writes") / number(result, "size"))
    }),
    ("processor time meanwhile: operator / API server", |result| {
        format!("{:.1} s / {:.1} s", number(result, "operator_cpu"), number(result, "server_cpu"))
    }),
    ("memory of the operator at most", |result| format!("{:.0} MiB", number(result, "memory") / 1_048_576.0)),
    ("memory for each service", |result| format!("{:.1} KiB", number(result, "memory_each") / 1024.0)),
    ("a new image for all", |result| format!("{:.1} s", number(result, "update_seconds"))),
    ("requests besides watches while nothing happens", |result| {
        format!("{} in {} s", number(result, "idle_requests"), number(result, "idle_seconds"))
    }),
    ("writes after a restart", |result| format!("{}", number(result, "restart_writes"))),
    ("everything deleted", |result| format!("{:.1} s", number(result, "delete_seconds"))),
];

fn document(results: &[Value]) -> String {
    let mut text = "# Benchmarks\n\nWritten by `cargo xtask bench operator`. Services have one port and no pods, so what is measured is the operator and the API\nserver, on the cluster that `cargo xtask cluster` makes: here two cores that the API server, etcd, the controllers and the\noperator share. Times differ from machine to machine; compare within one run.\n\n![Time until all services are Ready](benchmarks.svg)\n\n".to_owned();
    for (index, (name, of)) in ROWS.iter().enumerate() {
        let cells: Vec<_> = results.iter().map(of).collect();
        // Writing to a String cannot fail.
        writeln!(text, "| {name} | {} |", cells.join(" | ")).ok();
        if index == 0 {
            writeln!(text, "|---|{}", "---|".repeat(results.len())).ok();
        }
    }
    text.push_str("\nEach service becomes a ServiceAccount, a MicroserviceRevision, a NetworkPolicy, a Service and a Deployment; its status is written when it\nis seen, and when it is Ready. Where the API server's processor time is many times that of the operator, it is the limit.\n");
    text
}

/// Bars of the time until all services are Ready.
fn plot(results: &[Value]) -> String {
    let longest = results.iter().map(|result| number(result, "seconds")).fold(1.0, f64::max);
    let height = 40 * results.len() + 20;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n"
    );
    for (index, result) in results.iter().enumerate() {
        let (y, seconds) = (40 * index + 14, number(result, "seconds"));
        let width = seconds / longest * 360.0;
        writeln!(
            svg,
            "<text x=\"120\" y=\"{}\" text-anchor=\"end\">{} services</text>",
            y + 18,
            number(result, "size")
        )
        .ok();
        writeln!(svg, "<rect x=\"130\" y=\"{y}\" width=\"{width:.1}\" height=\"26\" fill=\"#3b6ea5\"/>").ok();
        writeln!(svg, "<text x=\"{:.1}\" y=\"{}\">{seconds:.1} s</text>", width + 138.0, y + 18).ok();
    }
    svg.push_str("</svg>\n");
    svg
}
