//! The sink as a program.

use clap::Parser;
use flotilla_sink::{config::Config, program};

// musl's own allocator has one lock for all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    program::run(Config::parse()).await
}
