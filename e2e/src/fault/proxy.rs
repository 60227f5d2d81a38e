//! Faults as a proxy: between the API server and a program that is its own process.

use std::{convert::Infallible, io, net::SocketAddr};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};
use tower::{BoxError, Layer, ServiceExt, util::BoxCloneService};

use super::{Faults, layer::Answer};

/// Headers that speak of one connection, or of a form that the answer no longer has.
const OF_THE_CONNECTION: [header::HeaderName; 4] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::ACCEPT_ENCODING];

type Forward = BoxCloneService<Request<Body>, Response<Answer>, BoxError>;

/// A way to the API server on loopback, without TLS and as somebody else, in which faults happen. It ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    running: JoinHandle<Infallible>,
}

impl Proxy {
    /// Starts it. Requests are sent as the user with this name.
    ///
    /// # Errors
    /// When there is no cluster, or no port is free.
    pub async fn start(user: &str, faults: &Faults) -> Result<Self> {
        let mut config = kube::Config::infer().await.context("KUBECONFIG names no cluster")?;
        config.auth_info.impersonate = Some(user.to_owned());
        let client = Client::try_from(config)?;
        let inner = tower::service_fn(move |request: Request<Body>| {
            let client = client.clone();
            async move {
                let answer = client.send(request).await?;
                Ok::<_, BoxError>(answer.map(|body| body.map_err(BoxError::from)))
            }
        });
        let forward = faults.layer(inner).boxed_clone();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        Ok(Self { address, running: tokio::spawn(accept(listener, forward)) })
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self) -> String {
        let name = "faults";
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": name,
            "clusters": [{"name": name, "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": name, "user": {}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        })
        .to_string()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn accept(listener: TcpListener, forward: Forward) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve(stream, forward.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Forwards one connection's requests. A fault of the connection ends it without an answer.
async fn serve(stream: TcpStream, forward: Forward) {
    let answered = service_fn(move |request| answer(forward.clone(), request));
    // The client sees how it ended, and what it makes of that is what is tested.
    http1::Builder::new().serve_connection(TokioIo::new(stream), answered).await.ok();
}

async fn answer(
    forward: Forward,
    request: Request<Incoming>,
) -> io::Result<Response<UnsyncBoxBody<Bytes, io::Error>>> {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(header::HOST);
    for name in &OF_THE_CONNECTION {
        parts.headers.remove(name);
    }
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    let answer = forward.oneshot(Request::from_parts(parts, Body::from(body))).await;
    let mut answer = answer.map_err(io::Error::other)?;
    for name in &OF_THE_CONNECTION {
        answer.headers_mut().remove(name);
    }
    Ok(answer.map(|body| UnsyncBoxBody::new(body.map_err(io::Error::other))))
}
