//! Which of several listeners has a port or a host: the first, in the order of precedence (GEP-1713).

use std::collections::{BTreeMap, BTreeSet};

use flotilla_gateway_config::ListenerProtocol;

use super::{Fault, Listener};

/// Ports that one gateway can have: as many as a `Microservice`.
const MOST_PORTS: usize = 16;

/// Protocols that may share a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Http,
    /// The server name tells HTTPS from TLS, and what is ended here from what is let through.
    Tls,
    Tcp,
    Udp,
}

impl Group {
    fn of(protocol: ListenerProtocol) -> Self {
        match protocol {
            ListenerProtocol::Http => Self::Http,
            ListenerProtocol::Https | ListenerProtocol::Tls => Self::Tls,
            ListenerProtocol::Tcp => Self::Tcp,
            ListenerProtocol::Udp => Self::Udp,
        }
    }
}

struct Port {
    group: Group,
    /// Who has it first.
    first: String,
    hosts: BTreeSet<Option<String>>,
}

/// Marks those that give way.
pub(super) fn settle(listeners: &mut [Listener]) {
    let mut ports: BTreeMap<(bool, u16), Port> = BTreeMap::new();
    for listener in listeners.iter_mut() {
        let (Some(protocol), None) = (listener.protocol, &listener.rejected) else { continue };
        let group = Group::of(protocol);
        let count = ports.len();
        let place = (group == Group::Udp, listener.port);
        // Clients of streams do not say which host they mean.
        let host = match group {
            Group::Http | Group::Tls => listener.hostname.as_ref().map(ToString::to_string),
            Group::Tcp | Group::Udp => None,
        };
        match ports.get_mut(&place) {
            None if count == MOST_PORTS => {
                let message =
                    format!("a gateway listens at {MOST_PORTS} ports at most: make another Gateway");
                listener.rejected = Some(Fault::new("PortUnavailable", message));
            }
            None => {
                let port = Port { group, first: listener.id.clone(), hosts: BTreeSet::from([host]) };
                ports.insert(place, port);
            }
            Some(port) if port.group != group => {
                let message = format!(
                    "listener {:?} has port {} already, and speaks another protocol there",
                    port.first, listener.port
                );
                listener.conflict = Some(Fault::new("ProtocolConflict", message));
            }
            Some(port) => {
                if !port.hosts.insert(host) {
                    let message = format!("another listener has the same host at port {}", listener.port);
                    listener.conflict = Some(Fault::new("HostnameConflict", message));
                }
            }
        }
    }
}
