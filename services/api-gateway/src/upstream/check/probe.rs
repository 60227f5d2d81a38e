//! One question to an endpoint.

use bytes::Bytes;
use flotilla_gateway_config::{GrpcProbe, HealthCheck, HttpProbe, Probe, Protocol};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::TokioExecutor;

use crate::upstream::{
    ConnectError, Endpoint,
    connect::{Stream, connect_at},
};

/// How the gateway names itself to those that it asks.
const AGENT: &str = concat!("flotilla-api-gateway/", env!("CARGO_PKG_VERSION"), " (health check)");

/// The method of gRPC that is called.
const GRPC_PATH: &str = "/grpc.health.v1.Health/Check";

/// Bytes of an answer that are read.
const ANSWER: usize = 64 * 1024;

/// The number of SERVING.
const SERVING: u8 = 1;

/// What is wrong with an endpoint.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("no answer in time")]
    Slow,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("the question cannot be asked: {0}")]
    Question(#[from] http::Error),
    #[error("the status is {0}")]
    Status(StatusCode),
    #[error("the answer cannot be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("the status of gRPC is {0:?}")]
    Grpc(Option<HeaderValue>),
    #[error("it says that it does not serve")]
    NotServing,
}

/// Asks an endpoint, on a connection of its own.
pub(super) async fn ask(endpoint: &Endpoint, check: &HealthCheck) -> Result<(), Error> {
    let stream = connect_at(endpoint, check.port.unwrap_or(endpoint.written.port)).await?;
    match &check.probe {
        Probe::Tcp => Ok(()),
        Probe::Http(probe) => http(endpoint, probe, stream).await,
        Probe::Grpc(probe) => grpc(endpoint, probe, stream).await,
    }
}

async fn http(endpoint: &Endpoint, probe: &HttpProbe, stream: Stream) -> Result<(), Error> {
    let host = probe.host.as_ref().map_or_else(|| endpoint.to_string(), |host| host.as_str().to_owned());
    let request = request(endpoint, &host, probe.path.as_str(), Method::GET, Bytes::new())?;
    let status = send(endpoint.protocol, stream, request).await?.status();
    let is_good = if probe.statuses.is_empty() {
        status.is_success() || status.is_redirection()
    } else {
        probe.statuses.contains(&status.as_u16())
    };
    if is_good { Ok(()) } else { Err(Error::Status(status)) }
}

async fn grpc(endpoint: &Endpoint, probe: &GrpcProbe, stream: Stream) -> Result<(), Error> {
    let mut request =
        request(endpoint, &endpoint.to_string(), GRPC_PATH, Method::POST, question(&probe.service))?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let (parts, body) = send(Protocol::Http2, stream, request).await?.into_parts();
    if parts.status != StatusCode::OK {
        return Err(Error::Status(parts.status));
    }
    let body = Limited::new(body, ANSWER).collect().await.map_err(Error::Body)?;
    // Without a message the status is in the headers.
    let trailers = body.trailers().cloned().unwrap_or(parts.headers);
    let status = trailers.get("grpc-status");
    if status.is_none_or(|status| status != "0") {
        return Err(Error::Grpc(status.cloned()));
    }
    if status_of(&body.to_bytes()) == Some(SERVING) { Ok(()) } else { Err(Error::NotServing) }
}

fn request(
    endpoint: &Endpoint,
    host: &str,
    path: &str,
    method: Method,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder().method(method).header(header::USER_AGENT, AGENT);
    request = match endpoint.protocol {
        Protocol::Http1 => request.uri(path).header(header::HOST, host),
        Protocol::Http2 => {
            let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
            let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build()?;
            request.version(Version::HTTP_2).uri(uri)
        }
    };
    request.body(Full::new(body))
}

async fn send(
    protocol: Protocol,
    stream: Stream,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Error> {
    match stream {
        Stream::Plain(io) => send_on(protocol, io, request).await,
        Stream::Tls(io) => send_on(protocol, io, request).await,
    }
}

async fn send_on<T>(
    protocol: Protocol,
    io: T,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Error>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    Ok(match protocol {
        Protocol::Http1 => {
            let (mut sender, connection) = http1::handshake(io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        }
        Protocol::Http2 => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        }
    })
}

/// `HealthCheckRequest` with the frame of gRPC: its only field is the text `service`, number 1.
fn question(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        varint(service.len(), &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[0][..], &length, &message].concat().into()
}

fn varint(number: usize, into: &mut Vec<u8>) {
    let low = u8::try_from(number & 0x7f).unwrap_or_default();
    if number < 0x80 {
        into.push(low);
    } else {
        into.push(low | 0x80);
        varint(number >> 7, into);
    }
}

/// The status in a `HealthCheckResponse`, whose only field is `status`, number 1: a frame that is not compressed, and in it
/// a tag and a number of one byte. What is 0 is left out.
fn status_of(frame: &[u8]) -> Option<u8> {
    match frame {
        [0, 0, 0, 0, 0] => Some(0),
        [0, 0, 0, 0, 2, 0x08, status] => Some(*status),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_grpc_are_as_protobuf_has_them() {
        assert_eq!(*question(""), [0, 0, 0, 0, 0]);
        assert_eq!(*question("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = "a".repeat(300);
        let expected = [&[0, 0, 0, 0x01, 0x2f, 0x0a, 0xac, 0x02][..], long.as_bytes()].concat();
        assert_eq!(*question(&long), expected);
        assert_eq!(status_of(&[0, 0, 0, 0, 2, 8, 1]), Some(SERVING));
        assert_eq!(status_of(&[0, 0, 0, 0, 2, 8, 2]), Some(2));
        assert_eq!(status_of(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(status_of(&[1, 0, 0, 0, 2, 8, 1]), None);
        assert_eq!(status_of(b""), None);
    }
}
