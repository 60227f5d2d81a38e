//! The client of the API server, with every request counted.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, header::USER_AGENT};
use kube::{Client, Config, client::ClientBuilder};
use tower::{Layer, Service};

use crate::metrics::ApiMetrics;

/// How the operator names itself in audit logs and in the API server's own metrics.
pub const AGENT: &str = concat!("flotilla-operator/", env!("CARGO_PKG_VERSION"));

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

/// Makes the client from the environment, as kubectl would.
pub async fn connect(metrics: ApiMetrics) -> Result<Client, Error> {
    build(Config::infer().await?, metrics)
}

/// Makes the client from a configuration.
pub fn build(mut config: Config, metrics: ApiMetrics) -> Result<Client, Error> {
    let host = config.cluster_url.authority().map(ToString::to_string).unwrap_or_default();
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    let builder = ClientBuilder::try_from(config).map_err(Error::Client)?;
    Ok(builder.with_layer(&MeterLayer { metrics, host }).build())
}

#[derive(Clone, Debug)]
struct MeterLayer {
    metrics: ApiMetrics,
    host: String,
}

impl<S> Layer<S> for MeterLayer {
    type Service = Meter<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Meter { inner, metrics: self.metrics.clone(), host: self.host.clone() }
    }
}

/// Counts each request by method, host and answer (`rest_client_requests_total`).
#[derive(Clone, Debug)]
struct Meter<S> {
    inner: S,
    metrics: ApiMetrics,
    host: String,
}

impl<S, B, R> Service<Request<B>> for Meter<S>
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
        let metrics = self.metrics.clone();
        let method = request.method().to_string();
        let host = self.host.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let result = answer.await;
            let code = result
                .as_ref()
                .map_or("<error>".to_owned(), |response| response.status().as_u16().to_string());
            metrics.request(method, host, code);
            result
        })
    }
}
