//! Backends that say whether they are well, and count their connections.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

use crate::backend::Speaks;

/// What it knows of itself.
#[derive(Default)]
pub(crate) struct State {
    is_ill: AtomicBool,
    /// Questions whether it is well, and other requests.
    pub(crate) questions: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    /// Connections that are open, and the most that there were at a time.
    open: AtomicUsize,
    pub(crate) most_open: AtomicUsize,
    /// The host of the last question, and the service that gRPC asked for.
    pub(crate) asked: Mutex<String>,
}

/// A backend, which ends with the test or when it is told to.
pub(crate) struct Patient {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
    accepts: JoinHandle<()>,
}

impl Patient {
    pub(crate) async fn start(name: &'static str, speaks: Speaks) -> Self {
        Self::with(name, speaks, Arc::default()).await
    }

    /// Another that is well, and counts, together with this one; in HTTP/1.1.
    pub(crate) async fn twin(&self, name: &'static str) -> Self {
        Self::with(name, Speaks::Http1, Arc::clone(&self.state)).await
    }

    async fn with(name: &'static str, speaks: Speaks, state: Arc<State>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        let accepts = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let now = state.open.fetch_add(1, Ordering::Relaxed) + 1;
                    state.most_open.fetch_max(now, Ordering::Relaxed);
                    let own = Arc::clone(&state);
                    let service = service_fn(move |request| {
                        let state = Arc::clone(&own);
                        async move { Ok::<_, Infallible>(answer(name, &state, request).await) }
                    });
                    let io = TokioIo::new(stream);
                    // A client that goes is no failure of the test.
                    let _ended = match speaks {
                        Speaks::Http1 => http1::Builder::new().serve_connection(io, service).await,
                        Speaks::Http2 => {
                            http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
                        }
                    };
                    state.open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, state, accepts }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{{host: 127.0.0.1, port: {}}}", self.address.port())
    }

    pub(crate) fn falls_ill(&self) {
        self.state.is_ill.store(true, Ordering::Relaxed);
    }

    pub(crate) fn recovers(&self) {
        self.state.is_ill.store(false, Ordering::Relaxed);
    }

    /// Takes no more connections.
    pub(crate) async fn ends(&mut self) {
        self.accepts.abort();
        // Only when the task is gone is the socket closed.
        let _cancelled = (&mut self.accepts).await;
    }

    pub(crate) fn questions(&self) -> usize {
        self.state.questions.load(Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }
}

async fn answer(
    name: &'static str,
    state: &State,
    request: Request<Incoming>,
) -> Response<BoxBody<Bytes, Infallible>> {
    let is_ill = state.is_ill.load(Ordering::Relaxed);
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/healthz" => {
            state.questions.fetch_add(1, Ordering::Relaxed);
            let host = request.headers().get(header::HOST).map(|host| host.to_str().unwrap().to_owned());
            let authority = request.uri().authority().map(ToString::to_string);
            *state.asked.lock().unwrap() = host.or(authority).unwrap();
            let mut response = Response::new(Full::default().boxed());
            *response.status_mut() =
                if is_ill { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT };
            response
        }
        "/grpc.health.v1.Health/Check" => {
            state.questions.fetch_add(1, Ordering::Relaxed);
            assert_eq!(request.headers()[header::CONTENT_TYPE], "application/grpc");
            let message = request.into_body().collect().await.unwrap().to_bytes();
            *state.asked.lock().unwrap() =
                String::from_utf8_lossy(message.get(7..).unwrap_or_default()).into_owned();
            let status = if is_ill { 2 } else { 1 };
            let trailers: HeaderMap =
                [("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))].into_iter().collect();
            let message = Bytes::copy_from_slice(&[0, 0, 0, 0, 2, 8, status]);
            let body = Full::new(message).with_trailers(async move { Some(Ok(trailers)) });
            let mut response = Response::new(body.boxed());
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            response
        }
        path => {
            state.requests.fetch_add(1, Ordering::Relaxed);
            if let Some(milliseconds) = path.strip_prefix("/delay/") {
                sleep(Duration::from_millis(milliseconds.parse().unwrap())).await;
            }
            Response::new(Full::new(Bytes::from_static(name.as_bytes())).boxed())
        }
    }
}
