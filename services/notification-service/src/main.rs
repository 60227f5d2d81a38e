//! The service as a program.

use clap::Parser;
use flotilla_notification_service::{config::Arguments, program};

// musl's own allocator has one lock for all threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    program::run(Arguments::parse()).await
}
