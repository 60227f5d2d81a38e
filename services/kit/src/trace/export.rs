//! Sends what has been recorded to a collector, by OTLP in HTTP with protobuf.

use std::{sync::Arc, time::Duration};

use ::http::Uri;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::KeyValue;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as Otlp, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{Resource, trace::SpanExporter};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::Message;
use crate::{auth::trust, metrics::Metrics};

/// Spans that are sent at a time.
const BATCH: usize = 512;

/// How long the first of them waits for others.
const WAIT: Duration = Duration::from_secs(1);

/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none.
    #[error("SHOP_OTLP_ENDPOINT: {0} is no address: write one such as http://collector:4318/v1/traces")]
    Endpoint(Uri),
    /// The library takes none of it.
    #[error("SHOP_OTLP_ENDPOINT")]
    Build(#[from] ExporterBuildError),
}

/// Sends spans to a collector.
#[derive(Debug)]
pub struct Exporter {
    otlp: Otlp,
    metrics: Arc<Metrics>,
}

impl Exporter {
    /// To a collector, in the name of a service. Nothing is sent yet.
    pub fn new(
        endpoint: &Uri,
        service: &'static str,
        version: &'static str,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Error> {
        if !matches!(endpoint.scheme_str(), Some("http" | "https")) || endpoint.host().is_none() {
            return Err(Error::Endpoint(endpoint.clone()));
        }
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(trust()).https_or_http().enable_http1().build();
        let mut otlp = Otlp::builder()
            .with_http()
            .with_http_client(HyperClient::new(connector, PATIENCE, None))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.to_string())
            .with_timeout(PATIENCE)
            .build()?;
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.version", version));
        otlp.set_resource(&resource.build());
        Ok(Self { otlp, metrics })
    }

    /// Sends what comes. What cannot be sent is counted and lost.
    pub async fn run(self, mut messages: mpsc::Receiver<Message>) {
        let mut is_heard = true;
        let mut waiting = Vec::new();
        while let Some(first) = messages.recv().await {
            let mut batch = Vec::new();
            let deadline = Instant::now() + WAIT;
            let mut next = Some(first);
            while let Some(message) = next.take() {
                match message {
                    Message::Span(span) => batch.push(*span),
                    Message::Flush(done) => {
                        waiting.push(done);
                        break;
                    }
                }
                if batch.len() < BATCH {
                    next = timeout_at(deadline, messages.recv()).await.ok().flatten();
                }
            }
            if !batch.is_empty() {
                let count = batch.len() as u64;
                match self.otlp.export(batch).await {
                    Ok(()) => {
                        self.metrics.sent_spans.inc_by(count);
                        is_heard = true;
                    }
                    Err(error) => {
                        self.metrics.lost_spans.inc_by(count);
                        // Once, not for each batch.
                        if std::mem::take(&mut is_heard) {
                            tracing::warn!(%error, "traces cannot be sent, and are lost until they can");
                        }
                    }
                }
            }
            for done in waiting.drain(..) {
                let _heard = done.send(()).is_ok();
            }
        }
    }
}
