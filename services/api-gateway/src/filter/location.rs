//! Redirects.

use flotilla_gateway_config::{self as config, Hostname, PathModifier, Scheme};
use http::{Response, StatusCode, header, uri::PathAndQuery};

use super::{Error, Incoming, replaced};

/// Where a client is sent.
#[derive(Clone, Debug)]
pub(super) struct Redirect {
    scheme: Option<Scheme>,
    host: Option<Hostname>,
    port: Option<u16>,
    path: Option<PathModifier>,
    status: StatusCode,
}

impl Redirect {
    pub(super) fn compile(written: &config::Redirect) -> Self {
        let status = written.status_code.and_then(|status| StatusCode::from_u16(status.into()).ok());
        Self {
            scheme: written.scheme,
            host: written.hostname.clone(),
            port: written.port,
            path: written.path.clone(),
            status: status.unwrap_or(StatusCode::FOUND),
        }
    }

    /// The answer, with the default ports of the Gateway API: that of a scheme that is written, otherwise that of the
    /// listener.
    pub(super) fn answer(
        &self,
        incoming: Incoming<'_>,
        target: &PathAndQuery,
    ) -> Result<Response<()>, Error> {
        let own = if incoming.is_secure { Scheme::Https } else { Scheme::Http };
        let scheme = self.scheme.unwrap_or(own);
        let (name, usual) = match scheme {
            Scheme::Http => ("http", 80),
            Scheme::Https => ("https", 443),
        };
        let port = self.port.unwrap_or(if self.scheme.is_some() { usual } else { incoming.port });
        let port = if port == usual { String::new() } else { format!(":{port}") };
        let host = self.host.as_ref().map_or(incoming.host, Hostname::as_str);
        let target = match &self.path {
            Some(path) => replaced(path, incoming.prefix, target)?,
            None => target.clone(),
        };
        Ok(Response::builder()
            .status(self.status)
            .header(header::LOCATION, format!("{name}://{host}{port}{target}"))
            .body(())?)
    }
}
