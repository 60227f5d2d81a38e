//! TLS with a client. Whether it is ended here, and which certificate the client sees, depends on the name it asks for.

use std::{io, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    NO_STREAM,
    preface::Spoken,
    prefixed::{self, Prefixed},
};
use crate::{
    snapshot::{PortTls, TakesSecure},
    stream::Stream,
};

/// What a client is told for whose server name there is no listener where there are some for requests: the alert
/// `unrecognized_name` (RFC 6066 section 3), in a record of its own. Where there are only streams it would not be ours to
/// speak TLS, and the connection is closed.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("it took too long")]
    Slow,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Hello(#[from] prefixed::Error),
    #[error("no listener is for the server name {0:?}")]
    Name(Option<String>),
    #[error("no stream is for the server name {0:?}")]
    NoStream(Option<String>),
}

impl Error {
    /// The word for it in metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoStream(_) => NO_STREAM,
            _ => "tls",
        }
    }
}

/// A connection in TLS.
pub(super) enum Accepted {
    /// For requests.
    Requests { stream: TlsStream<Prefixed>, listener: Arc<str>, spoken: Spoken },
    /// For a stream that gets what is in it.
    Ended { io: TlsStream<Prefixed>, listener: Arc<str>, name: Option<String>, stream: Arc<Stream> },
    /// For a stream that gets it as it is.
    Passed { io: Prefixed, listener: Arc<str>, name: Option<String>, stream: Arc<Stream> },
}

pub(super) async fn accept(tls: &PortTls, stream: TcpStream, patience: Duration) -> Result<Accepted, Error> {
    timeout(patience, handshake(tls, stream)).await.map_err(|_| Error::Slow)?
}

async fn handshake(tls: &PortTls, stream: TcpStream) -> Result<Accepted, Error> {
    let (io, hello) = Prefixed::hello(stream).await?;
    let name = hello.server_name;
    let Some(secure) = tls.find(name.as_deref()) else {
        let error = Error::Name(name);
        return Err(if tls.has_requests() { unrecognized(io, error).await } else { error });
    };
    let listener = Arc::clone(&secure.listener);
    match &secure.takes {
        TakesSecure::Requests(config) => {
            let stream = end(io, config).await?;
            let spoken = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Spoken::Http2,
                _ => Spoken::Http1,
            };
            Ok(Accepted::Requests { stream, listener, spoken })
        }
        TakesSecure::Streams { ended, streams } => {
            let Some(stream) = streams.find(name.as_deref()).map(Arc::clone) else {
                return Err(Error::NoStream(name));
            };
            Ok(match ended {
                None => Accepted::Passed { io, listener, name, stream },
                Some(config) => Accepted::Ended { io: end(io, config).await?, listener, name, stream },
            })
        }
    }
}

async fn end(io: Prefixed, config: &Arc<ServerConfig>) -> io::Result<TlsStream<Prefixed>> {
    TlsAcceptor::from(Arc::clone(config)).accept(io).await
}

async fn unrecognized(mut io: Prefixed, error: Error) -> Error {
    match io.write_all(&UNRECOGNIZED_NAME).await {
        Ok(()) => error,
        Err(gone) => gone.into(),
    }
}
