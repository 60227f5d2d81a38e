//! The program.

use clap::Parser;
use flotilla_order_service::{config::Arguments, program};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    program::run(Arguments::parse()).await
}
