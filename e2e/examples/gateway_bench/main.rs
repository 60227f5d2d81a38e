//! Measures how fast a route reaches the requests that it is for, and what many routes cost. Prints one JSON line.
//!
//! `cargo xtask bench gateway` runs it, with the operator and its gateways as Helm installs them.

#![allow(clippy::print_stdout, reason = "printing is its purpose")]

mod asking;
mod objects;
mod routes;

use anyhow::Result;
use clap::Parser;

use self::routes::Bench;

/// Arguments.
#[derive(Parser)]
struct Arguments {
    /// How many routes there are beside the one that is looked at
    size: usize,
    /// How often a route is made and changed
    #[arg(long, default_value_t = 100)]
    rounds: u32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { size, rounds } = Arguments::parse();
    println!("{}", Bench { size, rounds }.run().await?);
    Ok(())
}
