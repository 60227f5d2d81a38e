//! What a client still sends when it has its answer already.
//!
//! A connection that is closed while bytes come in is reset, and the reset may take the answer with it (RFC 9112, section 9.6).
//! So the rest of a body is read and thrown away, within bounds.

use std::time::Duration;

use axum::{body::Body, extract::Request, http::Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::{runtime::Handle, time::timeout};

/// Bytes that are thrown away at most; who sends more may miss the answer.
const BYTES: usize = 16 * 1024 * 1024;

/// How long it is done.
const TIME: Duration = Duration::from_secs(5);

/// Whether a request's body comes whether or not it is read: streams of HTTP/2 are ended one by one, and who expects a
/// `100 Continue` sends nothing without it.
pub(super) fn comes_anyway(request: &Request) -> bool {
    request.version() < Version::HTTP_2 && !request.headers().contains_key(http::header::EXPECT)
}

/// Reads what is left of a body, beside everything else.
pub(super) fn throw_away(mut body: Body) {
    if body.is_end_stream() {
        return;
    }
    // Without a runtime there is no connection either.
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(timeout(TIME, async move {
        let mut left = BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, bytes::Bytes::len);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }));
}
