//! Version 2: binary.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, Error, Header};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes before those whose number the header says.
const FIXED: usize = 16;

/// The command of a proxy that speaks for itself, and that of one that forwards, with the version in the upper half.
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// TCP over IPv4, and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// Bytes that two addresses with their ports have.
const ENDS4: usize = 12;
const ENDS6: usize = 36;

/// Whether bytes begin as a header does, as far as they go; nothing at all may also become one.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.iter().zip(SIGNATURE).all(|(one, other)| one == other)
}

/// All that is needed of a header are its first 52 bytes.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, Error> {
    let command = bytes.get(12).copied();
    if command.is_some_and(|command| command != LOCAL && command != PROXY) {
        return Err(Error::Binary("its version or command is another"));
    }
    let kind = bytes.get(13).copied();
    if kind.is_some_and(|kind| kind >> 4 > 3 || kind & 0xf > 2) {
        return Err(Error::Binary("its family or transport is another"));
    }
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else { return Ok(None) };
    let [.., high, low] = *fixed;
    let said = usize::from(u16::from_be_bytes([high, low]));
    let length = FIXED + said;
    let addresses = match (command, kind) {
        (Some(PROXY), Some(TCP4)) => ends(rest, said, ENDS4, ends4)?,
        (Some(PROXY), Some(TCP6)) => ends(rest, said, ENDS6, ends6)?,
        // For itself, or of sockets that have no such addresses.
        _ => return Ok(Some(Header { length, addresses: None })),
    };
    Ok(addresses.map(|addresses| Header { length, addresses: Some(addresses) }))
}

/// The addresses, of `size` bytes; `None` when they have not come.
fn ends(
    bytes: &[u8],
    said: usize,
    size: usize,
    read: impl Fn(&[u8]) -> Option<Addresses>,
) -> Result<Option<Addresses>, Error> {
    if said < size {
        return Err(Error::Binary("it is too short for its addresses"));
    }
    Ok(bytes.get(..size).and_then(read))
}

fn ends4(bytes: &[u8]) -> Option<Addresses> {
    let (source, rest) = bytes.split_first_chunk::<4>()?;
    let (destination, rest) = rest.split_first_chunk::<4>()?;
    let (from, to) = ports(rest)?;
    Some(Addresses {
        source: SocketAddr::new(Ipv4Addr::from(*source).into(), from),
        destination: SocketAddr::new(Ipv4Addr::from(*destination).into(), to),
    })
}

fn ends6(bytes: &[u8]) -> Option<Addresses> {
    let (source, rest) = bytes.split_first_chunk::<16>()?;
    let (destination, rest) = rest.split_first_chunk::<16>()?;
    let (from, to) = ports(rest)?;
    Some(Addresses {
        source: SocketAddr::new(Ipv6Addr::from(*source).into(), from),
        destination: SocketAddr::new(Ipv6Addr::from(*destination).into(), to),
    })
}

fn ports(bytes: &[u8]) -> Option<(u16, u16)> {
    let (from, rest) = bytes.split_first_chunk::<2>()?;
    let (to, _) = rest.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*from), u16::from_be_bytes(*to)))
}

pub(super) fn write(addresses: &Addresses) -> Vec<u8> {
    let (kind, ends) = match (addresses.source, addresses.destination) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => {
            (TCP4, [source.ip().octets(), destination.ip().octets()].concat())
        }
        (source, destination) => {
            let octets = |address: SocketAddr| match address {
                SocketAddr::V4(address) => address.ip().to_ipv6_mapped().octets(),
                SocketAddr::V6(address) => address.ip().octets(),
            };
            (TCP6, [octets(source), octets(destination)].concat())
        }
    };
    let size = if kind == TCP4 { ENDS4 } else { ENDS6 };
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([PROXY, kind, 0, u8::try_from(size).unwrap_or(u8::MAX)]);
    bytes.extend(ends);
    bytes.extend(addresses.source.port().to_be_bytes());
    bytes.extend(addresses.destination.port().to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn header(command: u8, kind: u8, said: u16, rest: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[command, kind], &said.to_be_bytes(), rest].concat()
    }

    const ENDS: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0xc7, 0x38, 0x01, 0xbb];

    #[test]
    fn addresses_are_read_and_what_else_is_said_is_skipped() {
        let tlvs = [ENDS.to_vec(), vec![0x02, 0, 1, b'a', 0xea, 0, 2, 1, 2]].concat();
        let said = u16::try_from(tlvs.len()).unwrap();
        let parsed = parse(&header(PROXY, TCP4, said, &tlvs)).unwrap().unwrap();
        assert_eq!(parsed.length, FIXED + tlvs.len());
        let addresses = parsed.addresses.unwrap();
        assert_eq!(addresses.source, "192.0.2.7:51000".parse().unwrap());
        assert_eq!(addresses.destination, "10.0.0.1:443".parse().unwrap());
        // However long it is, its beginning is enough.
        let parsed = parse(&header(PROXY, TCP4, u16::MAX, &ENDS)).unwrap().unwrap();
        assert_eq!((parsed.length, parsed.addresses), (FIXED + 65_535, Some(addresses)));
    }

    #[test]
    fn a_proxy_that_speaks_for_itself_names_nobody() {
        for (command, kind) in [(LOCAL, 0), (LOCAL, TCP4), (PROXY, 0), (PROXY, 0x31), (PROXY, 0x12)] {
            let parsed = parse(&header(command, kind, 12, &ENDS)).unwrap().unwrap();
            assert_eq!((parsed.length, parsed.addresses), (28, None), "{command} {kind}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused_as_soon_as_it_is_seen() {
        for (bytes, name) in [
            (header(0x31, TCP4, 12, &ENDS), "another version"),
            (header(0x22, TCP4, 12, &ENDS), "another command"),
            (header(PROXY, 0x41, 12, &ENDS), "another family"),
            (header(PROXY, 0x13, 12, &ENDS), "another transport"),
            (header(PROXY, TCP4, 11, &ENDS), "too short"),
            (header(PROXY, TCP6, 35, &[0; 36]), "too short"),
            (header(PROXY, TCP4, 12, &ENDS)[..12].iter().copied().chain([0x11]).collect(), "version 1"),
            (b"\r\n\r\n\0\r\nQUIX".to_vec(), "another signature"),
        ] {
            assert!(parse(&bytes).is_err(), "{name}");
        }
    }
}
