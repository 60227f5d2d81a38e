//! Backends that say what they were asked, or do as they are told.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

type Body = BoxBody<Bytes, Infallible>;

/// A backend, which ends with the test.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    /// Requests that came, and connections.
    pub(crate) requests: Arc<AtomicUsize>,
    pub(crate) connections: Arc<AtomicUsize>,
    /// What was asked last.
    pub(crate) last: Arc<Mutex<Value>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        Self::with("a", Speaks::Http1, None).await
    }

    pub(crate) async fn with(name: &'static str, speaks: Speaks, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let backend = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            last: Arc::default(),
        };
        let (requests, connections, last) =
            (Arc::clone(&backend.requests), Arc::clone(&backend.connections), Arc::clone(&backend.last));
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                connections.fetch_add(1, Ordering::Relaxed);
                let (requests, last, tls) = (Arc::clone(&requests), Arc::clone(&last), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, name, speaks, requests, last).await,
                        Some(tls) => {
                            if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                                serve(stream, name, speaks, requests, last).await;
                            }
                        }
                    }
                });
            }
        });
        backend
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// As an endpoint in a configuration.
    pub(crate) fn endpoint(&self) -> String {
        format!("{{host: 127.0.0.1, port: {}}}", self.address.port())
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    name: &'static str,
    speaks: Speaks,
    requests: Arc<AtomicUsize>,
    last: Arc<Mutex<Value>>,
) {
    let service = service_fn(move |request| {
        let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
        let last = Arc::clone(&last);
        async move { Ok::<_, Infallible>(answer(name, number, last, request).await) }
    });
    let io = TokioIo::new(stream);
    // A client that goes is no failure of the test.
    let _ended = match speaks {
        Speaks::Http1 => http1::Builder::new().serve_connection(io, service).with_upgrades().await,
        Speaks::Http2 => http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await,
    };
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    Response::new(Full::new(text.into()).boxed())
}

async fn answer(
    name: &str,
    number: usize,
    last: Arc<Mutex<Value>>,
    request: Request<Incoming>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let words: Vec<&str> = path.split('/').skip(1).collect();
    if words.first() == Some(&"chat") && request.headers().contains_key(header::UPGRADE) {
        return chat(request);
    }
    let (parts, body) = request.into_parts();
    let length = |headers: &HeaderMap| headers.len();
    let headers: Vec<Value> = parts
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), value.to_str().unwrap_or("?")]))
        .collect();
    let Ok(collected) = body.collect().await else {
        *last.lock().unwrap() = json!({"broken": true});
        return text("");
    };
    let trailers = collected.trailers().map_or(0, length);
    let body = collected.to_bytes();
    let seen = json!({
        "backend": name,
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "version": format!("{:?}", parts.version),
        "headers": headers,
        "body": String::from_utf8_lossy(&body[..body.len().min(64)]),
        "length": body.len(),
        "trailers": trailers,
    });
    *last.lock().unwrap() = seen.clone();
    match words.as_slice() {
        ["status", status, ..] => {
            let mut response = text(seen.to_string());
            *response.status_mut() = status.parse().unwrap();
            response
        }
        // Fails so many times, then is well.
        ["failing", times, ..] if number <= times.parse().unwrap() => {
            let mut response = text("");
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        }
        ["delay", milliseconds, ..] => {
            sleep(Duration::from_millis(milliseconds.parse().unwrap())).await;
            text(seen.to_string())
        }
        ["bytes", count, ..] => text(vec![b'x'; count.parse().unwrap()]),
        ["drip", count, ..] => drip(count.parse().unwrap()),
        ["trailers", ..] => with_trailers(),
        ["hop", ..] => {
            let mut response = text(seen.to_string());
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, "x-private".parse().unwrap());
            headers.insert("x-private", "1".parse().unwrap());
            headers.insert("keep-alive", "timeout=5".parse().unwrap());
            headers.insert("x-public", "1".parse().unwrap());
            response
        }
        _ => text(seen.to_string()),
    }
}

/// Pieces with pauses.
fn drip(count: usize) -> Response<Body> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        for number in 0..count {
            if sender.send(Ok(Frame::data(Bytes::from(format!("{number};"))))).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    Response::new(BodyExt::boxed(StreamBody::new(Pieces(receiver))))
}

struct Pieces(tokio::sync::mpsc::Receiver<Result<Frame<Bytes>, Infallible>>);

impl futures::Stream for Pieces {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

fn with_trailers() -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = [Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\x01a"))), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(futures::stream::iter(frames))));
    response.headers_mut().insert(header::CONTENT_TYPE, "application/grpc".parse().unwrap());
    response
}

/// Says back what it hears.
fn chat(mut request: Request<Incoming>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (mut reading, mut writing) = tokio::io::split(TokioIo::new(upgraded));
        let _ended = tokio::io::copy(&mut reading, &mut writing).await;
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .body(Full::default().boxed())
        .unwrap()
}
