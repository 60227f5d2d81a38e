//! The program, as a function: its binary is no more than this, and `shop` has it as well.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use flotilla_kit::{
    drain::{self, Announcement},
    health::Health,
    http::layer::wrap,
    metrics::Metrics,
    serve::Service,
    telemetry,
};
use tokio::net::TcpListener;

use crate::{
    Journal, Sink,
    config::{Config, tls},
    http, limits, smtp,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Serves until it is told to end.
pub async fn run(config: Config) -> Result<()> {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
    let metrics = Arc::new(Metrics::new("sink", VERSION));
    let traces = telemetry::start(&config.telemetry, "sink", VERSION, &metrics)?;
    let tls = match (&config.tls_certificate, &config.tls_key) {
        (Some(certificate), Some(key)) => Some(tls(certificate, key)?),
        _ => None,
    };
    let journal = Journal::new(usize::try_from(config.keep)?, config.journal.as_deref())?;
    let sink = Sink::new(journal, config.public_url.clone(), tls);
    let announcement = Announcement::default();
    let mail = TcpListener::bind(config.smtp).await;
    let mail = mail.with_context(|| format!("cannot listen on {} (SINK_SMTP)", config.smtp))?;
    let service = Service {
        http: wrap(http::router(Arc::clone(&sink)), limits(), Arc::clone(&metrics)),
        grpc: None,
        health: Arc::new(Health::new(announcement.hear())),
        metrics,
        background: vec![("the SMTP server", Box::pin(smtp::serve(mail, sink, announcement.hear())))],
        announcement,
    };
    service.run(&config.listen, drain::stopped()).await?;
    if let Some(traces) = traces {
        traces.flush(Duration::from_secs(2)).await;
    }
    Ok(())
}
