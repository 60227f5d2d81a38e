//! `cargo xtask bench`: the benchmarks. They compare within one run; absolute times differ from machine to machine.

mod document;
mod gateway;
mod kro;
mod median;
mod operator;
mod plot;
mod ports;
mod quiet;
mod running;
mod shop;
mod walled;

use std::process::Command;

use anyhow::{Result, bail};
use clap::Subcommand;

use crate::workspace_root;

/// Arguments of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// What one reconcile costs without an API server (the default)
    Reconcile,
    /// The installed operator with many services; writes docs/benchmarks.md
    Operator(operator::Args),
    /// The gateway beside NGINX, HAProxy and Envoy; writes docs/benchmarks-gateway.md
    Gateway(gateway::Args),
    /// The shop beside the same in Node and Go; writes docs/benchmarks-shop.md
    Shop(shop::Args),
}

/// Runs the verb.
pub(crate) fn run(args: Args) -> Result<()> {
    match args.what.unwrap_or(What::Reconcile) {
        What::Reconcile => reconcile(),
        What::Operator(args) => operator::run(&args),
        What::Gateway(args) => gateway::run(&args),
        What::Shop(args) => shop::run(&args),
    }
}

fn reconcile() -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace_root()).args([
        "bench",
        "--locked",
        "--package",
        "flotilla-operator",
        "--bench",
        "reconcile",
    ]);
    let status = cargo.status()?;
    if !status.success() {
        bail!("the benchmarks ended with {status}");
    }
    Ok(())
}
