//! The program: see `user-service --help`.

use clap::Parser;
use flotilla_user_service::{config::Arguments, program};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    program::run(Arguments::parse()).await
}
