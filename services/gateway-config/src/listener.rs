//! Where a gateway listens, and with which certificates.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{HostPattern, Policy};

/// A port, or the part of it that belongs to some hosts. Several listeners may share a port, as in the Gateway API; the
/// one with the most specific host takes a request or a connection, and only its routes count.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// How it is called in metrics and logs; unique.
    pub name: String,

    /// The port, as clients know it: routes, redirects, metrics and logs speak of it.
    pub port: u16,

    /// The port of the socket, where it is another, as a pod may not have those below 1024 and a Service translates. All
    /// listeners of a port have the same. Left out: `port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_port: Option<u16>,

    /// What is spoken there. All listeners of a port speak the same, but for `HTTPS` and `TLS`, which may share one; `UDP`
    /// and the others never meet.
    pub protocol: ListenerProtocol,

    /// The host of requests, and in TLS the server name (RFC 6066 section 3): a name, or `*.` and a name for every name
    /// below it. Left out: any. `TCP` and `UDP` have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<HostPattern>,

    /// For `HTTPS` and `TLS`: how TLS is ended. A `TLS` listener without it lets TLS through as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,

    /// Whether connections begin with a header of the PROXY protocol (version 1 or 2), which only trusted proxies may
    /// send. All listeners of a port agree; `UDP` has none.
    #[serde(default, skip_serializing_if = "is_false")]
    pub proxy_protocol: bool,

    /// The names of its routes, and for `TLS`, `TCP` and `UDP` of its streams. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,

    /// What requests of all its routes need. Other protocols have none.
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
    pub policy: Policy,
}

/// What is spoken on a port.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// HTTP/1.1, and HTTP/2 for clients that start with it (RFC 9113 section 3.3).
    #[serde(rename = "HTTP")]
    Http,
    /// The same in TLS; the client chooses by ALPN.
    #[serde(rename = "HTTPS")]
    Https,
    /// Anything in TLS, which goes where its server name says.
    #[serde(rename = "TLS")]
    Tls,
    /// Bytes, both ways.
    #[serde(rename = "TCP")]
    Tcp,
    /// Datagrams, both ways.
    #[serde(rename = "UDP")]
    Udp,
}

impl ListenerProtocol {
    /// Whether requests are taken, by routes; otherwise connections or datagrams are, by streams.
    pub fn has_requests(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether clients speak TLS.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }
}

impl fmt::Display for ListenerProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

impl Listener {
    /// The port of its socket.
    pub fn socket_port(&self) -> u16 {
        self.target_port.unwrap_or(self.port)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// How TLS is ended.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerTls {
    /// Names of certificates. The first whose names fit the client's server name is shown, otherwise the first.
    pub certificates: Vec<String>,

    /// Whether clients need a certificate of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_validation: Option<ClientValidation>,
}

/// Which certificates of clients are good.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientValidation {
    /// Certificates of the authorities, in PEM.
    pub ca: String,

    /// What happens without a good one.
    #[serde(default)]
    pub mode: ClientValidationMode,
}

/// What happens to a client without a good certificate (GEP-91).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientValidationMode {
    /// It is refused.
    #[default]
    AllowValidOnly,
    /// It is let in.
    AllowInsecureFallback,
}

/// A certificate with its key. The key is never printed.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Certificate {
    /// The chain in PEM, the server's own certificate first.
    pub chain: String,

    /// The private key in PEM.
    pub key: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}
