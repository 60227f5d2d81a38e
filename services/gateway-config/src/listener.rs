//! Where a gateway listens, and with which certificates.

use serde::{Deserialize, Serialize};

use crate::HostPattern;

/// A port, or the part of it that belongs to some hosts. Several listeners may share a port, as in the Gateway API; the
/// one with the most specific host takes a request, and only its routes count.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// How it is called in metrics and logs; unique.
    pub name: String,

    /// The port.
    pub port: u16,

    /// What is spoken there. All listeners of a port speak the same.
    pub protocol: ListenerProtocol,

    /// The host of requests: a name, or `*.` and a name for every name below it. Left out: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<HostPattern>,

    /// For `HTTPS`: how TLS is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,

    /// The names of its routes. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<Vec<String>>,
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

impl std::fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Certificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}
