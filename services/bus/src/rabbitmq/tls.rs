//! Connections with TLS. What lapin has of its own for that brings a store of keys with twenty crates, but it takes a reactor,
//! and whatever that connects to: here one whose connections have TLS when lapin gets them. The broker's certificate has to be
//! of an authority that the system knows (or that of `SSL_CERT_FILE`), and for the host of the address.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    sync::Arc,
    time::{Duration, Instant},
};

use async_rs::{Tokio, traits::Reactor};
use futures::{
    Stream,
    io::{AsyncRead, AsyncWrite},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{InvalidDnsNameError, ServerName},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// How long it may take until there is a connection. Whoever gave up before has left a thread of lapin in it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTls {
    #[error("a certificate cannot be for the host of the address")]
    Host(#[from] InvalidDnsNameError),
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// TLS with one host.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    host: ServerName<'static>,
}

impl Tls {
    /// TLS with a host, with the authorities that the system knows.
    pub(super) fn with(host: &str) -> Result<Self, NoTls> {
        let host = ServerName::try_from(host.to_owned())?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), host })
    }
}

/// Connects with TLS; all else is tokio's.
#[derive(Clone)]
pub(super) struct Securely {
    tokio: Tokio,
    tls: Tls,
}

impl std::fmt::Debug for Securely {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Securely").field("host", &self.tls.host).finish_non_exhaustive()
    }
}

impl Securely {
    /// On the runtime that this is called in.
    pub(super) fn new(tls: Tls) -> Self {
        Self { tokio: Tokio::current(), tls }
    }
}

impl Reactor for Securely {
    type TcpStream = Compat<TlsStream<TcpStream>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.tokio.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.tokio.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let (connected, Tls { connector, host }) = (self.tokio.tcp_connect_addr(address), self.tls.clone());
        async move {
            let secured = async { connector.connect(host, connected.await?.into_inner()).await };
            Ok(timeout(PATIENCE, secured).await??.compat())
        }
    }
}
