//! Logs: one JSON object a line, or text for people. Each line of a request has its correlation id, in its span.

mod json;
#[cfg(test)]
mod written;

use std::sync::Arc;

use opentelemetry_sdk::trace::SdkTracer;
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{ParseError, Targets},
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
        LogFormat::Json => {
            fmt::layer().fmt_fields(json::Fields).event_format(json::Lines).with_writer(writer).boxed()
        }
        LogFormat::Text => fmt::layer().with_writer(writer).boxed(),
    };
    let of_spans = EnvFilter::try_new(filter)?;
    // That one looks at every span that is entered. Most filters are not about spans.
    let is_of_targets = !filter.is_empty() && !filter.contains('[');
    let filter = if is_of_targets { filter.parse::<Targets>()?.boxed() } else { of_spans.boxed() };
    let recording = tracer.map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer));
    Ok(tracing_subscriber::registry().with(filter).with(logs).with(recording))
}

#[cfg(test)]
mod tests {
    use super::{written::Written, *};

    /// How many of the lines are written that are there in each format, with a filter.
    fn written(filter: &str) -> usize {
        let lines = [LogFormat::Json, LogFormat::Text].map(|format| {
            let written = Written::default();
            let to = written.clone();
            let subscriber = subscriber(filter, format, None, move || to.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                tracing::error!(target: "one", "said");
                tracing::info!(target: "one", "said");
                tracing::debug!(target: "two", "said");
                tracing::info_span!(target: "one", "request")
                    .in_scope(|| tracing::debug!(target: "one", "said"));
            });
            written.text().lines().count()
        });
        assert_eq!(lines[0], lines[1], "{filter}");
        lines[0]
    }

    #[test]
    fn a_filter_lets_through_what_it_says() {
        for (filter, expected) in [
            ("", 0),
            ("off", 0),
            ("error", 1),
            ("info", 2),
            ("debug", 4),
            ("info,two=debug", 3),
            ("one=debug", 3),
            ("off,one[request]=debug", 1),
            ("info,one[request]=debug", 3),
        ] {
            assert_eq!(written(filter), expected, "{filter}");
        }
        let error = subscriber("info,one=loud", LogFormat::Json, None, std::io::sink).err().unwrap();
        assert!(error.to_string().starts_with("SHOP_LOG: "), "{error}");
    }
}
