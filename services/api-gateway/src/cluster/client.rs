//! The client of the API server, which notices whether that answers.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, header::USER_AGENT};
use kube::{Client, Config, client::ClientBuilder};
use tower::{Layer, Service};

use super::WATCH;
use crate::metrics::Metrics;

/// How the gateway names itself in audit logs.
const AGENT: &str = concat!("flotilla-api-gateway/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may say nothing: a little longer than a watch without changes.
const READ: Duration = Duration::from_secs(WATCH as u64 + 15);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither a kubeconfig nor a service account was found, or it cannot be read.
    #[error("no cluster to talk to: set KUBECONFIG, or run in a pod with a service account token")]
    Config(#[from] kube::config::InferConfigError),
    /// The configuration does not make a client, for example because of its certificates.
    #[error("the cluster configuration cannot be used")]
    Client(#[source] kube::Error),
}

/// How the cluster is reached.
#[derive(Clone, Debug)]
pub struct Access(Config);

impl Access {
    /// As kubectl finds it. Nothing is asked yet, and no program of a kubeconfig runs.
    pub async fn find() -> Result<Self, Error> {
        Ok(Self(Config::infer().await?))
    }

    /// Makes a client.
    pub fn client(&self, metrics: &Arc<Metrics>) -> Result<Client, Error> {
        let mut config = self.0.clone();
        config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(READ);
        config.reset_reader_on_write = true;
        let builder = ClientBuilder::try_from(config).map_err(Error::Client)?;
        Ok(builder.with_layer(&Listening(Arc::clone(metrics))).build())
    }
}

#[derive(Clone, Debug)]
struct Listening(Arc<Metrics>);

impl<S> Layer<S> for Listening {
    type Service = Heard<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Heard { inner, metrics: Arc::clone(&self.0) }
    }
}

/// Notes of each request whether there was an answer.
#[derive(Clone, Debug)]
struct Heard<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S, B, R> Service<Request<B>> for Heard<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let metrics = Arc::clone(&self.metrics);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let before = metrics.api_server_up.set(i64::from(answer.is_ok()));
            match (before, answer.is_ok()) {
                (1, false) => tracing::warn!("the API server does not answer: what is known of it stays"),
                (0, true) => tracing::info!("the API server answers"),
                _ => {}
            }
            answer
        })
    }
}
