//! Backends that are not of HTTP: they greet, say back what they hear, and say when the client has ended.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::gateway::PATIENCE;

/// Says that it ends with a reset when it hears this.
pub(crate) const RESET: &[u8] = b"!reset";

/// A backend, which ends with the test.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    /// How connections ended: with an end of the client, or with an error.
    pub(crate) ends: Arc<Mutex<Vec<String>>>,
    /// The ALPN of the last connection in TLS.
    pub(crate) alpn: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Peer {
    /// One that greets with `name` and a line's end.
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::with(name, None).await
    }

    pub(crate) async fn with(name: &'static str, tls: Option<ServerConfig>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = Self { address, connections: Arc::default(), ends: Arc::default(), alpn: Arc::default() };
        let (connections, ends, alpn) =
            (Arc::clone(&peer.connections), Arc::clone(&peer.ends), Arc::clone(&peer.alpn));
        let tls = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                connections.fetch_add(1, Ordering::Relaxed);
                let (tls, ends, alpn) = (tls.clone(), Arc::clone(&ends), Arc::clone(&alpn));
                tokio::spawn(async move {
                    let end = match tls {
                        None => talk(stream, name, |stream| stream.set_zero_linger().unwrap()).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => {
                                *alpn.lock().unwrap() =
                                    stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                                talk(stream, name, |stream| stream.get_ref().0.set_zero_linger().unwrap())
                                    .await
                            }
                            Err(error) => format!("no TLS: {error}"),
                        },
                    };
                    ends.lock().unwrap().push(end);
                });
            }
        });
        peer
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// As an endpoint in a configuration.
    pub(crate) fn endpoint(&self) -> String {
        format!("{{host: 127.0.0.1, port: {}}}", self.address.port())
    }

    /// Waits until so many connections have ended, and says how.
    pub(crate) async fn ended(&self, count: usize) -> Vec<String> {
        let all = async {
            while self.ends.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, all).await.unwrap();
        self.ends.lock().unwrap().clone()
    }
}

async fn talk<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T, name: &str, reset: impl Fn(&T)) -> String {
    let mut buffer = vec![0; 64 * 1024];
    let talked: std::io::Result<()> = async {
        stream.write_all(format!("{name}\n").as_bytes()).await?;
        stream.flush().await?;
        loop {
            let length = stream.read(&mut buffer).await?;
            if length == 0 {
                stream.write_all(b"end\n").await?;
                return stream.shutdown().await;
            }
            if &buffer[..length] == RESET {
                reset(&stream);
                return Err(std::io::Error::other("reset as told"));
            }
            stream.write_all(&buffer[..length]).await?;
            stream.flush().await?;
        }
    }
    .await;
    talked.map_or_else(|error| error.kind().to_string(), |()| "end".to_owned())
}

/// Reads a line, with its end.
pub(crate) async fn line<T: AsyncRead + Unpin>(stream: &mut T) -> std::io::Result<String> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(timeout(PATIENCE, stream.read_u8()).await.expect("a line comes")?);
    }
    Ok(String::from_utf8(line).unwrap())
}

/// Reads what comes until the end.
pub(crate) async fn rest<T: AsyncRead + Unpin>(stream: &mut T) -> std::io::Result<String> {
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("it ends")?;
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// Connects, and returns the greeting; an error when it is closed before.
pub(crate) async fn greeted(address: SocketAddr) -> std::io::Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let greeting = line(&mut stream).await?;
    Ok((stream, greeting.trim_end().to_owned()))
}

/// A backend that answers this so many times, once in 900 milliseconds.
pub(crate) const AGAIN: (&[u8], u32) = (b"again", 5);

/// A backend that answers each datagram with its name, the sender's port, and what it has got.
pub(crate) struct Answering {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Answering {
    pub(crate) async fn start(name: &'static str) -> Self {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let head = format!("{name} {} ", from.port());
                let answer = [head.as_bytes(), &buffer[..length]].concat();
                let more = if &buffer[..length] == AGAIN.0 { AGAIN.1 } else { 0 };
                let _sent = socket.send_to(&answer, from).await;
                let socket = Arc::clone(&socket);
                tokio::spawn(async move {
                    for _ in 0..more {
                        tokio::time::sleep(Duration::from_millis(900)).await;
                        let _sent = socket.send_to(&answer, from).await;
                    }
                });
            }
        });
        Self { address, task }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{{host: 127.0.0.1, port: {}}}", self.address.port())
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.task.abort();
    }
}
