//! Sockets that take connections or datagrams. Each worker has one of its own for each port, and the kernel shares out
//! connections, and datagrams by their client (`SO_REUSEPORT`).

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be taken.
const BACKLOG: i32 = 4_096;

/// Bytes of datagrams that may wait: those of other clients come while one is served.
const RECEIVE_BUFFER: usize = 1024 * 1024;

/// A port cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address}: {source}")]
pub struct Error {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// What carries bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// A port of listeners, with that of its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// What comes there.
    pub transport: Transport,
    /// The port, as clients know it.
    pub port: u16,
    socket: u16,
}

/// A socket that takes connections, or datagrams.
#[derive(Debug)]
pub enum Listening {
    /// Connections.
    Tcp(TcpListener),
    /// Datagrams.
    Udp(UdpSocket),
}

impl Place {
    /// Of a port, with that of its socket.
    pub fn new(transport: Transport, port: u16, socket: u16) -> Self {
        Self { transport, port, socket }
    }

    /// Its sockets, one for each worker.
    pub fn bind(self, address: Option<IpAddr>, workers: usize) -> Result<Vec<Listening>, Error> {
        let all_of_both = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), self.socket);
        let address = match address {
            Some(address) => SocketAddr::new(address, self.socket),
            // A machine without IPv6 has no such sockets.
            None if Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP)).is_ok() => all_of_both,
            None => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.socket),
        };
        let sockets: io::Result<Vec<_>> = (0..workers).map(|_| open(self.transport, address)).collect();
        sockets.map_err(|source| Error { address, source })
    }
}

fn open(transport: Transport, address: SocketAddr) -> io::Result<Listening> {
    let (kind, protocol) = match transport {
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(match transport {
        Transport::Tcp => {
            // A restart must not wait for connections that linger from before.
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Listening::Tcp(socket.into())
        }
        Transport::Udp => {
            // As much of it as the system allows.
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
            socket.bind(&address.into())?;
            Listening::Udp(socket.into())
        }
    })
}
