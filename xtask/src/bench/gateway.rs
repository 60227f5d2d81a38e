//! `cargo xtask bench gateway`: our gateway and others in one run, each on the same processor in turn, and the document.

mod document;
mod envoy;
mod haproxy;
mod load;
mod nginx;
mod ours;
mod peers;
mod routes;
mod scenario;
mod subject;
mod traffic;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use self::{
    envoy::Envoy,
    haproxy::Haproxy,
    load::Load,
    nginx::Nginx,
    ours::Ours,
    peers::Debian,
    scenario::Scenario,
    subject::{Certificate, HOST, Subject},
    traffic::{Bench, Method, Row},
};
use super::{document::Machine, walled};
use crate::{cache, process, progress, target_folder, workspace_root};

/// What is measured, and how long.
#[derive(clap::Args)]
pub(super) struct Args {
    /// How often each gateway is measured in each scenario; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// For how many seconds each time
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// One round of a second: to see whether everything works. Writes no document
    #[arg(long)]
    quick: bool,
    /// Only this scenario, or several: those of requests write no document
    #[arg(long, value_parser = names())]
    only: Vec<String>,
    /// Without the other gateways. Writes no document
    #[arg(long)]
    alone: bool,
    /// Set by the verb itself, once it has a network of its own
    #[arg(long, hide = true)]
    walled: bool,
}

/// Waiting for a quiet machine should end some time.
const PATIENCE: u32 = 20;

/// A gateway that could not be installed where this runs.
pub(super) type Missing = &'static str;

/// Every scenario's name.
fn names() -> Vec<&'static str> {
    scenario::ALL.iter().map(|scenario| scenario.name).chain([routes::NAME]).collect()
}

/// Runs the benchmark and writes `docs/benchmarks-gateway.md` and `docs/benchmarks-routes.md`.
pub(super) fn run(args: &Args) -> Result<()> {
    let is_asked = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    if scenario::ALL.iter().any(|scenario| is_asked(scenario.name)) {
        requests(args)?;
    }
    // They need a cluster, which the network of the others does not reach.
    if !args.walled && is_asked(routes::NAME) {
        routes::run(args.quick)?;
    }
    Ok(())
}

/// What a request costs, beside other gateways.
fn requests(args: &Args) -> Result<()> {
    ensure!(
        std::thread::available_parallelism()?.get() >= 2,
        "this needs two processors: one for a gateway, one for its load"
    );
    let debian = Debian::unpack().context("NGINX, HAProxy and the programs that make load")?;
    let (gateway, helper) = compile()?;
    let mut subjects: Vec<Box<dyn Subject + '_>> = vec![Box::new(Ours { program: gateway })];
    let missing = if args.alone { Vec::new() } else { peers(&debian, &mut subjects) };
    // Everything is there now, so that there need be no way out.
    if !args.walled && walled::can_be()? {
        return walled::again();
    }
    let folder = tempfile::tempdir()?;
    let bench = Bench {
        load: Load { debian: &debian, helper, processor: Bench::OTHERS },
        certificate: certificate(folder.path())?,
        method: if args.quick {
            Method { rounds: 1, seconds: 1, warm_up: 1, patience: 0 }
        } else {
            Method { rounds: args.rounds, seconds: args.seconds, warm_up: 1, patience: PATIENCE }
        },
    };
    let is_whole = !args.quick && !args.alone && args.only.is_empty();
    let (machine, mut rows) = (Machine::of_this()?, Vec::new());
    let wanted =
        |scenario: &&Scenario| args.only.is_empty() || args.only.iter().any(|name| name == scenario.name);
    for scenario in scenario::ALL.iter().filter(wanted) {
        let row = bench.row(scenario, &subjects)?;
        println!("{}", document::line(&row, &subjects));
        rows.push(row);
        if is_whole {
            // A long run may be broken off.
            publish(&rows, &subjects, &missing, &bench.method, &machine)?;
        }
    }
    let errors: f64 = rows.iter().map(Row::errors).sum();
    if errors > 0.0 {
        bail!("{errors} requests were not answered as they should be");
    }
    Ok(())
}

/// Adds the other gateways; returns those that cannot be had.
fn peers<'d>(debian: &'d Debian, subjects: &mut Vec<Box<dyn Subject + 'd>>) -> Vec<Missing> {
    let found: [(Missing, Result<Box<dyn Subject + 'd>>); 3] = [
        ("NGINX", Nginx::new(debian).map(|peer| Box::new(peer) as _)),
        ("HAProxy", Haproxy::new(debian).map(|peer| Box::new(peer) as _)),
        ("Envoy", peers::envoy().map(|program| Box::new(Envoy { program }) as _)),
    ];
    let mut missing = Vec::new();
    for (name, peer) in found {
        match peer {
            Ok(peer) => subjects.push(peer),
            Err(error) => {
                eprintln!("{name} is left out: {error:#}");
                missing.push(name);
            }
        }
    }
    missing
}

fn publish(
    rows: &[Row],
    subjects: &[Box<dyn Subject + '_>],
    missing: &[Missing],
    method: &Method,
    machine: &Machine,
) -> Result<()> {
    let docs = workspace_root().join("docs");
    fs::write(
        docs.join("benchmarks-gateway.md"),
        document::write(rows, subjects, missing, method, machine)?,
    )?;
    fs::write(docs.join("benchmarks-gateway.svg"), document::plot(rows, subjects))?;
    Ok(())
}

/// Our gateway, and what measures it.
fn compile() -> Result<(PathBuf, PathBuf)> {
    let log = cache::root()?.join("logs/build-bench.log");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace_root()).args(["build", "--locked", "--profile", "fast"]).args([
        "--package",
        "flotilla-api-gateway",
        "--bin",
        "api-gateway",
        "--example",
        "bench",
    ]);
    progress::during("Compiling the gateway", || process::run(&mut cargo, &log))?;
    let built = target_folder()?.join("fast");
    Ok((built.join("api-gateway"), built.join("examples/bench")))
}

fn certificate(folder: &Path) -> Result<Certificate> {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let certificate = Certificate {
        chain: folder.join("chain.pem"),
        key: folder.join("key.pem"),
        both: folder.join("both.pem"),
    };
    fs::write(&certificate.chain, &chain)?;
    fs::write(&certificate.key, &key)?;
    fs::write(&certificate.both, chain + &key)?;
    Ok(certificate)
}
