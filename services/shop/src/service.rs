//! One service of the shop, as its own program runs.

use std::{
    ffi::OsString,
    io::{self, Read},
    thread,
};

use anyhow::{Context, anyhow};
use clap::Parser;

use crate::{config, name::Name};

/// Runs a service to its end.
pub async fn run(config: config::Service) -> anyhow::Result<()> {
    if config.end_with_stdin {
        thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(end_with_stdin)
            .context("a thread cannot be started")?;
    }
    let arguments = [OsString::from(config.name.as_str())].into_iter().chain(config.arguments);
    match config.name {
        Name::UserService => flotilla_user_service::program::run(Parser::parse_from(arguments)).await,
        Name::ProductService => flotilla_product_service::program::run(Parser::parse_from(arguments)).await,
        Name::OrderService => flotilla_order_service::program::run(Parser::parse_from(arguments)).await,
        Name::NotificationService => {
            flotilla_notification_service::program::run(Parser::parse_from(arguments)).await
        }
        Name::Paysim => flotilla_paysim::program::run(Parser::parse_from(arguments)).await,
        Name::Sink => flotilla_sink::program::run(Parser::parse_from(arguments)).await,
        Name::ApiGateway => gateway(Parser::parse_from(arguments)).await,
    }
}

async fn gateway(config: flotilla_api_gateway::config::Config) -> anyhow::Result<()> {
    flotilla_api_gateway::telemetry::start(&config.log, config.log_format)?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow!("a TLS provider was installed twice"))?;
    flotilla_api_gateway::app::run(config).await.context("the gateway ended")
}

/// Waits until whoever holds the other end of standard input is gone, and ends as by a kill: what is not finished then is
/// what services are made for.
fn end_with_stdin() {
    let mut stdin = io::stdin().lock();
    let mut bytes = [0; 64];
    while stdin.read(&mut bytes).is_ok_and(|count| count > 0) {}
    std::process::exit(1);
}
