//! The program: see `product-service --help`.

use clap::Parser;
use flotilla_product_service::{config::Arguments, program};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    program::run(Arguments::parse()).await
}
