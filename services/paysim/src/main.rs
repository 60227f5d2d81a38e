//! The program.

use clap::Parser;
use flotilla_paysim::{config::Config, program};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    program::run(Config::parse()).await
}
