//! The server name in the beginning of TLS (RFC 8446 section 4.1.2, RFC 6066 section 3), without ending TLS. Pure.

/// The longest beginning that is looked at, with the headers of its records.
pub(super) const LONGEST: usize = 16 * 1024;

/// Of a record: that it holds a handshake; its header; how much it may hold.
const HANDSHAKE: u8 = 22;
const RECORD: usize = 5;
const LONGEST_RECORD: usize = 16 * 1024;

/// Of a handshake: that it begins with a client's hello; the header of that.
const CLIENT_HELLO: u8 = 1;
const MESSAGE: usize = 4;

/// The extension with the server name, and the kind of name that is a host's.
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;

/// The longest name there is (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 253;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hello {
    /// The server name, in lower case.
    pub(super) server_name: Option<String>,
}

/// Why bytes are no beginning of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    #[error("it is not TLS")]
    NotTls,
    #[error("the hello of TLS is too long")]
    TooLong,
    #[error("the hello of TLS is none")]
    Malformed,
}

/// Reads what bytes begin with; `None` when more of it has to come. The hello may be in several records.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Hello>, Error> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        let Some((header, after)) = rest.split_first_chunk::<RECORD>() else {
            return begins(rest).map(|()| None);
        };
        begins(header)?;
        let [_, _, _, high, low] = *header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > LONGEST_RECORD {
            return Err(Error::Malformed);
        }
        let part = after.get(..length.min(after.len())).unwrap_or_default();
        message.extend_from_slice(part);
        if let Some(body) = body(&message)? {
            return hello(body).map(Some).ok_or(Error::Malformed);
        }
        let Some(next) = after.get(length..) else { return Ok(None) };
        rest = next;
    }
}

/// Whether a record begins as one of a handshake does, as far as it goes.
fn begins(record: &[u8]) -> Result<(), Error> {
    let is_other = |at: usize, wanted: u8| record.get(at).is_some_and(|byte| *byte != wanted);
    if is_other(0, HANDSHAKE) || is_other(1, 3) { Err(Error::NotTls) } else { Ok(()) }
}

/// What a message of a handshake holds, when it has all come.
fn body(message: &[u8]) -> Result<Option<&[u8]>, Error> {
    let Some((header, rest)) = message.split_first_chunk::<MESSAGE>() else { return Ok(None) };
    let [kind, high, middle, low] = *header;
    if kind != CLIENT_HELLO {
        return Err(Error::NotTls);
    }
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    if length > LONGEST {
        return Err(Error::TooLong);
    }
    Ok(rest.get(..length))
}

/// `None` when it is none.
fn hello(body: &[u8]) -> Option<Hello> {
    let mut reader = Reader(body);
    // The version and what is random.
    reader.take(2 + 32)?;
    // The session, the ciphers and the compressions.
    let _session = reader.list8()?;
    let _ciphers = reader.list16()?;
    let _compressions = reader.list8()?;

    if reader.0.is_empty() {
        return Some(Hello { server_name: None });
    }
    let mut extensions = Reader(reader.list16()?);
    if !reader.0.is_empty() {
        return None;
    }
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number16()?;
        let extension = extensions.list16()?;
        if kind == SERVER_NAME && found.replace(server_name(extension)?).is_some() {
            return None;
        }
    }
    Some(Hello { server_name: found })
}

/// The one name of a host in an extension.
fn server_name(extension: &[u8]) -> Option<String> {
    let mut extension = Reader(extension);
    let mut names = Reader(extension.list16()?);
    if !extension.0.is_empty() {
        return None;
    }
    let mut found = None;
    while !names.0.is_empty() {
        let kind = names.number8()?;
        let name = names.list16()?;
        if kind == HOST_NAME && found.replace(host(name)?).is_some() {
            return None;
        }
    }
    found
}

/// A host's name, as TLS writes it; underscores are in some that exist.
fn host(name: &[u8]) -> Option<String> {
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.iter().all(is_good) {
        return None;
    }
    Some(std::str::from_utf8(name).ok()?.to_ascii_lowercase())
}

