//! Where connections and datagrams go that are not looked into: what a `TLSRoute`, a `TCPRoute` and a `UDPRoute` say.

use serde::{Deserialize, Serialize};

use crate::{
    HostPattern,
    route::{is_one, one},
};

/// What is done with connections, or with datagrams.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stream {
    /// How it is called in metrics and logs, such as `shop/database`; unique among streams.
    pub name: String,

    /// The server names of connections in TLS, as a listener writes them. Left out: those of the listener. A stream that
    /// has some is for `TLS` listeners alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<HostPattern>,

    /// To whom they go. Without any, connections are closed and datagrams are lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<StreamBackend>,
}

/// A share of the connections, or of the clients that send datagrams.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamBackend {
    /// The name of the backend. Left out: there is none that may be used, and this share is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,

    /// Its part of the sum of all weights. Left out: 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
}
