//! Sockets that take connections. Each worker has one of its own for each port, and the kernel shares out connections
//! (`SO_REUSEPORT`).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be taken.
const BACKLOG: i32 = 4_096;

/// A port cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}: {source}")]
pub struct Error {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Sockets for a port, one for each worker.
pub fn bind(address: Option<IpAddr>, port: u16, workers: usize) -> Result<Vec<TcpListener>, Error> {
    let all_of_both = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    let address = match address {
        Some(address) => SocketAddr::new(address, port),
        // A machine without IPv6 has no such sockets.
        None if Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).is_ok() => all_of_both,
        None => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
    };
    let sockets: io::Result<Vec<_>> = (0..workers).map(|_| open(address)).collect();
    sockets.map_err(|source| Error { address, source })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections that linger from before.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