/// Bytes that are taken from the front.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    /// As many bytes as the first says.
    fn list8(&mut self) -> Option<&'b [u8]> {
        let length = self.number8()?;
        self.take(length.into())
    }

    /// As many bytes as the first two say.
    fn list16(&mut self) -> Option<&'b [u8]> {
        let length = self.number16()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs::default_provider,
        pki_types::ServerName,
    };

    use super::*;

    /// What a client sends first.
    fn of(name: &str, alpn: &[&str]) -> Vec<u8> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// The same message in records of some size.
    fn in_records(bytes: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| {
            let length = u16::try_from(part.len()).unwrap();
            [&[HANDSHAKE, 3, 1][..], &length.to_be_bytes(), part].concat()
        };
        bytes[RECORD..].chunks(size).flat_map(record).collect()
    }

    /// A hello with extensions, or without them.
    fn with(extensions: Option<&[(u16, &[u8])]>) -> Vec<u8> {
        let list = |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        if let Some(extensions) = extensions {
            let written = extensions
                .iter()
                .flat_map(|(kind, bytes)| [kind.to_be_bytes().to_vec(), list(bytes)].concat());
            body.extend(list(&written.collect::<Vec<_>>()));
        }
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[CLIENT_HELLO], &length[1..], &body].concat();
        in_records(&[vec![0; RECORD], message].concat(), LONGEST_RECORD)
    }

    fn names(names: &[(u8, &str)]) -> Vec<u8> {
        let name = |(kind, name): &(u8, &str)| {
            [&[*kind][..], &u16::try_from(name.len()).unwrap().to_be_bytes(), name.as_bytes()].concat()
        };
        let list: Vec<u8> = names.iter().flat_map(name).collect();
        [&u16::try_from(list.len()).unwrap().to_be_bytes()[..], &list].concat()
    }

    /// The name in a hello, or a word for none.
    fn name(bytes: &[u8]) -> String {
        parse(bytes).unwrap().expect("it has all come").server_name.unwrap_or_else(|| "none".to_owned())
    }

    #[test]
    fn the_name_is_found_however_it_comes() {
        let bytes = of("Shop.Example.com", &["h2", "http/1.1"]);
        assert_eq!(name(&bytes), "shop.example.com");
        for size in [1, 2, 3, 7, 100, 10_000] {
            assert_eq!(name(&in_records(&bytes, size)), "shop.example.com", "{size}");
        }
        assert_eq!(name(&[bytes.clone(), b"more".to_vec()].concat()), "shop.example.com");
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{end}");
        }
        assert_eq!(name(&of("10.0.0.1", &[])), "none");
    }

    #[test]
    fn what_old_and_odd_clients_send_is_read() {
        assert_eq!(name(&with(None)), "none");
        assert_eq!(name(&with(Some(&[]))), "none");
        let (grease, own) = (0x0a0a, names(&[(0, "a_b.example.com")]));
        assert_eq!(name(&with(Some(&[(grease, b"x"), (0, &own)]))), "a_b.example.com");
        let other_kind = names(&[(7, "whatever"), (0, "a.test")]);
        assert_eq!(name(&with(Some(&[(0, &other_kind)]))), "a.test");
    }

    #[test]
    fn what_is_no_hello_is_refused_as_soon_as_it_is_seen() {
        let long = "a".repeat(254);
        for extensions in [
            vec![(0, names(&[(0, "a.test")])), (0, names(&[(0, "a.test")]))],
            vec![(0, names(&[(0, "a.test"), (0, "b.test")]))],
            vec![(0, names(&[]))],
            vec![(0, names(&[(0, "")]))],
            vec![(0, names(&[(0, "a b")]))],
            vec![(0, names(&[(0, "a\0")]))],
            vec![(0, names(&[(0, &long)]))],
            vec![(0, Vec::new())],
            vec![(0, vec![0, 9, 0])],
            vec![(0, [names(&[(0, "a.test")]), vec![0]].concat())],
        ] {
            let written: Vec<_> = extensions.iter().map(|(kind, bytes)| (*kind, bytes.as_slice())).collect();
            assert_eq!(parse(&with(Some(&written))), Err(Error::Malformed), "{extensions:?}");
        }
        assert_eq!(parse(b"G"), Err(Error::NotTls));
        assert_eq!(parse(b"SSH-2.0-"), Err(Error::NotTls));
        assert_eq!(parse(&[HANDSHAKE, 2]), Err(Error::NotTls));
        // A server's hello, a record without anything, and one that is too long.
        assert_eq!(parse(&[HANDSHAKE, 3, 1, 0, 4, 2, 0, 0, 0]), Err(Error::NotTls));
        assert_eq!(parse(&[HANDSHAKE, 3, 1, 0, 0]), Err(Error::Malformed));
        assert_eq!(parse(&[HANDSHAKE, 3, 1, 0x40, 1]), Err(Error::Malformed));
        assert_eq!(parse(&[HANDSHAKE, 3, 1, 0, 4, 1, 0, 0x40, 1]), Err(Error::TooLong));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            start in 0usize..80,
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let good = with(Some(&[(0, &names(&[(0, "a.test")])), (5, b"x")]));
            let bytes = [&good[..start.min(good.len())], &rest].concat();
            let parsed = parse(&bytes);
            if let Ok(Some(hello)) = &parsed {
                let name = hello.server_name.clone().unwrap_or_default();
                prop_assert!(name.len() <= LONGEST_NAME && name == name.to_ascii_lowercase());
                // It says the same however much comes behind it.
                prop_assert_eq!(parse(&[&bytes[..], b"\x16\x03"].concat()), parsed);
            }
        }

        #[test]
        fn it_does_not_matter_how_it_is_cut_into_records(size in 1usize..400, host in "[a-z]{1,20}(\\.[a-z]{1,20}){0,3}") {
            let bytes = of(&host, &[]);
            prop_assert_eq!(name(&in_records(&bytes, size)), host);
        }
    }
}
