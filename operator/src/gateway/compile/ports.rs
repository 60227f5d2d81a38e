//! The ports of a gateway: those that clients know, and those of the sockets behind them.

use std::collections::{BTreeMap, BTreeSet};

use super::listener::Listener;
use flotilla_gateway_config::ListenerProtocol;

/// The port at which a gateway says how it is.
pub const ADMIN: u16 = 9901;

/// What is added to a port that a pod may not have.
const SHIFT: u16 = 10_000;

/// The lowest port that any process may have.
const LOWEST: u16 = 1024;

/// A port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Whether it takes datagrams.
    pub is_udp: bool,
    /// The port that clients know.
    pub number: u16,
    /// The port of the socket.
    pub target: u16,
}

/// The ports of listeners that can be had.
pub fn of<'l>(listeners: impl Iterator<Item = &'l Listener>) -> Vec<Port> {
    let wanted: BTreeSet<(bool, u16)> = listeners
        .filter(|listener| listener.is_usable())
        .map(|listener| (listener.protocol == Some(ListenerProtocol::Udp), listener.port))
        .collect();
    let is_free = |number: u16| number >= LOWEST && number != ADMIN;
    let mut taken: BTreeMap<(bool, u16), u16> =
        wanted.iter().filter(|(_, number)| is_free(*number)).map(|place| (*place, place.1)).collect();
    for (is_udp, number) in wanted.iter().filter(|(_, number)| !is_free(*number)) {
        let used: BTreeSet<u16> =
            taken.iter().filter(|((udp, _), _)| udp == is_udp).map(|(_, target)| *target).collect();
        let shifted = number.saturating_add(SHIFT);
        // There are fewer listeners than ports, so one is free.
        let target =
            (shifted..=u16::MAX).chain(LOWEST..shifted).find(|port| *port != ADMIN && !used.contains(port));
        taken.insert((*is_udp, *number), target.unwrap_or(shifted));
    }
    taken.into_iter().map(|((is_udp, number), target)| Port { is_udp, number, target }).collect()
}
