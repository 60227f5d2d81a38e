//! A configuration from YAML, as people write it, or from JSON, as the operator does.

use std::{collections::HashMap, ops::Range, sync::Arc};

use serde_json::value::RawValue;

use crate::{Dangling, GatewayConfig, Route};

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

/// Reads one configuration after another, from JSON. A route that is written as it was is the same one as before, so that of
/// thousands only those are read, and compiled by whoever compares them, that have changed.
#[derive(Debug, Default)]
pub struct Loader {
    text: Vec<u8>,
    /// Where the routes stand in it.
    routes: Vec<(Range<usize>, Arc<Route>)>,
}

impl Loader {
    /// Reads a configuration and checks it.
    pub fn load(&mut self, json: Vec<u8>) -> Result<GatewayConfig, Error> {
        let Ok(pieces) = serde_json::from_slice::<GatewayConfig<&RawValue>>(&json) else {
            return load_json(&json);
        };
        let known: HashMap<&[u8], &Arc<Route>, foldhash::fast::RandomState> = (self.routes.iter())
            .filter_map(|(place, route)| Some((self.text.get(place.clone())?, route)))
            .collect();
        let mut routes = Vec::with_capacity(pieces.routes.len());
        for text in pieces.routes.iter().map(|route| route.get()) {
            let start = text.as_ptr().addr() - json.as_ptr().addr();
            let route = match known.get(text.as_bytes()) {
                Some(known) => Arc::clone(known),
                None => match serde_json::from_str(text) {
                    Ok(route) => Arc::new(route),
                    // Where it is wrong is said by whoever reads the whole.
                    Err(_) => return load_json(&json),
                },
            };
            routes.push((start..start + text.len(), route));
        }
        let config = GatewayConfig {
            listeners: pieces.listeners,
            routes: routes.iter().map(|(_, route)| Arc::clone(route)).collect(),
            streams: pieces.streams,
            backends: pieces.backends,
            certificates: pieces.certificates,
            rate_limits: pieces.rate_limits,
            jwt_providers: pieces.jwt_providers,
        };
        let config = checked(config)?;
        (self.text, self.routes) = (json, routes);
        Ok(config)
    }
}

fn checked(config: GatewayConfig) -> Result<GatewayConfig, Error> {
    let dangling = config.check();
    if dangling.is_empty() { Ok(config) } else { Err(Error::Check(dangling)) }
}
