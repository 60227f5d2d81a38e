//! What is measured of one stream. Looked up once, when the configuration is read, never for a byte.

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// What ends a stream before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFailure {
    /// It has no backend that may be used.
    NoBackend,
    /// Its backend has no endpoints.
    NoEndpoint,
    /// No endpoint takes it.
    Unreachable,
    /// This machine has no more sockets.
    NoSocket,
    /// The client broke off.
    Client,
    /// The endpoint broke off.
    Backend,
    /// Nothing was said on a connection for too long.
    Idle,
    /// The gateway ended.
    CutOff,
    /// There were too many clients of datagrams, and this was the one that had said nothing for longest.
    Evicted,
}

impl StreamFailure {
    const ALL: [Self; 9] = [
        Self::NoBackend,
        Self::NoEndpoint,
        Self::Unreachable,
        Self::NoSocket,
        Self::Client,
        Self::Backend,
        Self::Idle,
        Self::CutOff,
        Self::Evicted,
    ];

    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoBackend => "no-backend",
            Self::NoEndpoint => "no-endpoint",
            Self::Unreachable => "unreachable",
            Self::NoSocket => "no-socket",
            Self::Client => "client",
            Self::Backend => "backend",
            Self::Idle => "idle",
            Self::CutOff => "cut-off",
            Self::Evicted => "evicted",
        }
    }

    /// Whether somebody has lost something. When clients are made up by the thousand, that is no news of the one that had
    /// to go.
    pub fn is_loss(self) -> bool {
        self != Self::Evicted
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StreamLabel {
    stream: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DirectionLabels {
    stream: String,
    direction: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FailureLabels {
    stream: String,
    reason: &'static str,
}

/// The series of all streams.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamFamilies {
    begun: Family<StreamLabel, Counter>,
    open: Family<StreamLabel, Gauge>,
    bytes: Family<DirectionLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
}

const RECEIVED: &str = "received";
const SENT: &str = "sent";

/// What is measured of one stream.
#[derive(Debug)]
pub struct StreamMetrics {
    /// The name of the stream.
    pub name: Arc<str>,
    /// Bytes of clients that have gone to endpoints.
    pub received: Counter,
    /// Bytes of endpoints that have gone to clients.
    pub sent: Counter,
    begun: Counter,
    open: Gauge,
    failures: Family<FailureLabels, Counter>,
}

impl StreamFamilies {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "stream_connections",
            "Connections, and clients of datagrams, that streams took",
            self.begun.clone(),
        );
        registry.register(
            "stream_open_connections",
            "Connections, and clients of datagrams, that streams have now",
            self.open.clone(),
        );
        registry.register(
            "stream_bytes",
            "Bytes received from clients and sent to them, by stream",
            self.bytes.clone(),
        );
        registry.register(
            "stream_failures",
            "Streams that ended before their time, and datagrams that began none, by reason",
            self.failures.clone(),
        );
    }

    pub(super) fn of(&self, name: &str) -> StreamMetrics {
        let label = StreamLabel { stream: name.to_owned() };
        let bytes = |direction| {
            self.bytes.get_or_create_owned(&DirectionLabels { stream: name.to_owned(), direction })
        };
        StreamMetrics {
            name: name.into(),
            received: bytes(RECEIVED),
            sent: bytes(SENT),
            begun: self.begun.get_or_create_owned(&label),
            open: self.open.get_or_create_owned(&label),
            failures: self.failures.clone(),
        }
    }

    pub(super) fn forget(&self, name: &str) {
        let label = StreamLabel { stream: name.to_owned() };
        self.begun.remove(&label);
        self.open.remove(&label);
        for direction in [RECEIVED, SENT] {
            self.bytes.remove(&DirectionLabels { stream: name.to_owned(), direction });
        }
        for reason in StreamFailure::ALL {
            self.failures.remove(&FailureLabels { stream: name.to_owned(), reason: reason.as_str() });
        }
    }
}

impl StreamMetrics {
    pub(crate) fn begun(&self) {
        self.begun.inc();
        self.open.inc();
    }

    pub(crate) fn ended(&self, failure: Option<StreamFailure>) {
        self.open.dec();
        if let Some(failure) = failure {
            self.failed(failure);
        }
    }

    pub(crate) fn failed(&self, failure: StreamFailure) {
        let labels = FailureLabels { stream: self.name.to_string(), reason: failure.as_str() };
        self.failures.get_or_create(&labels).inc();
    }
}
