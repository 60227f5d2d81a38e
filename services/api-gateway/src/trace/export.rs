//! Sends what has been recorded to a collector, by OTLP in HTTP with protobuf; apart from the workers.

use std::{sync::Arc, time::Duration};

use http::Uri;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as Otlp, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{Resource, trace::SpanExporter};
use rustls::{ClientConfig, RootCertStore};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::Span;
use crate::metrics::Metrics;

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
    #[error("GATEWAY_OTLP_ENDPOINT: {0} is no address: write one such as http://collector:4318/v1/traces")]
    Endpoint(Uri),
    /// The library takes none of it.
    #[error("GATEWAY_OTLP_ENDPOINT")]
    Build(#[from] ExporterBuildError),
}

/// Sends spans to a collector.
#[derive(Debug)]
pub struct Exporter {
    otlp: Otlp,
    scope: InstrumentationScope,
    metrics: Arc<Metrics>,
}

impl Exporter {
    /// To a collector, in the name of a service. Nothing is sent yet.
    pub fn new(endpoint: &Uri, service: &str, metrics: Arc<Metrics>) -> Result<Self, Error> {
        if !matches!(endpoint.scheme_str(), Some("http" | "https")) || endpoint.host().is_none() {
            return Err(Error::Endpoint(endpoint.clone()));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let mut otlp = Otlp::builder()
            .with_http()
            .with_http_client(HyperClient::new(connector, PATIENCE, None))
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint.to_string())
            .with_timeout(PATIENCE)
            .build()?;
        let version = env!("CARGO_PKG_VERSION");
        let resource = Resource::builder()
            .with_service_name(service.to_owned())
            .with_attribute(KeyValue::new("service.version", version));
        otlp.set_resource(&resource.build());
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(version).build();
        Ok(Self { otlp, scope, metrics })
    }

    /// Sends what comes until nobody is left from whom it could, and what is there then. What cannot be sent is counted and
    /// lost.
    pub async fn run(self, mut spans: mpsc::Receiver<Box<Span>>) {
        let mut is_heard = true;
        while let Some(first) = spans.recv().await {
            let mut batch = vec![first.into_data(&self.scope)];
            let deadline = Instant::now() + WAIT;
            while batch.len() < BATCH
                && let Ok(Some(span)) = timeout_at(deadline, spans.recv()).await
            {
                batch.push(span.into_data(&self.scope));
            }
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
    }
}
