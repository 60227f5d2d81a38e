//! Faults as a tower layer: around a client in this process, or around what a proxy forwards to.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, future, stream};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{BoxError, Layer, Service};

use super::{Fault, Faults};

/// An answer, from the API server or made here.
pub(super) type Answer = UnsyncBoxBody<Bytes, BoxError>;

/// By how much the events after a stale list are late.
const LATE: Duration = Duration::from_millis(150);

/// How long a watch that has lost an event goes on.
const DEAF: Duration = Duration::from_secs(2);

impl<S> Layer<S> for Faults {
    type Service = Faulty<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Faulty { inner, faults: self.clone() }
    }
}

/// A client's service in which a fault happens.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
}

impl<S, B> Service<Request<Body>> for Faulty<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let place = format!("{} {}", request.method(), request.uri().path());
        let faults = self.faults.clone();
        // Events are words, and a Lease is another matter.
        let is_write = request.method() != Method::GET
            && !["/apis/events.k8s.io/", "/apis/coordination.k8s.io/"]
                .iter()
                .any(|group| place.contains(group));
        if is_write {
            return match faults.at_write(&place) {
                Some(Fault::CrashBeforeWrite) => Box::pin(async move { crash(&faults).await }),
                Some(Fault::ConnectionLost) => Box::pin(future::ready(Err("the connection is lost".into()))),
                Some(Fault::Status(code)) => Box::pin(future::ready(refused(code))),
                fault => {
                    let answer = self.inner.call(request);
                    Box::pin(async move {
                        let answer = remembered(answer.await?.map(Answer::new), &faults).await?;
                        match fault {
                            Some(Fault::CrashAfterWrite) => crash(&faults).await,
                            Some(Fault::StaleLists) => {
                                faults.turn_back();
                                crash(&faults).await
                            }
                            Some(Fault::AnswerLost) => Err("the answer is lost".into()),
                            Some(Fault::Timeout) => refused(504),
                            _ => Ok(answer),
                        }
                    })
                }
            };
        }
        let query = request.uri().query().unwrap_or_default();
        let is_watch = query.contains("watch=true");
        let is_list = !is_watch && query.contains("limit=") && !query.contains("continue=");
        let shown = faults.shown();
        if is_list && let Some(version) = &shown {
            match as_of(request.uri(), version) {
                Ok(uri) => *request.uri_mut() = uri,
                Err(error) => return Box::pin(future::ready(Err(error.into()))),
            }
        }
        let late = if shown.is_some() { LATE } else { Duration::ZERO };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?.map(Answer::new);
            if is_list {
                return remembered(answer, &faults).await;
            }
            Ok(if is_watch { answer.map(|body| watched(body, faults, place, late)) } else { answer })
        })
    }
}

/// Lets the process die, and never answers.
async fn crash<T>(faults: &Faults) -> T {
    faults.0.crash.notify_one();
    future::pending().await
}

/// The same list as it was at a resource version.
fn as_of(uri: &Uri, version: &str) -> Result<Uri, http::Error> {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("resourceVersion"));
    let wanted = [format!("resourceVersion={version}"), "resourceVersionMatch=Exact".to_owned()];
    let query = kept.map(ToOwned::to_owned).chain(wanted).collect::<Vec<_>>().join("&");
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{}?{query}", uri.path()).try_into()?);
    Ok(Uri::from_parts(parts)?)
}

/// The answer, when the resource version in it is remembered.
async fn remembered(answer: Response<Answer>, faults: &Faults) -> Result<Response<Answer>, BoxError> {
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await?.to_bytes();
    if parts.status.is_success()
        && let Ok(object) = serde_json::from_slice::<serde_json::Value>(&bytes)
        && let Some(version) =
            object.pointer("/metadata/resourceVersion").and_then(|version| version.as_str())
    {
        faults.told(version);
    }
    Ok(Response::from_parts(parts, whole(bytes)))
}

fn whole(bytes: impl Into<Bytes>) -> Answer {
    Answer::new(Full::from(bytes.into()).map_err(Into::into))
}

/// An error as the API server writes it.
fn refused(code: u16) -> Result<Response<Answer>, BoxError> {
    let reason = match code {
        409 => "Conflict",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "a fault of the test",
        "reason": reason, "code": code,
    });
    let mut response = Response::new(whole(serde_json::to_vec(&status)?));
    *response.status_mut() = StatusCode::from_u16(code)?;
    Ok(response)
}

/// A watch that is being read.
struct Watch {
    chunks: http_body_util::BodyDataStream<Answer>,
    /// What has come and is not yet a whole line.
    rest: Vec<u8>,
    faults: Faults,
    place: String,
    late: Duration,
    /// When it has to begin anew, because an event of it was dropped.
    expires: Option<Instant>,
    ended: bool,
}

/// The events of a watch, one a line, with the fault that happens at one of them.
fn watched(body: Answer, faults: Faults, place: String, late: Duration) -> Answer {
    let chunks = body.into_data_stream();
    let watch = Watch { chunks, rest: Vec::new(), faults, place, late, expires: None, ended: false };
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((line.map(Frame::data), watch))
    });
    Answer::new(StreamBody::new(lines))
}

impl Watch {
    async fn next(&mut self) -> Option<Result<Bytes, BoxError>> {
        while !self.ended {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                match self.faults.at_event(&self.place) {
                    Some(Fault::WatchCut) => return None,
                    Some(Fault::WatchExpired) => return Some(Ok(self.expired())),
                    Some(Fault::EventDropped) => self.expires = Some(Instant::now() + DEAF),
                    _ => {
                        if !self.late.is_zero() {
                            sleep(self.late).await;
                        }
                        return Some(Ok(line.into()));
                    }
                }
            }
            let expires = self.expires;
            let expiry = async {
                match expires {
                    Some(at) => sleep_until(at).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                () = expiry => return Some(Ok(self.expired())),
                chunk = self.chunks.next() => match chunk? {
                    Ok(chunk) => self.rest.extend_from_slice(&chunk),
                    Err(error) => {
                        self.ended = true;
                        return Some(Err(error));
                    }
                },
            }
        }
        None
    }

    /// What the API server says when it no longer has what a watch needs, which ends it.
    fn expired(&mut self) -> Bytes {
        self.ended = true;
        Bytes::from_static(
            b"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\
              \"reason\":\"Expired\",\"code\":410,\"message\":\"too old resource version\"}}\n",
        )
    }
}
