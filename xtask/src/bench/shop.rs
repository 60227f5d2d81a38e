//! `cargo xtask bench shop`: our services and the same endpoints in Node and Go in one run, each on the same processor in turn,
//! and the document.
//!
//! - `workload`: what is asked; `rate`: the search for the highest rate that is borne, pure
//! - `stage`, `provider`: what all of them need; `subject`, `ours`, `peers`: what is measured
//! - `measure`: one measurement; `paid`: what became of orders; `bar`: pgbench
//! - `document`: what is written

mod ask;
mod bar;
mod document;
mod measure;
mod ours;
mod paid;
mod peers;
mod provider;
mod rate;
mod same;
mod stage;
mod subject;
mod workload;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use self::{
    document::{Results, Row},
    measure::{Bench, Method, PROCESSORS},
    ours::Ours,
    peers::Peer,
    stage::Stage,
    subject::Subject,
    workload::{Kind, Workload},
};
use super::{document::Machine, running, walled};
use crate::host::{self, POSTGRES};
use crate::{cache, images, process, progress, target_folder, workspace_root};

/// What is measured, and how long.
#[derive(clap::Args)]
pub(super) struct Args {
    /// How often each shop is measured with each workload; the median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// For how many seconds each rate is tried
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// One round of a second for each rate: to see whether everything works. Writes no document
    #[arg(long)]
    quick: bool,
    /// Only this workload, or several. Writes no document
    #[arg(long, value_parser = names())]
    only: Vec<String>,
    /// Without the peers. Writes no document
    #[arg(long)]
    alone: bool,
    /// Set by the verb itself, once it has a network of its own
    #[arg(long, hide = true)]
    walled: bool,
}

/// Waiting for a quiet machine should end some time.
const PATIENCE: u32 = 10;

/// Seconds of pgbench in each database: an order of a client takes a hundred statements.
const BAR_SECONDS: u32 = 10;

/// Every workload's name.
fn names() -> Vec<&'static str> {
    workload::ALL.iter().map(|workload| workload.name).collect()
}

/// Runs the benchmark and writes `docs/benchmarks-shop.md`.
pub(super) fn run(args: &Args) -> Result<()> {
    ensure!(
        std::thread::available_parallelism()?.get() >= 2,
        "this needs two processors: one for a shop, one for its load and its database"
    );
    host::require(&[POSTGRES])?;
    let (programs, load) = (images::shop_programs()?, compile_load()?);
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(Ours::new(programs.clone())?)];
    let missing = if args.alone { Vec::new() } else { add_peers(&mut subjects) };
    // Everything is there now, so that there need be no way out.
    if !args.walled && walled::can_be()? {
        return walled::again();
    }
    let machine = Machine::of_this()?;
    running::pin_this(PROCESSORS.1)?;
    let stage = Stage::set(&programs)?;
    let method = if args.quick {
        // Also on a machine that does something else.
        Method { rounds: 1, seconds: 1, warm_up: 1, patience: 0, slack: 20.0 }
    } else {
        Method { rounds: args.rounds, seconds: args.seconds, warm_up: 3, patience: PATIENCE, slack: 1.0 }
    };
    let bench = Bench { stage: &stage, programs: &programs, load, method };
    progress::during("Comparing the answers of all", || same::check(&bench, &subjects))?;
    let is_asked =
        |workload: &&Workload| args.only.is_empty() || args.only.iter().any(|only| only == workload.name);
    let (mut rows, mut bar) = (Vec::new(), Vec::new());
    let told = subjects
        .iter()
        .map(|subject| {
            let (name, made_with) = (subject.name(), subject.made_with());
            Ok(document::Subject { name, made_with, size: subject.size()? })
        })
        .collect::<Result<Vec<_>>>()?;
    let is_whole = !args.quick && !args.alone && args.only.is_empty();
    let postgres = stage.version()?;
    for workload in workload::ALL.iter().filter(is_asked) {
        if workload.kind == Kind::Order {
            for round in 0..method.rounds {
                let title = format!("pgbench, round {} of {}", round + 1, method.rounds);
                bar.push(progress::during(title, || bar::orders_a_second(&stage, BAR_SECONDS))?);
            }
            println!(
                "pgbench | {} orders a second",
                bar.iter().map(|bar| format!("{bar:.0}")).collect::<Vec<_>>().join(", ")
            );
        }
        let row = measured(&bench, workload, &subjects)?;
        println!("{}", document::line(&row, &told));
        rows.push(row);
        if is_whole {
            // A long run may be broken off.
            let (subjects, missing, rows, bar) = (&told, &missing, &rows, &bar);
            let results = Results { subjects, missing, rows, bar, method, postgres: &postgres };
            let text = document::write(&results, &machine)?;
            fs::write(workspace_root().join("docs/benchmarks-shop.md"), text)?;
        }
    }
    Ok(())
}

/// A workload with all shops, in rounds.
fn measured(bench: &Bench<'_>, workload: &'static Workload, subjects: &[Box<dyn Subject>]) -> Result<Row> {
    let mut row = Row { workload, samples: vec![Vec::new(); subjects.len()] };
    for round in 0..bench.method.rounds {
        let title = format!("{}, round {} of {}", workload.name, round + 1, bench.method.rounds);
        progress::during(title, || {
            for (subject, samples) in subjects.iter().zip(&mut row.samples) {
                let known = samples.last().map(|sample: &measure::Sample| sample.best.rate);
                let sample = bench.sample(workload, subject.as_ref(), known);
                samples.push(sample.with_context(|| format!("{} with {}", workload.name, subject.name()))?);
            }
            Ok(())
        })?;
    }
    Ok(row)
}

/// Adds the peers; returns those that cannot be had.
fn add_peers(subjects: &mut Vec<Box<dyn Subject>>) -> Vec<String> {
    let found: [(&str, Result<Peer>); 2] = [("Node", peers::node()), ("Go", peers::go())];
    let mut missing = Vec::new();
    for (name, peer) in found {
        match peer {
            Ok(peer) => subjects.push(Box::new(peer)),
            Err(error) => {
                eprintln!("{name} is left out: {error:#}");
                missing.push(name.to_owned());
            }
        }
    }
    missing
}

/// What makes load.
fn compile_load() -> Result<PathBuf> {
    let log = cache::root()?.join("logs/build-bench-shop.log");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace_root());
    cargo.args(["build", "--locked", "--release", "--package", "flotilla-load", "--bin", "load"]);
    progress::during("Compiling the load", || process::run(&mut cargo, &log))?;
    Ok(target_folder()?.join("release/load"))
}
