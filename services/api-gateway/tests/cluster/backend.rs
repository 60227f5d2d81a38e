//! A backend at an address that an EndpointSlice may have.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

/// A backend that says its name, and ends as a good one does: it takes no more connections and finishes what runs.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
}

/// The address of this machine. The API server takes no endpoint at 127.0.0.1.
pub(crate) fn own_address() -> IpAddr {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: the kernel says from where it would be.
    socket.connect("198.51.100.1:9").expect("the machine has a default route");
    socket.local_addr().unwrap().ip()
}

/// The same in IPv6, when there is one.
pub(crate) fn own_address6() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect("[2001:db8::1]:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

impl Backend {
    pub(crate) async fn start(name: &str) -> Self {
        Self::at(own_address(), name).await
    }

    pub(crate) async fn at(address: IpAddr, name: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let backend = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
            stop: watch::Sender::new(false),
        };
        let (name, requests, connections) =
            (Arc::<str>::from(name), Arc::clone(&backend.requests), Arc::clone(&backend.connections));
        let stop = backend.stop.subscribe();
        tokio::spawn(async move {
            let mut stopped = stop.clone();
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    _gone = stopped.wait_for(|stop| *stop) => return,
                };
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, Arc::clone(&name), Arc::clone(&requests), stop.clone()));
            }
        });
        backend
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(
    stream: TcpStream,
    name: Arc<str>,
    requests: Arc<AtomicUsize>,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        requests.fetch_add(1, Ordering::Relaxed);
        let name = Arc::clone(&name);
        async move {
            if let Some(milliseconds) = request.uri().path().strip_prefix("/delay/") {
                sleep(Duration::from_millis(milliseconds.parse().unwrap())).await;
            }
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(name.to_string()))))
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let is_stopped = async {
        let _gone = stop.wait_for(|stop| *stop).await.is_err();
    };
    // A client that goes is no failure of the test.
    let _ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = is_stopped => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}
