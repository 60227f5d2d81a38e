//! The PROXY protocol, versions 1 and 2: a header before the first byte of a connection, in which a proxy says whose
//! connection it forwards (`proxy-protocol.txt` of `HAProxy`, 2020-03-05). Reading and writing it is pure.

mod accept;
mod v1;
mod v2;

use std::net::SocketAddr;

use flotilla_gateway_config::ProxyVersion;

pub use self::accept::{Error as AcceptError, accept};

/// The two ends of a connection, as the first proxy saw them. Both are of one family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
}

/// A header that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How many bytes it has.
    pub length: usize,
    /// The ends of the connection; `None` when the proxy speaks for itself (`LOCAL`, as for its health checks), or cannot
    /// tell (`UNKNOWN`): then those of its own connection count.
    pub addresses: Option<Addresses>,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They begin with something else.
    #[error("no PROXY header")]
    Absent,
    /// They begin as one of version 1, and do not go on so.
    #[error("a PROXY header of version 1 that is none: {0}")]
    Text(&'static str),
    /// They begin as one of version 2, and do not go on so.
    #[error("a PROXY header of version 2 that is none: {0}")]
    Binary(&'static str),
}

/// How many bytes are enough to read the header that they begin with, however long it is.
pub const ENOUGH: usize = 128;

impl Addresses {
    /// Of a connection. Addresses of IPv4 that came by a socket of IPv6 are what they are, and when only one end is such,
    /// both are of IPv6.
    pub fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let (plain_source, plain_destination) = (canonical(source), canonical(destination));
        if plain_source.is_ipv4() == plain_destination.is_ipv4() {
            return Self { source: plain_source, destination: plain_destination };
        }
        let mapped = |address: SocketAddr| match address {
            SocketAddr::V4(address) => SocketAddr::new(address.ip().to_ipv6_mapped().into(), address.port()),
            SocketAddr::V6(_) => address,
        };
        Self { source: mapped(source), destination: mapped(destination) }
    }

    /// The header that says so.
    pub fn header(&self, version: ProxyVersion) -> Vec<u8> {
        match version {
            ProxyVersion::V1 => v1::write(self),
            ProxyVersion::V2 => v2::write(self),
        }
    }
}

/// Reads the header that bytes begin with; `None` when more of it has to come. What is said beside addresses (TLVs of
/// version 2) is a part of the header, and is not looked at.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Error> {
    if v2::begins(bytes) {
        v2::parse(bytes)
    } else if v1::begins(bytes) {
        v1::parse(bytes)
    } else {
        Err(Error::Absent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addresses() -> impl Strategy<Value = Addresses> {
        (any::<SocketAddr>(), any::<SocketAddr>()).prop_map(|(one, other)| {
            // The scope of an address means nothing elsewhere.
            let bare = |address: SocketAddr| SocketAddr::new(address.ip(), address.port());
            Addresses::new(bare(one), bare(other))
        })
    }

    fn version() -> impl Strategy<Value = ProxyVersion> {
        prop_oneof![Just(ProxyVersion::V1), Just(ProxyVersion::V2)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(addresses in addresses(), version in version(), rest: Vec<u8>) {
            let mut bytes = addresses.header(version);
            let length = bytes.len();
            bytes.extend(rest);
            prop_assert_eq!(parse(&bytes), Ok(Some(Header { length, addresses: Some(addresses) })));
            prop_assert!(length <= ENOUGH);
        }

        #[test]
        fn a_header_that_has_not_come_to_its_end_is_waited_for(addresses in addresses(), version in version()) {
            let bytes = addresses.header(version);
            for end in 0..bytes.len() {
                prop_assert_eq!(parse(&bytes[..end]), Ok(None), "{}", end);
            }
        }

        #[test]
        fn nothing_makes_it_panic_or_wait_for_ever(
            start in prop::sample::select(vec![
                &b""[..],
                b"PROXY ",
                b"PROXY TCP4 1.1.1.1 ",
                b"\r\n\r\n\0\r\nQUIT\n",
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
                b"\r\n\r\n\0\r\nQUIT\n\x20",
            ]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let bytes = [start, &rest].concat();
            let parsed = parse(&bytes);
            prop_assert!(bytes.len() < ENOUGH || parsed != Ok(None));
            // A header says the same however much comes behind it.
            if let Ok(Some(header)) = parsed {
                let enough = header.length.min(ENOUGH).min(bytes.len());
                prop_assert_eq!(parse(&bytes[..enough]), parsed);
            }
        }
    }

    #[test]
    fn both_ends_are_of_one_family() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let mixed = Addresses::new(address("[2001:db8::1]:1"), address("10.0.0.1:2"));
        assert_eq!(mixed.destination, address("[::ffff:10.0.0.1]:2"));
        let mapped = Addresses::new(address("[::ffff:10.0.0.2]:1"), address("[::ffff:10.0.0.1]:2"));
        assert_eq!((mapped.source, mapped.destination), (address("10.0.0.2:1"), address("10.0.0.1:2")));
        assert_eq!(mapped.header(ProxyVersion::V1), b"PROXY TCP4 10.0.0.2 10.0.0.1 1 2\r\n");
    }
}
