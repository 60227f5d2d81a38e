//! The sink as a program.

use clap::Parser;
use flotilla_sink::{config::Config, program};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    program::run(Config::parse()).await
}
