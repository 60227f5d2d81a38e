//! A connection to an endpoint, with TLS when it wants that.

use std::{io, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::spawn_local,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::Endpoint;

/// How long a connection may take, TLS included.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers in time.
    #[error("no connection within {} s", CONNECT.as_secs())]
    Slow,
    /// Nobody is there.
    #[error("no connection: {0}")]
    Tcp(#[source] io::Error),
    /// TLS failed, such as for a certificate that is not trusted.
    #[error("no TLS: {0}")]
    Tls(#[source] io::Error),
}

/// What hyper reads and writes.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Runs a connection to its end, beside the requests on it.
pub(super) fn keep(connection: impl Future<Output = Result<(), hyper::Error>> + 'static) {
    spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a backend ended");
        }
    });
}

/// A connection of either kind. Those without TLS, the most, are not boxed.
pub(super) enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(TokioIo<Box<dyn Io>>),
}

pub(super) async fn connect(endpoint: &Endpoint) -> Result<Stream, Error> {
    connect_at(endpoint, endpoint.written.port).await
}

/// Connects to another port of the same address.
pub(super) async fn connect_at(endpoint: &Endpoint, port: u16) -> Result<Stream, Error> {
    timeout(CONNECT, open(endpoint, port)).await.map_err(|_| Error::Slow)?
}

async fn open(endpoint: &Endpoint, port: u16) -> Result<Stream, Error> {
    let stream = tcp(endpoint, port).await?;
    let Some(tls) = &endpoint.tls else {
        return Ok(Stream::Plain(TokioIo::new(stream)));
    };
    let name: ServerName<'static> = tls.name.clone();
    let stream =
        TlsConnector::from(Arc::clone(&tls.config)).connect(name, stream).await.map_err(Error::Tls)?;
    Ok(Stream::Tls(TokioIo::new(Box::new(stream))))
}

pub(super) async fn tcp(endpoint: &Endpoint, port: u16) -> Result<TcpStream, Error> {
    let stream = match endpoint.address {
        Some(address) => TcpStream::connect((address.ip(), port)).await,
        None => TcpStream::connect((endpoint.written.host.as_str(), port)).await,
    }
    .map_err(Error::Tcp)?;
    stream.set_nodelay(true).map_err(Error::Tcp)?;
    Ok(stream)
}
