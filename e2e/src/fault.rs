//! Faults between a client and the API server: a layer that lets one chosen request or watch event go wrong.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::{StreamExt, future, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use tokio::sync::Notify;
use tower::{BoxError, Layer, Service};

/// An answer, from the API server or made here.
type Answer = UnsyncBoxBody<bytes::Bytes, BoxError>;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the write leaves it.
    CrashBeforeWrite,
    /// The process dies when the write has happened and before it knows.
    CrashAfterWrite,
    /// The API server answers a write with this status and does nothing.
    Status(u16),
    /// The connection ends before the write is sent.
    ConnectionLost,
    /// The write happens, and the answer never comes.
    AnswerLost,
    /// The connection of a watch ends just before this event.
    WatchCut,
    /// The history that a watch needs is gone just before this event.
    WatchExpired,
}

impl Fault {
    /// Every fault of a write.
    pub const OF_WRITES: [Self; 8] = [
        Self::CrashBeforeWrite,
        Self::CrashAfterWrite,
        Self::Status(409),
        Self::Status(429),
        Self::Status(500),
        Self::Status(503),
        Self::ConnectionLost,
        Self::AnswerLost,
    ];
    /// Every fault of a watch.
    pub const OF_WATCHES: [Self; 2] = [Self::WatchCut, Self::WatchExpired];

    fn is_of_watches(self) -> bool {
        Self::OF_WATCHES.contains(&self)
    }
}

/// Counts what a client does, and lets one fault happen at one of its writes or watch events.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<State>);

#[derive(Debug, Default)]
struct State {
    planned: Option<(Fault, usize)>,
    writes: AtomicUsize,
    events: AtomicUsize,
    crash: Notify,
    happened: Mutex<Option<String>>,
}

impl Faults {
    /// This fault, at the write or event with this number, from 0.
    pub fn plan(fault: Fault, at: usize) -> Self {
        Self(Arc::new(State { planned: Some((fault, at)), ..State::default() }))
    }

    /// How many writes there have been.
    pub fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// How many watch events there have been.
    pub fn events(&self) -> usize {
        self.0.events.load(Ordering::SeqCst)
    }

    /// Where the fault happened; `None` when it has not.
    pub fn happened(&self) -> Option<String> {
        self.0.happened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the process shall die.
    pub async fn crashed(&self) {
        self.0.crash.notified().await;
    }

    fn at_write(&self, place: &str) -> Option<Fault> {
        let index = self.0.writes.fetch_add(1, Ordering::SeqCst);
        self.hit(index, false, place)
    }

    fn at_event(&self, place: &str) -> Option<Fault> {
        let index = self.0.events.fetch_add(1, Ordering::SeqCst);
        self.hit(index, true, place)
    }

    fn hit(&self, index: usize, of_watches: bool, place: &str) -> Option<Fault> {
        let (fault, at) = self.0.planned?;
        if fault.is_of_watches() != of_watches || at != index {
            return None;
        }
        *self.0.happened.lock().unwrap_or_else(PoisonError::into_inner) = Some(place.to_owned());
        Some(fault)
    }

    async fn crash<T>(&self) -> T {
        self.0.crash.notify_one();
        future::pending().await
    }
}

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
    B: http_body::Body<Data = bytes::Bytes, Error = BoxError> + Send + 'static,
{
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let place = format!("{} {}", request.method(), request.uri().path());
        let faults = self.faults.clone();
        // Events are words, and a Lease is another matter.
        let is_write = request.method() != Method::GET
            && !["/apis/events.k8s.io/", "/apis/coordination.k8s.io/"]
                .iter()
                .any(|group| place.contains(group));
        if is_write {
            return match faults.at_write(&place) {
                Some(Fault::CrashBeforeWrite) => Box::pin(async move { faults.crash().await }),
                Some(Fault::ConnectionLost) => Box::pin(future::ready(Err("the connection is lost".into()))),
                Some(Fault::Status(code)) => Box::pin(future::ready(refused(code))),
                fault => {
                    let answer = self.inner.call(request);
                    Box::pin(async move {
                        let answer = answer.await?;
                        match fault {
                            Some(Fault::CrashAfterWrite) => faults.crash().await,
                            Some(Fault::AnswerLost) => Err("the answer is lost".into()),
                            _ => Ok(answer.map(Answer::new)),
                        }
                    })
                }
            };
        }
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await?.map(Answer::new);
            Ok(if is_watch { answer.map(|body| watched(body, faults, place)) } else { answer })
        })
    }
}

/// An error as the API server writes it.
fn refused(code: u16) -> Result<Response<Answer>, BoxError> {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "a fault of the test",
        "reason": match code { 409 => "Conflict", 429 => "TooManyRequests", 503 => "ServiceUnavailable", _ => "InternalError" },
        "code": code,
    });
    let mut response =
        Response::new(Answer::new(Full::from(serde_json::to_vec(&status)?).map_err(Into::into)));
    *response.status_mut() = StatusCode::from_u16(code)?;
    Ok(response)
}

/// The events of a watch, one a line, up to the one at which the fault happens.
fn watched(body: Answer, faults: Faults, place: String) -> Answer {
    let lines = stream::unfold(
        (body.into_data_stream(), Vec::<u8>::new(), false),
        move |(mut chunks, mut rest, ended)| {
            let (faults, place) = (faults.clone(), place.clone());
            async move {
                loop {
                    if ended {
                        return None;
                    }
                    if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = rest.drain(..=end).collect();
                        return match faults.at_event(&place) {
                            Some(Fault::WatchCut) => None,
                            Some(Fault::WatchExpired) => {
                                let gone = br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old resource version"}}"#;
                                let gone = [gone.as_slice(), b"\n"].concat();
                                Some((Ok(bytes::Bytes::from(gone)), (chunks, rest, true)))
                            }
                            _ => Some((Ok(bytes::Bytes::from(line)), (chunks, rest, false))),
                        };
                    }
                    match chunks.next().await {
                        None => return None,
                        Some(Ok(chunk)) => rest.extend_from_slice(&chunk),
                        Some(Err(error)) => return Some((Err(error), (chunks, rest, true))),
                    }
                }
            }
        },
    );
    let frames = lines.map(|line: Result<bytes::Bytes, BoxError>| line.map(http_body::Frame::data));
    Answer::new(StreamBody::new(frames))
}
