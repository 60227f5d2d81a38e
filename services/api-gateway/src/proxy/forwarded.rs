//! Tells backends who the client is and what it asked for.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::{connection::Connection, edge::Target};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// What a client may say of itself only when it is trusted.
const OF_PROXIES: [&str; 6] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
];

/// What is the same for all requests of a connection.
#[derive(Debug)]
pub struct Told {
    peer: HeaderValue,
    proto: HeaderValue,
    port: HeaderValue,
    is_trusted: bool,
}

impl Told {
    fn new(connection: &Connection, trusted: &[IpNet]) -> Self {
        // An address of IPv4 that came by a socket of IPv6 is written as what it is.
        let peer = connection.peer.ip().to_canonical();
        Self {
            peer: text(&peer.to_string()),
            proto: HeaderValue::from_static(if connection.is_secure { "https" } else { "http" }),
            port: HeaderValue::from(connection.port),
            is_trusted: trusted.iter().any(|network| network.contains(&peer)),
        }
    }
}

/// Sets `X-Forwarded-For`, `-Proto`, `-Host` and `-Port`. What a client says of itself is thrown away, unless it is a
/// proxy that is trusted: then what it says stays, and its own address is added.
pub(super) fn set(headers: &mut HeaderMap, connection: &Connection, target: &Target, trusted: &[IpNet]) {
    let told = connection.told.get_or_init(|| Told::new(connection, trusted));
    let is_said = headers.keys().any(|name| OF_PROXIES.contains(&name.as_str()));
    if is_said && told.is_trusted {
        return add(headers, told, target);
    }
    if is_said {
        for name in OF_PROXIES {
            headers.remove(name);
        }
    }
    headers.insert(FORWARDED_FOR, told.peer.clone());
    headers.insert(FORWARDED_PROTO, told.proto.clone());
    headers.insert(FORWARDED_HOST, text(&target.host));
    headers.insert(FORWARDED_PORT, told.port.clone());
}

/// The address of the client: of whoever connects, or of whom proxies that are trusted say that it connected to them.
pub(super) fn client(headers: &HeaderMap, peer: SocketAddr, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.ip().to_canonical();
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let said = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.rsplit(','));
    for said in said {
        if !is_trusted(&client) {
            break;
        }
        let Ok(before) = said.trim().parse::<IpAddr>() else { break };
        client = before.to_canonical();
    }
    client
}

/// Adds what is not said yet.
fn add(headers: &mut HeaderMap, told: &Told, target: &Target) {
    let said = headers.get_all(FORWARDED_FOR).iter().chain([&told.peer]);
    let chain: Vec<&str> = said.filter_map(|value| value.to_str().ok()).collect();
    let chain = text(&chain.join(", "));
    headers.insert(FORWARDED_FOR, chain);
    headers.entry(FORWARDED_PROTO).or_insert_with(|| told.proto.clone());
    headers.entry(FORWARDED_HOST).or_insert_with(|| text(&target.host));
    headers.entry(FORWARDED_PORT).or_insert_with(|| told.port.clone());
}

fn text(value: &str) -> HeaderValue {
    // Addresses and hosts that were admitted have nothing that a header may not have.
    HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use std::{cell::OnceCell, sync::Arc};

    use http::uri::PathAndQuery;

    use super::*;

    fn after(peer: &str, trusted: &[IpNet]) -> Vec<(String, String)> {
        let connection = Connection {
            port: 8443,
            peer: peer.parse().unwrap(),
            is_secure: true,
            listener: None,
            activity: Arc::default(),
            told: OnceCell::new(),
        };
        let target = Target {
            host: "shop.example.com".to_owned(),
            port: None,
            path_and_query: PathAndQuery::from_static("/"),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil.example.com"),
            ("x-real-ip", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        set(&mut headers, &connection, &target, trusted);
        let mut all: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        all.sort();
        all
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_a_client_says_of_itself_is_thrown_away() {
        let expected = pairs(&[
            ("x-forwarded-for", "10.1.2.3"),
            ("x-forwarded-host", "shop.example.com"),
            ("x-forwarded-port", "8443"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(after("10.1.2.3:50000", &[]), expected);
        assert_eq!(after("[::ffff:10.1.2.3]:50000", &["10.2.0.0/16".parse().unwrap()]), expected);
    }

    #[test]
    fn what_a_trusted_proxy_says_stays() {
        let expected = pairs(&[
            ("forwarded", "for=1.1.1.1"),
            ("x-forwarded-for", "1.1.1.1, 2.2.2.2, 10.1.2.3"),
            ("x-forwarded-host", "evil.example.com"),
            ("x-forwarded-port", "8443"),
            ("x-forwarded-proto", "http"),
            ("x-real-ip", "1.1.1.1"),
        ]);
        assert_eq!(after("10.1.2.3:50000", &["10.0.0.0/8".parse().unwrap()]), expected);
    }
}
