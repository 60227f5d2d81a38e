//! Load for `cargo xtask bench shop`: an open loop. Requests are sent at a constant rate, whether answers come or not, and an
//! answer's time counts from when its request was to be sent: what a slow server makes others wait for is in it.

#![allow(clippy::print_stdout, reason = "results go to standard output")]

mod drive;
mod requests;
mod schedule;
mod times;

use std::{
    fs::File,
    io::{BufWriter, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Parser, value_parser};
use serde::Serialize;
use tokio::runtime::{Builder, LocalOptions};

use crate::{
    drive::{Driven, Plan},
    requests::Requests,
    schedule::Schedule,
};

/// Sends requests at a constant rate over HTTP/1.1, and says what came back as JSON
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where they go
    #[arg(long)]
    address: SocketAddr,

    /// Requests a second
    #[arg(long, value_parser = value_parser!(u32).range(1..=1_000_000))]
    rate: u32,

    /// For how many seconds
    #[arg(long, value_parser = value_parser!(u32).range(1..=3_600))]
    seconds: u32,

    /// Connections. When all of them wait for an answer, requests wait for a connection, and that counts
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..=10_000))]
    connections: u32,

    /// The path of a file with an array of requests, each with method, path, headers and body. All take turns
    #[arg(long, value_name = "PATH")]
    requests: PathBuf,

    /// The status of an answer that is as it should be
    #[arg(long, default_value_t = 200)]
    status: u16,

    /// Give each request an Idempotency-Key of its own
    #[arg(long)]
    idempotency_keys: bool,

    /// The path of a file for what was made: for each, when its request was to be sent, in microseconds since 1970, and the id at
    /// the end of its Location, with a comma between
    #[arg(long, value_name = "PATH")]
    made: Option<PathBuf>,
}

/// What came back.
#[derive(Serialize)]
struct Told {
    /// Answers as they should be.
    requests: usize,
    /// Other answers, connections that broke, answers that did not come.
    errors: usize,
    /// Requests that were not sent, as those before them took too long.
    unsent: usize,
    /// Seconds from when the first was to be sent until the last answer.
    seconds: f64,
    /// Microseconds until half of the answers were there.
    p50: u32,
    /// The same for 99 of 100.
    p99: u32,
    /// The same for all.
    max: u32,
    /// What was wrong with the first that was.
    first_error: Option<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let plan = Plan {
        address: args.address,
        schedule: Schedule::new(args.rate, args.seconds),
        connections: args.connections,
        requests: Requests::read(&args.requests, args.address)?,
        status: args.status,
        has_keys: args.idempotency_keys,
        has_made: args.made.is_some(),
    };
    // One thread, as there is one processor for all that is not measured.
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let Driven { mut times, errors, unsent, seconds, made, first_error } =
        runtime.block_on(drive::drive(plan))?;
    if let Some(path) = &args.made {
        write(path, &made).with_context(|| format!("writing {}", path.display()))?;
    }
    times.sort_unstable();
    let told = Told {
        requests: times.len(),
        errors,
        unsent,
        seconds,
        p50: times::part(&times, 50),
        p99: times::part(&times, 99),
        max: times::part(&times, 100),
        first_error,
    };
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

fn write(path: &Path, made: &[(u128, String)]) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for (micros, id) in made {
        writeln!(file, "{micros},{id}")?;
    }
    Ok(file.flush()?)
}
