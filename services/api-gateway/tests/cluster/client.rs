//! A client.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// How long anything in a test is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

type Error = Box<dyn std::error::Error + Send + Sync>;

/// A connection.
pub(crate) struct Connection(SendRequest<Empty<Bytes>>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Status and text of the answer.
    pub(crate) async fn get(&mut self, path: &str) -> Result<(StatusCode, String), Error> {
        self.0.ready().await?;
        let request = Request::get(path).header("host", "a.test").body(Empty::new())?;
        let (parts, body) = self.0.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok((parts.status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// One request on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, String), Error> {
    timeout(PATIENCE, async { Connection::open(address).await?.get(path).await }).await?
}

/// Waits until something is as it should be, and says what it was last when it never is.
pub(crate) async fn eventually<T: std::fmt::Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> T,
    mut is_right: impl FnMut(&T) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = look().await;
        if is_right(&found) {
            return;
        }
        assert!(Instant::now() < deadline, "never: {what}; it is {found:?}");
        sleep(Duration::from_millis(10)).await;
    }
}
