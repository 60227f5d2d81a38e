//! A backend of gRPC: reads a message and answers with one, trailers and all. The method `echo` answers with the headers of
//! its own request.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut as _, Bytes, BytesMut};
use flotilla_api_gateway::local::LocalExecutor;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Collected};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

const WINDOW: u32 = 1 << 20;

/// A message of so many bytes, as it is sent.
pub(crate) fn message(length: usize) -> Bytes {
    framed(&vec![b'a'; length])
}

fn framed(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PREFIX + message.len());
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    bytes.put_slice(message);
    bytes.freeze()
}

/// Serves a connection.
pub(crate) async fn serve(stream: TcpStream, answer: Bytes) {
    let service = service_fn(move |request| call(request, answer.clone()));
    let served = http2::Builder::new(LocalExecutor)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(None)
        .serve_connection(TokioIo::new(stream), service);
    // A connection that breaks is its client's to report.
    served.await.ok();
}

async fn call(request: Request<Incoming>, answer: Bytes) -> Result<Response<Answer>, Infallible> {
    let (parts, body) = request.into_parts();
    let sent = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let is_good = is_message(&sent) && parts.headers.get(header::TE).is_some_and(|te| te == "trailers");
    let message = if parts.uri.path().ends_with("/echo") { framed(&lines(&parts.headers)) } else { answer };
    // 3 is INVALID_ARGUMENT.
    let status = HeaderValue::from_static(if is_good { "0" } else { "3" });
    let mut response = Response::new(Answer { message: Some(message), status: Some(status) });
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

fn is_message(bytes: &[u8]) -> bool {
    let length = bytes.get(1..PREFIX).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
    length.is_some_and(|length| usize::try_from(length).is_ok_and(|length| bytes.len() == PREFIX + length))
}

fn lines(headers: &HeaderMap) -> Vec<u8> {
    let lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes()].concat())
        .collect();
    lines.join(&b"\r\n"[..])
}

/// A message, then trailers.
struct Answer {
    message: Option<Bytes>,
    status: Option<HeaderValue>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Ok(Frame::data(message))));
        }
        Poll::Ready(
            self.status.take().map(|status| {
                Ok(Frame::trailers([("grpc-status", status)].into_iter().map(named).collect()))
            }),
        )
    }
}

fn named((name, value): (&'static str, HeaderValue)) -> (http::HeaderName, HeaderValue) {
    (http::HeaderName::from_static(name), value)
}
