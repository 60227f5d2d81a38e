//! TLS with a client. Which certificate it sees, and whether it needs one of its own, depends on the name it asks for.

use std::{io, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{LazyConfigAcceptor, rustls::server::Acceptor, server::TlsStream};

use super::preface::Spoken;
use crate::snapshot::PortTls;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("it took too long")]
    Slow,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no listener is for the server name {0:?}")]
    Name(Option<String>),
}

/// A connection in TLS.
pub(super) struct Accepted {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) listener: Arc<str>,
    pub(super) spoken: Spoken,
}

pub(super) async fn accept(tls: &PortTls, stream: TcpStream, patience: Duration) -> Result<Accepted, Error> {
    timeout(patience, handshake(tls, stream)).await.map_err(|_| Error::Slow)?
}

async fn handshake(tls: &PortTls, stream: TcpStream) -> Result<Accepted, Error> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = start.client_hello().server_name().map(str::to_ascii_lowercase);
    let Some((listener, config)) = tls.find(name.as_deref()) else {
        return Err(Error::Name(name));
    };
    let (listener, config) = (Arc::clone(listener), Arc::clone(config));
    let stream = start.into_stream(config).await?;
    let spoken = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Spoken::Http2,
        _ => Spoken::Http1,
    };
    Ok(Accepted { stream, listener, spoken })
}
