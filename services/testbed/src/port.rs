//! Ports on loopback that nobody listens at, and that nobody is given until the server does that they are for.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{Error, machine};

/// Below those that Linux gives to connections and to whoever asks for any port (`net.ipv4.ip_local_port_range`): one of these
/// would be somebody else's in the moment between choosing it and listening at it.
const FIRST: u16 = 15_000;
const COUNT: u16 = 15_000;

/// How far apart two processes begin that started one after the other.
const APART: u32 = 64;

/// The address of a port at which nobody listens. No process is told the same one twice, until it has had 15,000.
///
/// # Errors
///
/// When there is no free one, or this machine has no loopback.
pub fn free() -> Result<SocketAddr, Error> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = process::id().wrapping_mul(APART);
    for _ in 0..COUNT {
        let next = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(next).unwrap_or_default();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address) {
            Ok(_) => return Ok(address),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(machine("cannot listen on loopback")(error)),
        }
    }
    Err(machine("no port on loopback is free")(io::ErrorKind::AddrInUse.into()))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    // One test, as one process has them one after the other.
    #[test]
    fn a_port_is_given_once_and_is_nobodys_and_none_that_the_kernel_gives() {
        let ports: Vec<u16> = (0..100).map(|_| free().unwrap().port()).collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let lowest: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        assert!(ports.iter().all(|port| *port < lowest), "{lowest}: {ports:?}");

        let held = TcpListener::bind(free().unwrap()).unwrap();
        let taken = held.local_addr().unwrap();
        assert!((0..COUNT).all(|_| free().unwrap() != taken));
    }
}
