//! Logs: one JSON object a line, or text for people. Each line of a request has its correlation id, in its span.

use opentelemetry_sdk::trace::SdkTracer;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::ParseError,
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not one.
    #[error("SHOP_LOG: {0}; write a level such as info, or a filter such as info,sqlx=debug")]
    Filter(#[from] ParseError),
    /// Something else already logs.
    #[error("logging was started twice")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging to standard error, and recording spans where there is a tracer.
pub fn start(filter: &str, format: LogFormat, tracer: Option<SdkTracer>) -> Result<(), Error> {
    subscriber(filter, format, tracer, std::io::stderr)?.try_init()?;
    Ok(())
}

/// The same, to somewhere, for this process to start by itself.
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
