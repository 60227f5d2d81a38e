//! A configuration from YAML, as people write it, or from JSON, as the operator does.

use crate::{Dangling, GatewayConfig};

/// Why a configuration is refused. Nothing of it is used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("{source}")]
    Read {
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: u64,
        /// What is wrong there.
        source: Box<serde_saphyr::Error>,
    },
    /// It is not the JSON of a configuration.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// Its parts do not fit each other.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Check(Vec<Dangling>),
}

/// Reads a configuration and checks it.
pub fn load(yaml: &str) -> Result<GatewayConfig, Error> {
    // What stands around a mistake may be a key, which is for no log.
    let options = serde_saphyr::options! { with_snippet: false };
    let config: GatewayConfig = serde_saphyr::from_str_with_options(yaml, options).map_err(|source| {
        let location = source.location();
        Error::Read {
            line: location.map_or(1, |location| location.line()),
            column: location.map_or(1, |location| location.column()),
            source: Box::new(source),
        }
    })?;
    checked(config)
}

/// The same from JSON, which is read many times faster.
pub fn load_json(json: &[u8]) -> Result<GatewayConfig, Error> {
    checked(serde_json::from_slice(json)?)
}

fn checked(config: GatewayConfig) -> Result<GatewayConfig, Error> {
    let dangling = config.check();
    if dangling.is_empty() { Ok(config) } else { Err(Error::Check(dangling)) }
}
