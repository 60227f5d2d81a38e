//! Ports: what a service listens on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A port that the service listens on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Name of the port, as probes and routes use it: at most 15 lower-case letters, digits and single `-`.
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"))]
    pub name: String,

    /// Number of the port in the container.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,

    /// What is spoken on it. Left out: `TCP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,

    /// Number of the port on the Service. Left out: the same as `port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub service_port: Option<u16>,
}

impl Port {
    /// What is spoken on the port.
    pub fn protocol(&self) -> Protocol {
        self.protocol.unwrap_or_default()
    }

    /// The number that callers use.
    pub fn service_port(&self) -> u16 {
        self.service_port.unwrap_or(self.port)
    }
}

/// What is spoken on a port; gateways and meshes read it as the Service's `appProtocol`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[serde(rename = "HTTP")]
    Http,
    /// HTTP/2 without TLS.
    #[serde(rename = "HTTP2")]
    Http2,
    /// gRPC without TLS.
    #[serde(rename = "GRPC")]
    Grpc,
    /// TLS which the service itself ends.
    #[serde(rename = "TLS")]
    Tls,
    /// Any other stream.
    #[default]
    #[serde(rename = "TCP")]
    Tcp,
    /// Datagrams.
    #[serde(rename = "UDP")]
    Udp,
}

impl Protocol {
    /// The transport protocol, as Kubernetes names it.
    pub fn transport(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Http | Self::Http2 | Self::Grpc | Self::Tls | Self::Tcp => "TCP",
        }
    }

    /// The `appProtocol` of the Service port: an IANA service name or one of KEP-3726.
    pub fn app_protocol(self) -> Option<&'static str> {
        match self {
            Self::Http => Some("http"),
            // gRPC without TLS is HTTP/2 with prior knowledge, and h2c is the name that gateways agree on (GEP-1911).
            Self::Http2 | Self::Grpc => Some("kubernetes.io/h2c"),
            Self::Tls => Some("tls"),
            Self::Tcp | Self::Udp => None,
        }
    }
}
