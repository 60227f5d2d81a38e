//! HTTP to a shop: JSON both ways, HTTP/1.1 or HTTP/2, and a correlation id with each request.

use std::{
    future::{Ready, ready},
    iter,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use flotilla_kit::{Secret, correlation};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client as Pool,
        connect::{
            HttpConnector,
            dns::{GaiResolver, Name},
        },
    },
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::timeout;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

use super::Failure;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// Bytes that it may have.
const MAX: usize = 4 * 1024 * 1024;

/// Characters of an answer that are told when it is no problem (RFC 9457).
const SHOWN: usize = 300;

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN with TLS, and without from the first byte (RFC 9113 section 3.3).
    Http2,
}

/// A customer's program.
#[derive(Clone, Debug)]
pub struct Client {
    base: Uri,
    pool: Pool<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    method: Method,
    path: &'a str,
    correlation_id: &'a correlation::CorrelationId,
    token: Option<&'a Secret<String>>,
    idempotency_key: Option<String>,
    body: Option<Value>,
}

/// An answer with a status of success.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What it answers.
    asked: String,
}

impl<'a> Ask<'a> {
    /// For something at a path, which may have a query.
    pub fn new(method: Method, path: &'a str, correlation_id: &'a correlation::CorrelationId) -> Self {
        Self { method, path, correlation_id, token: None, idempotency_key: None, body: None }
    }

    /// As somebody who has logged in.
    #[must_use]
    pub fn token(mut self, token: &'a Secret<String>) -> Self {
        self.token = Some(token);
        self
    }

    /// Once, however often it is sent with this key.
    #[must_use]
    pub fn once(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// With a body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// What a problem says.
#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    errors: Vec<Value>,
}

impl Client {
    /// Of what is at a URL.
    pub fn new(base: &Uri, version: Version, connect_to: Option<IpAddr>) -> Result<Self, Failure> {
        if base.host().is_none() || !matches!(base.scheme_str(), Some("http" | "https")) {
            return Err(Failure::Address(base.to_string()));
        }
        let mut connector = HttpConnector::new_with_resolver(Resolver::new(connect_to));
        connector.enforce_http(false);
        connector.set_nodelay(true);
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(|_| Failure::Address(base.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = match version {
            Version::Http1 => builder.enable_http1().wrap_connector(connector),
            Version::Http2 => builder.enable_http2().wrap_connector(connector),
        };
        let pool = Pool::builder(TokioExecutor::new()).http2_only(version == Version::Http2).build(connector);
        Ok(Self { base: base.clone(), pool })
    }

    /// Asks, and takes nothing but success for an answer.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        let url = self.url(ask.path)?;
        let asked = format!("{} {url}", ask.method);
        let silent = |source: Boxed| Failure::Silent { asked: asked.clone(), source };
        let request = request(ask, url).map_err(|error| silent(error.into()))?;
        let answered = async {
            let response = self.pool.request(request).await.map_err(|error| silent(error.into()))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX).collect().await.map_err(silent)?.to_bytes();
            Ok((parts, body))
        };
        let Ok(answered) = timeout(PATIENCE, answered).await else {
            return Err(Failure::Slow { asked, patience: PATIENCE });
        };
        let (parts, body) = answered?;
        if !parts.status.is_success() {
            return Err(refused(asked, parts.status, &body));
        }
        Ok(Answer { status: parts.status, headers: parts.headers, body, asked })
    }

    /// What is at a path of the base, whose own path comes before.
    fn url(&self, path: &str) -> Result<Uri, Failure> {
        let no_address = || Failure::Address(self.base.to_string());
        let mut parts = self.base.clone().into_parts();
        let before = self.base.path().trim_end_matches('/');
        parts.path_and_query = Some(format!("{before}{path}").parse().map_err(|_| no_address())?);
        Uri::from_parts(parts).map_err(|_| no_address())
    }
}

fn request(ask: Ask<'_>, url: Uri) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(ask.method)
        .uri(url)
        .header(correlation::HEADER, ask.correlation_id.header());
    if let Some(token) = ask.token {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    if let Some(key) = ask.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let body = match ask.body {
        None => Bytes::new(),
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            Bytes::from(body.to_string())
        }
    };
    request.body(Full::new(body))
}

fn refused(asked: String, status: StatusCode, body: &[u8]) -> Failure {
    let (code, detail) = match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => {
            let mut detail = problem.detail.unwrap_or_default();
            if !problem.errors.is_empty() {
                detail = format!("{detail} {}", Value::from(problem.errors));
            }
            (problem.code, detail)
        }
        Err(_) => (None, String::from_utf8_lossy(body).chars().take(SHOWN).collect()),
    };
    Failure::Refused { asked, status, code, detail }
}

impl Answer {
    /// What it says.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|source| Failure::Shape { asked: self.asked.clone(), source })
    }
}

/// Addresses of names: those that the system knows, or one for all.
#[derive(Clone)]
struct Resolver(BoxCloneSyncService<Name, Addresses, Boxed>);

type Addresses = Box<dyn Iterator<Item = SocketAddr> + Send>;

impl std::fmt::Debug for Resolver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Resolver")
    }
}

impl Resolver {
    fn new(all: Option<IpAddr>) -> Self {
        Self(match all {
            // The port is that of the URL.
            Some(address) => {
                BoxCloneSyncService::new(tower::service_fn(move |_: Name| -> Ready<Result<_, Boxed>> {
                    ready(Ok(Box::new(iter::once(SocketAddr::new(address, 0))) as Addresses))
                }))
            }
            None => BoxCloneSyncService::new(
                GaiResolver::new().map_response(|found| Box::new(found) as Addresses).map_err(Boxed::from),
            ),
        })
    }
}

impl Service<Name> for Resolver {
    type Response = Addresses;
    type Error = Boxed;
    type Future = <BoxCloneSyncService<Name, Addresses, Boxed> as Service<Name>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Boxed>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        self.0.call(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for bad in ["127.0.0.1:8080", "/v1", "ftp://host/"] {
            let base = bad.parse().unwrap();
            let error = Client::new(&base, Version::Http1, None).unwrap_err().to_string();
            assert!(error.contains("is no address of a shop"), "{error}");
        }
        let client = Client::new(&"http://host:1/shop/".parse().unwrap(), Version::Http2, None).unwrap();
        assert_eq!(client.url("/v1/carts?a=b").unwrap(), "http://host:1/shop/v1/carts?a=b");
    }

    #[test]
    fn what_is_refused_is_told_with_its_reason() {
        let asked = "GET http://host/v1";
        let body = br#"{"code":"cart_full","detail":"too much","errors":[{"pointer":"/a"}]}"#;
        let failure = refused(asked.to_owned(), StatusCode::CONFLICT, body);
        assert!(matches!(&failure, Failure::Refused { code: Some(code), .. } if code == "cart_full"));
        let told = failure.to_string();
        assert_eq!(told, r#"GET http://host/v1 was answered with 409 Conflict: too much [{"pointer":"/a"}]"#);
        let told = refused(asked.to_owned(), StatusCode::BAD_GATEWAY, b"<html>").to_string();
        assert!(told.ends_with("502 Bad Gateway: <html>"), "{told}");
    }

    #[tokio::test]
    async fn all_names_may_have_one_address() {
        let mut resolver = Resolver::new(Some(IpAddr::from([10, 1, 2, 3])));
        let name: Name = "shop.example.com".parse().unwrap();
        let found: Vec<_> = resolver.call(name).await.unwrap().collect();
        assert_eq!(found, [SocketAddr::from(([10, 1, 2, 3], 0))]);
    }
}
