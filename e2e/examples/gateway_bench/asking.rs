//! Asks a gateway on one connection until it answers as it should.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::objects::HEADER;

/// Between two requests: who asks without a pause takes the processor from what is measured.
const PAUSE: Duration = Duration::from_millis(1);

/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A connection to a gateway.
pub(crate) struct Asker {
    address: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
}

impl Asker {
    /// Opens it; a gateway that has just become ready may not be reached through its address yet.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let begun = Instant::now();
        loop {
            match connect(address).await {
                Ok(sender) => return Ok(Self { address, sender }),
                Err(error) if begun.elapsed() > PATIENCE => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Asks until the answer is that of this round. Returns when that was.
    pub(crate) async fn until(&mut self, path: &str, round: u32) -> Result<Instant> {
        let (begun, wanted) = (Instant::now(), round.to_string());
        loop {
            if self.sender.ready().await.is_err() {
                self.sender = connect(self.address).await?;
            }
            let request =
                Request::get(path).header("host", self.address.to_string()).body(Empty::<Bytes>::new())?;
            let response = self.sender.send_request(request).await.context("asking the gateway")?;
            let (head, body) = response.into_parts();
            body.collect().await.context("reading an answer")?;
            let has = head.headers.get(HEADER).is_some_and(|value| value == wanted.as_str());
            if head.status == StatusCode::OK && has {
                return Ok(Instant::now());
            }
            if begun.elapsed() > PATIENCE {
                bail!("{path} is answered with {} and {:?} after {PATIENCE:?}", head.status, head.headers);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // How it ends is seen by whoever asks.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
