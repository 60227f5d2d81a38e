//! Logs: one JSON object a line, or text for people. Each line of a request has its correlation id, in its span.

use std::sync::Arc;

use opentelemetry_sdk::trace::SdkTracer;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::ParseError,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::{
    config::{self, LogFormat},
    metrics::Metrics,
    trace::{self, Exporter, Traces},
};

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not one.
    #[error("SHOP_LOG: {0}; write a level such as info, or a filter such as info,sqlx=debug")]
    Filter(#[from] ParseError),
    /// Something else already logs.
    #[error("logging was started twice")]
    Twice(#[from] TryInitError),
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] trace::Error),
}

/// Starts logging to standard error, and sending traces where there is somebody to send them to. Those are to be flushed at the
/// end.
pub fn start(
    config: &config::Telemetry,
    service: &'static str,
    version: &'static str,
    metrics: &Arc<Metrics>,
) -> Result<Option<Traces>, Error> {
    let traces = match &config.otlp_endpoint {
        None => None,
        Some(endpoint) => {
            let exporter = Exporter::new(endpoint, service, version, Arc::clone(metrics))?;
            let (traces, ended) = Traces::new(service, config.traces, Arc::clone(metrics));
            tokio::spawn(exporter.run(ended));
            Some(traces)
        }
    };
    let recording = traces.as_ref().map(Traces::tracer);
    subscriber(&config.log, config.log_format, recording, std::io::stderr)?.try_init()?;
    Ok(traces)
}

/// What logs to somewhere, and records spans with a tracer.
pub fn subscriber<W>(
    filter: &str,
    format: LogFormat,
    tracer: Option<SdkTracer>,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + 'static, Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let logs = match format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(writer)
            .boxed(),
        LogFormat::Text => fmt::layer().with_writer(writer).boxed(),
    };
    let recording = tracer.map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer));
    Ok(tracing_subscriber::registry().with(EnvFilter::try_new(filter)?).with(logs).with(recording))
}
