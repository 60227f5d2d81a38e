//! `cargo xtask bench operator`: the installed operator with many services, a peer with the same, and the document.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::Value;

use super::{document, kro::Kro, plot};
use crate::cluster::{self, Cluster, Options};
use crate::install::install_with;
use crate::{images, process, progress, workspace_root};

/// The most objects that a peer is given: it takes several times as long.
const PEER_MAX: u32 = 1000;

/// For how many seconds nothing happens with every other size, and with the peer.
const SHORT_IDLE: u64 = 30;

/// What is measured.
#[derive(clap::Args)]
pub(super) struct Args {
    /// How many services, one size after the other
    #[arg(default_values_t = [100, 1000])]
    sizes: Vec<u32>,
    /// For how many seconds nothing happens with the last size, to see what is asked of the API server meanwhile
    #[arg(long, default_value_t = 30)]
    idle: u64,
    /// Another operator that is measured in the same run, with at most 1,000 objects
    #[arg(long, value_enum, default_value = "kro")]
    peer: Peer,
}

/// Another operator.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// None
    None,
    /// kro
    Kro,
}

/// Runs the benchmark and writes `docs/benchmarks.md`.
pub(super) fn run(args: &Args) -> Result<()> {
    let cluster = cluster::up(&Options::default())?;
    // One replica, so that what is measured is one process; and room enough that the limit is not what is measured.
    install_with(&cluster, &["--set=replicas=1", "--set=resources.limits.memory=1Gi"])?;
    let run = Run {
        program: images::compile_example("flotilla-e2e", "operator_bench")?,
        audit_log: cluster
            .audit_log
            .clone()
            .context("this needs a cluster whose API server's audit log can be read")?,
        cluster: &cluster,
    };
    let mut results = Vec::new();
    for (index, size) in args.sizes.iter().enumerate() {
        let is_last = index + 1 == args.sizes.len();
        results.push(run.measure("flotilla", *size, if is_last { args.idle } else { SHORT_IDLE }, None)?);
        publish(&results)?;
    }
    if args.peer == Peer::Kro {
        let kro = Kro::install(&cluster)?;
        for size in args.sizes.iter().filter(|size| **size <= PEER_MAX) {
            // Started anew, so that its memory is that of this run.
            let running = kro.start()?;
            results.push(run.measure("kro", *size, SHORT_IDLE, Some(running.pid()))?);
            publish(&results)?;
        }
        kro.uninstall()?;
    }
    println!("{}", document::write(&results, &document::Machine::of_this()?)?);
    Ok(())
}

/// Writes the document after each result: a long run may be broken off.
fn publish(results: &[Value]) -> Result<()> {
    let docs = workspace_root().join("docs");
    fs::write(docs.join("benchmarks.md"), document::write(results, &document::Machine::of_this()?)?)?;
    fs::write(docs.join("benchmarks.svg"), plot::draw(&document::panels(results)))?;
    Ok(())
}

struct Run<'c> {
    program: PathBuf,
    audit_log: PathBuf,
    cluster: &'c Cluster,
}

impl Run<'_> {
    fn measure(&self, subject: &str, size: u32, idle: u64, pid: Option<u32>) -> Result<Value> {
        // The processes of the cluster have its folder in their arguments, and its logs are in that.
        let folder = self.audit_log.parent().and_then(Path::parent).unwrap_or(&self.audit_log);
        let mut bench = Command::new(&self.program);
        bench
            .args([subject, &size.to_string(), "--idle", &idle.to_string(), "--cluster"])
            .arg(folder)
            .env("KUBECONFIG", &self.cluster.kubeconfig)
            .env("KUBECTL", self.cluster.kubectl.program())
            .env("FLOTILLA_AUDIT_LOG", &self.audit_log);
        if let Some(pid) = pid {
            bench.args(["--pid", &pid.to_string()]);
        }
        let output = progress::during(format!("Measuring {subject} with {size} services"), || {
            process::output(&mut bench)
        })?;
        serde_json::from_str(&output).context("a result is JSON")
    }
}
