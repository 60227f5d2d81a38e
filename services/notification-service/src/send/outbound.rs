//! A request to somebody outside, over a connection of its own: the name is resolved, each address looked at, and one of those
//! connected to, so that a name cannot lead elsewhere the second time. Redirects are not followed.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::{Timestamp, fmt::rfc2822};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::guard::{Guard, Refused, Target};

/// Bytes of an answer that are read.
const MAX: usize = 64 * 1024;

/// How long they are read.
const REST: Duration = Duration::from_secs(1);

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It may not be sent to.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The name has no address.
    #[error("the name cannot be resolved")]
    Resolve(#[source] io::Error),
    /// Nobody listens there.
    #[error("it cannot be connected to")]
    Connect(#[source] io::Error),
    /// There is no TLS that is to be believed.
    #[error("there is no TLS with it")]
    Tls(#[source] io::Error),
    /// HTTP broke.
    #[error("the connection broke")]
    Http(#[source] Cause),
    /// It took too long.
    #[error("there was no answer within {} s", .0.as_secs())]
    Late(Duration),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// How long it asks to wait.
    pub retry_after: Option<Duration>,
}

/// Sends requests to those outside.
#[derive(Clone)]
pub struct Outbound {
    /// Where may be sent to.
    pub guard: Guard,
    tls: Arc<ClientConfig>,
    patience: Duration,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Outbound").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl Outbound {
    /// With the roots of this machine.
    pub fn new(guard: Guard, patience: Duration) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { guard, tls: Arc::new(tls), patience }
    }

    /// Sends a body.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, Error> {
        let target = self.guard.target(url)?;
        let sending = self.send(&target, headers, body);
        timeout(self.patience, sending).await.map_err(|_late| Error::Late(self.patience))?
    }

    async fn send(&self, target: &Target, headers: HeaderMap, body: Bytes) -> Result<Answer, Error> {
        let found = lookup_host((target.host.as_str(), target.port)).await.map_err(Error::Resolve)?;
        let addresses: Vec<SocketAddr> = found.collect();
        // One that is not public is enough: whoever owns the name is up to something.
        for address in &addresses {
            self.guard.check(address.ip())?;
        }
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(Error::Connect)?;
        if !target.is_https {
            return exchange(stream, target, headers, body).await;
        }
        let name =
            ServerName::try_from(target.host.clone()).map_err(|error| Error::Tls(io::Error::other(error)))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(name, stream).await.map_err(Error::Tls)?;
        exchange(stream, target, headers, body).await
    }
}

async fn exchange<S>(stream: S, target: &Target, headers: HeaderMap, body: Bytes) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let http = |error: hyper::Error| Error::Http(error.into());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    // Dropped it ends: whoever has no patience any more leaves no connection behind.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let path = target.uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = target.uri.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, authority)
        .header(header::USER_AGENT, concat!("flotilla-notification-service/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(body))
        .map_err(|error| Error::Http(error.into()))?;
    request.headers_mut().extend(headers);
    let response = sender.send_request(request).await.map_err(http)?;
    let answer =
        Answer { status: response.status(), retry_after: retry_after(response.headers(), Timestamp::now()) };
    // Read, so that whoever answers is not cut off. What it says is of no interest, and the answer is one without its end.
    let _read = timeout(REST, Limited::new(response.into_body(), MAX).collect()).await.is_ok();
    Ok(answer)
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(then.duration_since(now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_to_wait_is_a_number_or_a_date() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let parse = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(parse("7"), Some(Duration::from_secs(7)));
        assert_eq!(parse("Thu, 01 Jan 2026 00:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(parse("Wed, 31 Dec 2025 00:01:00 GMT"), None);
        assert_eq!(parse("soon"), None);
    }
}
