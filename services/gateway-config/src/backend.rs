//! To whom requests and streams go.

use serde::{Deserialize, Serialize};

use crate::{Affinity, HealthCheck, HostPattern, Limits};

/// Endpoints that all do the same.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// Where they are. Either this or `service`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,

    /// The Service whose `EndpointSlices` say where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRef>,

    /// What requests are spoken in. Left out: HTTP/1.1. Streams go as they come.
    #[serde(default, skip_serializing_if = "Protocol::is_default")]
    pub protocol: Protocol,

    /// With what they are called in TLS. Left out: without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,

    /// The version of the PROXY protocol that tells them, before a stream, who the client is. Left out: none. Requests
    /// share connections, so routes cannot use such a backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyVersion>,

    /// How they are asked whether they are well. Left out: only requests tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,

    /// How much they may have at a time. Left out: whatever comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,

    /// Which requests go to the same endpoint. Left out: each goes to the one of two with fewer requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// Milliseconds in which the share of an endpoint grows from a tenth to the whole, when it is new beside others or well
    /// again. Left out: it has the whole at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start_ms: Option<u64>,

    /// When fewer of a hundred endpoints than this are well, all are asked: then their failures say more about something
    /// else. Zero: one that is not well is never asked, and when none is, the answer is 503. Left out: 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic_percent: Option<u8>,
}

/// A version of the PROXY protocol.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}

/// An address.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// An IP address, or a name that is looked up.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A port of a Service.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The name of the port in its `EndpointSlices`, which have no numbers of a Service's ports. Left out: the port
    /// without a name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub port_name: String,
}

/// What is spoken to a backend.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "HTTP")]
    Http1,
    /// HTTP/2 from the first byte (RFC 9113 section 3.3), as gRPC needs it.
    #[serde(rename = "HTTP2")]
    Http2,
}

impl Protocol {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How backends are called in TLS (`BackendTLSPolicy`).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamTls {
    /// The server name. The backend's certificate must have it, unless `subjectAltNames` says what it must have.
    pub server_name: String,

    /// Names of which the backend's certificate must have at least one (GEP-1897); `serverName` is then only what it is
    /// asked for. Left out: `serverName`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<SubjectAltName>,

    /// Certificates of authorities in PEM. Left out: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,

    /// The name of the certificate that the gateway shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// A name in a certificate (RFC 5280 section 4.2.1.6).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum SubjectAltName {
    /// A DNS name: this one, or any below it. A pattern in the certificate, such as `*.example.com`, has the names of one
    /// label that it stands for (RFC 9525 section 6.3).
    Hostname(HostPattern),
    /// A URI such as `spiffe://example.com/orders`, the same byte for byte.
    Uri(String),
}
