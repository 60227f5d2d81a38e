//! How endpoints are asked whether they are well.

use serde::{Deserialize, Serialize};

use crate::{Hostname, Path, Protocol};

/// When endpoints are asked, and what of. Each gateway asks each endpoint, on a connection of its own each time. An endpoint
/// counts as well until it has failed often enough.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// What is asked.
    pub probe: Probe,

    /// Milliseconds from one question to the next. Left out: 10,000.
    #[serde(default = "HealthCheck::interval")]
    pub interval_ms: u64,

    /// How much of the interval chance takes off or adds, in hundredths, so that not all gateways ask at once. Left out: 10.
    #[serde(default = "HealthCheck::jitter")]
    pub jitter_percent: u8,

    /// Milliseconds for the answer, connection included. Left out: 1,000.
    #[serde(default = "HealthCheck::timeout")]
    pub timeout_ms: u64,

    /// Good answers in a row after which an endpoint is well again. Left out: 2.
    #[serde(default = "HealthCheck::healthy")]
    pub healthy_threshold: u32,

    /// Failures in a row after which it is not. Left out: 3.
    #[serde(default = "HealthCheck::unhealthy")]
    pub unhealthy_threshold: u32,

    /// The port that is asked. Left out: that of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// What an endpoint is asked.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// For a page, by GET.
    Http(HttpProbe),
    /// By the health checking protocol of gRPC (`grpc.health.v1`). The backend's protocol is HTTP2.
    Grpc(GrpcProbe),
    /// Whether it takes a connection, with TLS when requests have it.
    Tcp,
}

/// For which page.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpProbe {
    /// Its path.
    pub path: Path,

    /// The host. Left out: the endpoint's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Hostname>,

    /// Which statuses are good. Left out: 200 to 399, as the kubelet has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
}

/// For which service.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrpcProbe {
    /// Its name. Left out: the server as a whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service: String,
}

impl HealthCheck {
    const fn interval() -> u64 {
        10_000
    }

    const fn jitter() -> u8 {
        10
    }

    const fn timeout() -> u64 {
        1_000
    }

    const fn healthy() -> u32 {
        2
    }

    const fn unhealthy() -> u32 {
        3
    }

    /// What cannot be done, with the field.
    pub(crate) fn check(&self, protocol: Protocol, say: &mut impl FnMut(&str, String)) {
        if self.interval_ms < 100 {
            say(".healthCheck.intervalMs", "it is at least 100".to_owned());
        }
        if self.timeout_ms == 0 || self.timeout_ms > self.interval_ms {
            say(".healthCheck.timeoutMs", "it is at least 1, and at most intervalMs".to_owned());
        }
        if self.jitter_percent > 100 {
            say(".healthCheck.jitterPercent", "it is at most 100".to_owned());
        }
        for (field, threshold) in
            [("healthyThreshold", self.healthy_threshold), ("unhealthyThreshold", self.unhealthy_threshold)]
        {
            if threshold == 0 {
                say(&format!(".healthCheck.{field}"), "it is at least 1".to_owned());
            }
        }
        match &self.probe {
            Probe::Grpc(_) if protocol != Protocol::Http2 => {
                say(".healthCheck.probe.grpc", "gRPC needs HTTP/2: write protocol: HTTP2".to_owned());
            }
            Probe::Http(probe) => {
                for (index, status) in probe.statuses.iter().enumerate() {
                    if !(100..600).contains(status) {
                        let field = format!(".healthCheck.probe.http.statuses[{index}]");
                        say(&field, format!("{status} is no status: write one from 100 to 599"));
                    }
                }
            }
            _ => {}
        }
    }
}
