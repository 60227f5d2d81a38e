//! Measures an operator: many services made, changed, kept and deleted. Prints one JSON line.
//!
//! `cargo xtask bench operator` runs it. Services have no pods, so what is measured is the operator and the API server.

#![allow(clippy::print_stdout, reason = "printing is its purpose")]

mod measure;
mod server;
mod subject;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Parser;
use flotilla_e2e::{AuditLog, Machine, client};

use self::{measure::Bench, subject::Subject};

/// Arguments.
#[derive(Parser)]
struct Arguments {
    /// Which operator
    #[arg(value_enum)]
    subject: Subject,
    /// How many services
    size: usize,
    /// For how many seconds an unchanged cluster is watched
    #[arg(long, default_value_t = 60)]
    idle: u64,
    /// The folder of the cluster: its processes have it in their arguments
    #[arg(long)]
    cluster: PathBuf,
    /// The process of an operator that does not run in the cluster
    #[arg(long)]
    pid: Option<u32>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { subject, size, idle, cluster, pid } = Arguments::parse();
    let bench = Bench {
        client: client().await?,
        audit: AuditLog::from_environment()?,
        machine: Machine::new(cluster),
        subject,
        pid,
        size,
        idle: Duration::from_secs(idle),
    };
    println!("{}", bench.run().await?);
    Ok(())
}
