//! Version 1: a line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, Error, Header};

const START: &[u8] = b"PROXY ";

/// The longest line there is, with its end.
const LONGEST: usize = 107;

/// Whether bytes begin as a line does, as far as they go.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.iter().zip(START).all(|(one, other)| one == other)
}

pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, Error> {
    let Some(end) = bytes.iter().take(LONGEST).position(|byte| *byte == b'\n') else {
        return if bytes.len() < LONGEST { Ok(None) } else { Err(Error::Text("it has no end")) };
    };
    let line = bytes.get(START.len()..end).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.ok_or(Error::Text("its end is no CR and LF"))?;
    let line = std::str::from_utf8(line).map_err(|_| Error::Text("it has bytes that are no text"))?;
    let addresses = match line.split_once(' ') {
        // What stands behind it says nothing.
        _ if line == "UNKNOWN" || line.starts_with("UNKNOWN ") => None,
        Some(("TCP4", rest)) => Some(ends::<Ipv4Addr>(rest)?),
        Some(("TCP6", rest)) => Some(ends::<Ipv6Addr>(rest)?),
        _ => return Err(Error::Text("it has neither TCP4, TCP6 nor UNKNOWN")),
    };
    Ok(Some(Header { length: end + 1, addresses }))
}

fn ends<A>(text: &str) -> Result<Addresses, Error>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let mut words = text.split(' ');
    let mut next = || words.next().ok_or(Error::Text("a part is missing"));
    let (source, destination) = (address::<A>(next()?)?, address::<A>(next()?)?);
    let (from, to) = (port(next()?)?, port(next()?)?);
    if words.next().is_some() {
        return Err(Error::Text("it has more than it should have"));
    }
    Ok(Addresses { source: SocketAddr::new(source, from), destination: SocketAddr::new(destination, to) })
}

fn address<A>(word: &str) -> Result<IpAddr, Error>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    word.parse::<A>().map(Into::into).map_err(|_| Error::Text("an address is none"))
}

fn port(word: &str) -> Result<u16, Error> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| is_plain).ok_or(Error::Text("a port is none"))
}

pub(super) fn write(addresses: &Addresses) -> Vec<u8> {
    let Addresses { source, destination } = addresses;
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!(
        "PROXY {family} {} {} {} {}\r\n",
        source.ip(),
        destination.ip(),
        source.port(),
        destination.port()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn a_line_is_read_to_its_end_and_no_further() {
        let bytes = b"PROXY TCP4 192.0.2.7 10.0.0.1 51000 443\r\nGET / HTTP/1.1\r\n";
        let header = parse(bytes).unwrap().unwrap();
        assert_eq!(&bytes[header.length..], b"GET / HTTP/1.1\r\n");
        let addresses = header.addresses.unwrap();
        assert_eq!(addresses.source, "192.0.2.7:51000".parse().unwrap());
        assert_eq!(addresses.destination, "10.0.0.1:443".parse().unwrap());
        let six = parse(b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n").unwrap().unwrap().addresses.unwrap();
        assert_eq!(six.source, "[2001:db8::1]:1".parse().unwrap());
        for line in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"] {
            let header = parse(line.as_bytes()).unwrap().unwrap();
            assert_eq!((header.length, header.addresses), (line.len(), None));
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(120));
        for line in [
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
            "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n",
            "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY \r\n",
            "PROXY\tTCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "GET / HTTP/1.1\r\n",
            &long,
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line:?}");
        }
    }
}
