//! `cargo xtask test`: every test there is, in suites; it sets up what they need.

mod cargo;
mod conformance;
mod contract;
mod docs;
mod fuzz;
mod suites;

use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::suites::SUITES;
use crate::progress::seconds;

/// Arguments of `test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The suites to run, by the names that --list shows; without, all
    suites: Vec<String>,
    /// Show the suites and do nothing
    #[arg(long)]
    list: bool,
    /// Leave the cluster up afterwards, for a look or for the next run
    #[arg(long)]
    keep_cluster: bool,
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    if args.list {
        for suite in &SUITES {
            println!("{:<12} {}", suite.name, suite.about);
        }
        return Ok(());
    }
    if let Some(unknown) = args.suites.iter().find(|name| SUITES.iter().all(|suite| suite.name != **name)) {
        let known: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
        bail!("there is no suite {unknown:?}; there are {}", known.join(", "));
    }
    let mut run = suites::Run::new();
    let mut lines = Vec::new();
    let mut errors = Vec::new();
    let is_wanted =
        |suite: &&suites::Suite| args.suites.is_empty() || args.suites.iter().any(|name| name == suite.name);
    for suite in SUITES.iter().filter(is_wanted) {
        println!("\n== {}: {}", suite.name, suite.about);
        let began = Instant::now();
        let result = (suite.run)(&mut run).with_context(|| format!("suite {} failed", suite.name));
        let mark = if result.is_ok() { "passed" } else { "FAILED" };
        lines.push(format!("{:<12} {mark} in {}", suite.name, seconds(began.elapsed())));
        if let Err(error) = result {
            eprintln!("error: {error:#}");
            errors.push(format!("error: {error:#}"));
        }
    }
    if !args.keep_cluster {
        run.end()?;
    }
    // Once more, for who sees no more than the end.
    for error in &errors {
        println!("\n{error}");
    }
    let failed = errors.len();
    println!("\n{}", lines.join("\n"));
    println!("{} passed, {failed} failed", lines.len() - failed);
    if failed > 0 {
        bail!("{failed} of {} suites failed", lines.len());
    }
    Ok(())
}
