//! What is kept of a connection, or of a client that sends datagrams, until it ends, and then counted and logged.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use flotilla_gateway_config::ListenerProtocol;
use serde::Serialize;

use super::{Client, Stream};
use crate::{
    access_log::{AccessLog, milliseconds},
    metrics::{StreamFailure, StreamMetrics},
    upstream::Endpoint,
};

/// A connection. It is counted and logged when it goes.
#[derive(Debug)]
pub struct Record {
    begun: Instant,
    client: Client,
    metrics: Arc<StreamMetrics>,
    /// Who was asked last, of which backend.
    asked: RefCell<Option<(Arc<str>, Arc<Endpoint>)>>,
    attempts: Cell<u32>,
    received: Cell<u64>,
    sent: Cell<u64>,
    /// What it ended with; one that goes before was cut off.
    end: Cell<Option<StreamFailure>>,
    log: Arc<AccessLog>,
}

impl Record {
    /// Begins with a client.
    pub fn new(stream: &Stream, client: Client, log: &Arc<AccessLog>) -> Self {
        stream.metrics.begun();
        Self {
            begun: Instant::now(),
            client,
            metrics: Arc::clone(&stream.metrics),
            asked: RefCell::default(),
            attempts: Cell::new(0),
            received: Cell::new(0),
            sent: Cell::new(0),
            end: Cell::new(Some(StreamFailure::CutOff)),
            log: Arc::clone(log),
        }
    }

    /// Whose it is.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// An endpoint is asked.
    pub(crate) fn asked(&self, backend: &Arc<str>, endpoint: &Arc<Endpoint>) {
        self.attempts.set(self.attempts.get() + 1);
        self.asked.replace(Some((Arc::clone(backend), Arc::clone(endpoint))));
    }

    /// Bytes of the client have gone to the endpoint.
    pub(crate) fn received(&self, bytes: usize) {
        self.received.set(self.received.get() + bytes as u64);
        self.metrics.received.inc_by(bytes as u64);
    }

    /// Bytes of the endpoint have gone to the client.
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent.set(self.sent.get() + bytes as u64);
        self.metrics.sent.inc_by(bytes as u64);
    }

    /// It has ended, or something has ended it.
    pub(crate) fn ended(&self, failure: Option<StreamFailure>) {
        self.end.set(failure);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let failure = self.end.get();
        self.metrics.ended(failure);
        if self.log.samples(failure.is_some_and(StreamFailure::is_loss)) {
            self.log.write(&StreamLine::new(self, failure));
        }
    }
}

/// A line of the access log.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct StreamLine<'a> {
    time: jiff::Timestamp,
    client: std::net::IpAddr,
    client_port: u16,
    protocol: &'static str,
    port: u16,
    listener: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<&'a str>,
    stream: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    attempts: u32,
    duration_ms: f64,
    bytes_received: u64,
    bytes_sent: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl<'a> StreamLine<'a> {
    fn new(record: &'a Record, failure: Option<StreamFailure>) -> Self {
        let client = &record.client;
        let asked = record.asked.borrow();
        let endpoint = |(_, endpoint): &(Arc<str>, Arc<Endpoint>)| {
            format!("{}:{}", endpoint.written.host, endpoint.written.port)
        };
        Self {
            time: jiff::Timestamp::now(),
            client: canonical(client.peer),
            client_port: client.peer.port(),
            protocol: match client.protocol {
                ListenerProtocol::Udp => "UDP",
                ListenerProtocol::Tcp => "TCP",
                _ => "TLS",
            },
            port: client.port,
            listener: &client.listener,
            server_name: client.server_name.as_deref(),
            stream: &record.metrics.name,
            backend: asked.as_ref().map(|(backend, _)| backend.to_string()),
            endpoint: asked.as_ref().map(endpoint),
            attempts: record.attempts.get(),
            duration_ms: milliseconds(record.begun.elapsed()),
            bytes_received: record.received.get(),
            bytes_sent: record.sent.get(),
            reason: failure.map(StreamFailure::as_str),
        }
    }
}

fn canonical(address: SocketAddr) -> std::net::IpAddr {
    address.ip().to_canonical()
}

#[cfg(test)]
mod tests {
    use flotilla_gateway_config::{self as config, Protocol};

    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_line_says_who_got_what_from_whom_and_how_it_ended() {
        let metrics = Arc::new(Metrics::default());
        let log = Arc::new(AccessLog::start(0.0, Arc::clone(&metrics)).unwrap());
        let written =
            config::Stream { name: "shop/db".to_owned(), hostnames: Vec::new(), backends: Vec::new() };
        let client = Client {
            protocol: ListenerProtocol::Tls,
            port: 443,
            listener: "db".into(),
            peer: "[::ffff:192.0.2.7]:51000".parse().unwrap(),
            destination: "10.0.0.1:443".parse().unwrap(),
            server_name: Some("a.db.test".to_owned()),
        };
        let record = Record::new(&Stream::new(&written, metrics.stream("shop/db")), client, &log);
        let address = config::Endpoint { host: "10.0.0.7".to_owned(), port: 5432 };
        let endpoint = Arc::new(Endpoint::new(address, Protocol::Http1, None));
        record.asked(&"database".into(), &endpoint);
        record.received(3);
        record.sent(5);
        record.sent(2);
        record.ended(Some(StreamFailure::Backend));
        let mut line = serde_json::to_value(StreamLine::new(&record, record.end.get())).unwrap();
        for field in ["time", "durationMs"] {
            assert!(!line.as_object_mut().unwrap().remove(field).unwrap().is_null());
        }
        assert_eq!(
            line,
            serde_json::json!({
                "client": "192.0.2.7", "clientPort": 51000, "protocol": "TLS", "port": 443, "listener": "db",
                "serverName": "a.db.test", "stream": "shop/db", "backend": "database",
                "endpoint": "10.0.0.7:5432", "attempts": 1, "bytesReceived": 3, "bytesSent": 7,
                "reason": "backend",
            })
        );
    }
}
