//! Logs: one JSON object a line, or text for people.

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt};

use crate::config::LogFormat;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not one.
    #[error("GATEWAY_LOG: {0}; write a level such as info, or a filter such as info,hyper=debug")]
    Filter(#[from] ParseError),
    /// Something else already logs.
    #[error("logging was started twice")]
    Twice(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts logging to standard error.
pub fn start(filter: &str, format: LogFormat) -> Result<(), Error> {
    let subscriber = fmt().with_env_filter(EnvFilter::try_new(filter)?).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => {
            subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Text => subscriber.try_init(),
    }
    .map_err(Error::Twice)
}
