//! What `cargo xtask bench gateway` needs besides the gateways and Debian's load programs: a backend, a look whether a
//! gateway does its work, and clients that make a connection in TLS for each request.

#![allow(clippy::print_stdout, reason = "results go to standard output")]

mod backend;
mod check;
mod grpc;
mod handshakes;
mod http1;
mod tls;

use anyhow::{Result, anyhow};
use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, LocalOptions};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Serve until it is ended; the first line of output has the ports
    Backend(backend::Args),
    /// See whether a gateway answers as it should, and tells the backend what gateways tell
    Check(check::Args),
    /// Make connections in TLS, one for each request
    Handshakes(handshakes::Args),
}

fn main() -> Result<()> {
    let verb = Cli::parse().verb;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider was installed twice"))?;
    // One thread, as there is one processor for all that is no gateway.
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    match verb {
        Verb::Backend(args) => runtime.block_on(backend::run(&args)),
        Verb::Check(args) => runtime.block_on(check::run(&args)),
        Verb::Handshakes(args) => runtime.block_on(handshakes::run(args)),
    }
}
