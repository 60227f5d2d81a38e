//! What is measured: one scenario a row.

/// What clients do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// HTTP/1.1 on connections that stay.
    Http1,
    /// The same in TLS.
    Https,
    /// HTTP/2 without TLS, with so many requests at a time on each connection; the backend speaks HTTP/1.1.
    Http2(u32),
    /// Unary calls of gRPC, the same way; the backend speaks gRPC.
    Grpc(u32),
    /// A connection in TLS for each request.
    Handshakes,
}

/// A row.
pub(super) struct Scenario {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// Its name in the document.
    pub(super) title: &'static str,
    pub(super) client: Client,
    pub(super) connections: u32,
    /// Bytes of each answer's body.
    pub(super) body: usize,
    /// Each takes as many requests as the others.
    pub(super) routes: u32,
}

const KIB: usize = 1024;

const fn http1(name: &'static str, title: &'static str) -> Scenario {
    Scenario { name, title, client: Client::Http1, connections: 64, body: KIB, routes: 1 }
}

/// All rows.
pub(super) const ALL: [Scenario; 10] = [
    http1("http1-64", "HTTP/1.1, 64 connections"),
    Scenario { connections: 256, ..http1("http1-256", "HTTP/1.1, 256 connections") },
    Scenario { body: 64 * KIB, ..http1("http1-large", "HTTP/1.1, 64 KiB, 64 connections") },
    Scenario {
        client: Client::Http2(8),
        connections: 8,
        ..http1("http2", "HTTP/2 to HTTP/1.1, 8 connections of 8 streams")
    },
    Scenario {
        client: Client::Grpc(8),
        connections: 8,
        ..http1("grpc", "gRPC unary, 8 connections of 8 streams")
    },
    Scenario { client: Client::Https, ..http1("tls", "HTTP/1.1 in TLS, 64 connections") },
    Scenario {
        client: Client::Handshakes,
        connections: 32,
        ..http1("handshakes", "a handshake of TLS for each request, 32 clients")
    },
    http1("routes-1", "1 route, HTTP/1.1, 64 connections"),
    Scenario { routes: 1_000, ..http1("routes-1000", "1,000 routes") },
    Scenario { routes: 10_000, ..http1("routes-10000", "10,000 routes") },
];

impl Scenario {
    /// Whether the gateway ends TLS.
    pub(super) fn is_secure(&self) -> bool {
        matches!(self.client, Client::Https | Client::Handshakes)
    }

    /// Whether the backend is called with gRPC.
    pub(super) fn is_grpc(&self) -> bool {
        matches!(self.client, Client::Grpc(_))
    }

    /// Whether clients begin with HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.client, Client::Http2(_) | Client::Grpc(_))
    }

    /// Whether the load can go to the backend without a gateway, to see what the rest of the set-up could bear.
    pub(super) fn can_go_direct(&self) -> bool {
        self.routes == 1 && matches!(self.client, Client::Http1 | Client::Grpc(_))
    }

    /// The prefix of a route's paths.
    pub(super) fn prefix(route: u32) -> String {
        format!("/r{route}/")
    }
}
