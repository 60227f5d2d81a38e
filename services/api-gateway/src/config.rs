//! The configuration of the program itself: flags, each with an environment variable. It is read once, at start; what the
//! gateway does with requests is in its file.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use clap::{ArgAction, Parser, ValueEnum};
use flotilla_gateway_config::share;
use http::Uri;
use ipnet::IpNet;

use crate::{connection::Patience, edge::Limits, source::secret::SecretName, stream, worker::Settings};

/// Routes HTTP requests as one file or Secret says, and takes changes of it while it runs.
#[derive(Parser, Clone, Debug)]
#[command(name = "api-gateway", version)]
pub struct Config {
    /// The file with listeners, routes and backends
    #[arg(long, env = "GATEWAY_CONFIG", default_value = "gateway.yaml")]
    pub config: PathBuf,

    /// In place of the file: the Secret that the operator writes it to, as NAMESPACE/NAME
    #[arg(long, env = "GATEWAY_CONFIG_SECRET", value_name = "NAMESPACE/NAME", conflicts_with = "config")]
    pub config_secret: Option<SecretName>,

    /// Say what is wrong with the file, and end
    #[arg(long, conflicts_with = "config_secret")]
    pub check: bool,

    /// The address that listeners are at. Left out: all of this machine
    #[arg(long, env = "GATEWAY_BIND")]
    pub bind: Option<IpAddr>,

    /// Address of /livez, /readyz, /status, /metrics, /config and /explain
    #[arg(long, env = "GATEWAY_ADMIN", default_value = "0.0.0.0:9901")]
    pub admin: SocketAddr,

    /// The zone of this gateway, as the label topology.kubernetes.io/zone of its node has it: endpoints that are meant for
    /// it are preferred
    #[arg(long, env = "GATEWAY_ZONE", default_value = "")]
    pub zone: String,

    /// Threads that serve connections. 0: one for each processor
    #[arg(long, env = "GATEWAY_WORKERS", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024))]
    pub workers: u16,

    /// Connections of clients that one worker has at most
    #[arg(long, env = "GATEWAY_CONNECTIONS", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,

    /// Proxies in front whose X-Forwarded-* and PROXY headers are believed: networks such as 10.0.0.0/8, separated by commas
    #[arg(long, env = "GATEWAY_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,

    /// Lines of headers that a request may have
    #[arg(long, env = "GATEWAY_MAX_HEADERS", default_value_t = 100)]
    pub max_headers: u16,

    /// Bytes of headers that a request may have
    #[arg(long, env = "GATEWAY_MAX_HEADER_BYTES", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(8_192..))]
    pub max_header_bytes: u32,

    /// Bytes of path and query that a request may have
    #[arg(long, env = "GATEWAY_MAX_URI_BYTES", default_value_t = 8_192)]
    pub max_uri_bytes: u16,

    /// Bytes that the body of a request may have
    #[arg(long, env = "GATEWAY_MAX_BODY_BYTES", default_value_t = 1_073_741_824)]
    pub max_body_bytes: u64,

    /// Seconds for the head of a request, from its first byte, for TLS, and for a PROXY header
    #[arg(long, env = "GATEWAY_HEAD_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub head_seconds: u32,

    /// Seconds for the next piece of a body, in either direction
    #[arg(long, env = "GATEWAY_BODY_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub body_seconds: u32,

    /// Seconds for the next request on a connection
    #[arg(long, env = "GATEWAY_IDLE_SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u32).range(1..))]
    pub idle_seconds: u32,

    /// Seconds for the next byte of a connection that is a stream, in either direction
    #[arg(long, env = "GATEWAY_STREAM_IDLE_SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(1..))]
    pub stream_idle_seconds: u32,

    /// Seconds for the next datagram between a client and its backend
    #[arg(long, env = "GATEWAY_DATAGRAM_IDLE_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub datagram_idle_seconds: u32,

    /// Clients of datagrams that one worker knows at most; each has a socket. With more, the one that was silent for longest goes
    #[arg(long, env = "GATEWAY_DATAGRAM_CLIENTS", default_value_t = 4_096, value_parser = clap::value_parser!(u32).range(1..))]
    pub datagram_clients: u32,

    /// Seconds after SIGTERM in which connections are still taken, while others learn that this gateway leaves
    #[arg(long, env = "GATEWAY_LEAVING_SECONDS", default_value_t = 5)]
    pub leaving_seconds: u32,

    /// Seconds after that in which requests that run may end
    #[arg(long, env = "GATEWAY_ENDING_SECONDS", default_value_t = 25)]
    pub ending_seconds: u32,

    /// The share of requests that the access log has, from 0 to 1. Those that fail are all in it
    #[arg(long, env = "GATEWAY_ACCESS_LOG", default_value_t = 0.01, value_parser = share)]
    pub access_log: f64,

    /// Where traces are sent, by OTLP in HTTP with protobuf: the URL of a collector, with its path, which mostly is /v1/traces.
    /// Left out: nowhere
    #[arg(long, env = "GATEWAY_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<Uri>,

    /// The name of this gateway in traces
    #[arg(long, env = "GATEWAY_OTLP_SERVICE", default_value = "api-gateway")]
    pub otlp_service: String,

    /// The share of requests that begin a trace, from 0 to 1. Those in a trace that others record are all recorded
    #[arg(long, env = "GATEWAY_TRACES", default_value_t = 0.01, value_parser = share)]
    pub traces: f64,

    /// Whether routes may be asked for at /explain and /config
    #[arg(long, env = "GATEWAY_EXPLAIN", default_value_t = true, action = ArgAction::Set)]
    pub explain: bool,

    /// What is logged: a level, or a filter such as info,hyper=debug
    #[arg(long, env = "GATEWAY_LOG", default_value = "info")]
    pub log: String,

    /// How it is logged
    #[arg(long, env = "GATEWAY_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
}

/// How the log is written.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Config {
    /// How many workers there are.
    pub fn workers(&self) -> usize {
        match self.workers {
            0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            workers => workers.into(),
        }
    }

    /// The zone, when there is one. A node without the label has an empty one.
    pub fn zone(&self) -> Option<Arc<str>> {
        (!self.zone.is_empty()).then(|| self.zone.as_str().into())
    }

    /// What holds for every request.
    pub fn settings(&self) -> Settings {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        Settings {
            limits: Limits {
                uri: self.max_uri_bytes.into(),
                headers: self.max_headers.into(),
                header_bytes: usize::try_from(self.max_header_bytes).unwrap_or(usize::MAX),
            },
            body_bytes: self.max_body_bytes,
            patience: Patience {
                head: seconds(self.head_seconds),
                body: seconds(self.body_seconds),
                idle: seconds(self.idle_seconds),
            },
            connections: usize::try_from(self.connections).unwrap_or(usize::MAX),
            trusted: self.trusted_proxies.as_slice().into(),
            ending: seconds(self.ending_seconds),
            streams: stream::Limits {
                idle: seconds(self.stream_idle_seconds),
                datagram_idle: seconds(self.datagram_idle_seconds),
                sessions: usize::try_from(self.datagram_clients).unwrap_or(usize::MAX),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::Config;

    #[test]
    fn a_share_is_from_0_to_1() {
        for wrong in ["--access-log=1.5", "--access-log=NaN", "--traces=-1", "--traces=all"] {
            let error = Config::try_parse_from(["api-gateway", wrong]).unwrap_err().to_string();
            assert!(error.contains("a number from 0 to 1"), "{error}");
        }
    }
}
