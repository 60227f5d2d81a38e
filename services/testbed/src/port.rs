//! Ports on loopback that nobody listens at.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::{Error, machine};

/// The address of a free port. Somebody may still take it before the server does: then it fails to start.
pub(crate) fn free() -> Result<SocketAddr, Error> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(machine("cannot listen on loopback"))?;
    listener.local_addr().map_err(machine("cannot tell a port"))
}
