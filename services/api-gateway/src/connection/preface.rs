//! What a client speaks on a connection without TLS: HTTP/2 begins with words that no request of HTTP/1.1 begins with (RFC
//! 9113 section 3.4).

use std::time::Duration;

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::Patience;

/// Enough of it to tell: no method is called so.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// How long to wait when less has come, which hardly ever happens.
const AGAIN: Duration = Duration::from_millis(5);

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// Looks at the first bytes, and leaves them there. `None` when nothing comes, or not enough of it in time.
pub(super) async fn detect(stream: &TcpStream, patience: Patience) -> Option<Spoken> {
    timeout(patience.idle, stream.readable()).await.ok()?.ok()?;
    timeout(patience.head, tell(stream)).await.ok()?
}

async fn tell(stream: &TcpStream) -> Option<Spoken> {
    let mut buffer = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut buffer).await.ok().filter(|length| *length > 0)?;
        let come = buffer.get(..length)?;
        if !PREFACE.starts_with(come) {
            return Some(Spoken::Http1);
        }
        if length == PREFACE.len() {
            return Some(Spoken::Http2);
        }
        sleep(AGAIN).await;
    }
}
