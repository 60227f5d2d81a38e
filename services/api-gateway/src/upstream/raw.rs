//! A connection to an endpoint for a stream: of its client alone, and of anything.

use std::sync::Arc;

use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    ConnectError, Endpoint,
    connect::{CONNECT, tcp},
};

/// A connection of either kind.
#[derive(Debug)]
pub enum Raw {
    /// As it is.
    Plain(TcpStream),
    /// In TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Endpoint {
    /// Opens a connection that begins with `first`, before TLS.
    pub async fn open(&self, first: &[u8]) -> Result<Raw, ConnectError> {
        timeout(CONNECT, open(self, first)).await.map_err(|_| ConnectError::Slow)?
    }
}

async fn open(endpoint: &Endpoint, first: &[u8]) -> Result<Raw, ConnectError> {
    let mut stream = tcp(endpoint, endpoint.written.port).await?;
    if !first.is_empty() {
        stream.write_all(first).await.map_err(ConnectError::Tcp)?;
    }
    let Some(tls) = &endpoint.tls else { return Ok(Raw::Plain(stream)) };
    let connector = TlsConnector::from(Arc::clone(&tls.raw));
    let stream = connector.connect(tls.name.clone(), stream).await.map_err(ConnectError::Tls)?;
    Ok(Raw::Tls(Box::new(stream)))
}
