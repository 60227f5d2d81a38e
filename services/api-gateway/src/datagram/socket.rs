//! A socket that says to which of our addresses a datagram came, and answers from that one: with several, a client knows
//! only the one that it has asked.

use std::{
    cell::RefCell,
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
};

use nix::{
    libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo},
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
        sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo},
    },
};
use tokio::{io::Interest, net::UdpSocket};

/// A socket of a port.
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    /// Room for what the system says beside a datagram.
    space: RefCell<Vec<u8>>,
}

/// One of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Local {
    V4(Ipv4Addr),
    /// With the number of its network, which counts where an address is of one network alone.
    V6(Ipv6Addr, u32),
}

impl Local {
    pub(super) fn address(self) -> IpAddr {
        match self {
            Self::V4(address) => address.into(),
            Self::V6(address, _) => address.into(),
        }
    }
}

impl Socket {
    /// From one that is bound.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        if socket.local_addr()?.is_ipv4() {
            setsockopt(&socket, Ipv4PacketInfo, &true)?;
        } else {
            setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
        }
        Ok(Self {
            socket: UdpSocket::from_std(socket)?,
            space: RefCell::new(nix::cmsg_space!(in_pktinfo, in6_pktinfo)),
        })
    }

    /// Waits until there may be a datagram.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Takes a datagram: its length, whose it is, and to which of our addresses it came.
    pub(super) fn try_receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr, Local)> {
        self.socket.try_io(Interest::READABLE, || {
            let mut space = self.space.borrow_mut();
            let mut parts = [IoSliceMut::new(buffer)];
            let received = recvmsg::<SockaddrStorage>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut space),
                MsgFlags::empty(),
            )?;
            let local = received.cmsgs()?.find_map(|message| match message {
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    Some(Local::V4(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes())))
                }
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    let is_of_one_network = address.is_unicast_link_local();
                    Some(Local::V6(address, if is_of_one_network { info.ipi6_ifindex } else { 0 }))
                }
                _ => None,
            });
            let from = received.address.as_ref().and_then(address);
            match (from, local) {
                (Some(from), Some(local)) => Ok((received.bytes, from, local)),
                _ => Err(io::Error::other("the system does not say from where to where a datagram goes")),
            }
        })
    }

    /// Sends a datagram from one of our addresses.
    pub(super) async fn send(&self, bytes: &[u8], to: SocketAddr, from: Local) -> io::Result<()> {
        loop {
            match self.try_send(bytes, to, from) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?,
                sent => return sent,
            }
        }
    }

    fn try_send(&self, bytes: &[u8], to: SocketAddr, from: Local) -> io::Result<()> {
        let parts = [IoSlice::new(bytes)];
        let to = SockaddrStorage::from(to);
        let send = |message| {
            self.socket.try_io(Interest::WRITABLE, || {
                Ok(sendmsg(self.socket.as_raw_fd(), &parts, &[message], MsgFlags::empty(), Some(&to))?)
            })
        };
        match from {
            Local::V4(address) => {
                let own = in_addr { s_addr: u32::from_ne_bytes(address.octets()) };
                let anything = in_addr { s_addr: 0 };
                let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: own, ipi_addr: anything };
                send(ControlMessage::Ipv4PacketInfo(&info))?
            }
            Local::V6(address, index) => {
                let info =
                    in6_pktinfo { ipi6_addr: in6_addr { s6_addr: address.octets() }, ipi6_ifindex: index };
                send(ControlMessage::Ipv6PacketInfo(&info))?
            }
        };
        Ok(())
    }
}

fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    v4.or_else(|| storage.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}
