//! Which endpoint requests go to that belong together. Nothing is remembered: all gateways, and all of their workers, come to
//! the same endpoint by themselves.

use std::net::IpAddr;

use flotilla_gateway_config::{self as config, SessionCookie, SessionHeader};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::Sha256;

use super::Endpoint;

/// What requests have in common that belong together.
#[derive(Debug)]
pub(super) enum Affinity {
    Cookie(SessionCookie),
    SessionHeader(SessionHeader),
    Header(HeaderName),
    SourceIp,
}

/// Where a request should go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Anywhere.
    #[default]
    None,
    /// To the endpoint that a cookie, or a header of ours, names.
    Tag(u64),
    /// Where all others with this number go.
    Key(u64),
}

impl Affinity {
    pub(super) fn new(written: &config::Affinity) -> Self {
        match written {
            config::Affinity::Cookie(cookie) => Self::Cookie(cookie.clone()),
            config::Affinity::SessionHeader(header) => Self::SessionHeader(header.clone()),
            config::Affinity::Header(name) => Self::Header(name.0.clone()),
            config::Affinity::SourceIp => Self::SourceIp,
        }
    }

    /// Where a request should go. `client` says where it comes from.
    pub(super) fn wish(&self, headers: &HeaderMap, client: impl FnOnce() -> IpAddr) -> Wish {
        match self {
            Self::Cookie(cookie) => read(headers, cookie.name.as_str()).map_or(Wish::None, Wish::Tag),
            Self::SessionHeader(SessionHeader { name, .. }) => {
                let value = headers.get(&name.0).map(HeaderValue::as_bytes);
                value.and_then(tag_of).map_or(Wish::None, Wish::Tag)
            }
            Self::Header(name) => {
                headers.get(name).map_or(Wish::None, |value| Wish::Key(number(value.as_bytes())))
            }
            Self::SourceIp => Wish::Key(match client().to_canonical() {
                IpAddr::V4(address) => number(&address.octets()),
                IpAddr::V6(address) => number(&address.octets()),
            }),
        }
    }

    /// The name that cookies and headers have for an endpoint; `None` without them. It does not tell the address.
    pub(super) fn tag(&self, backend: &str, endpoint: &Endpoint) -> Option<u64> {
        let (Self::Cookie(SessionCookie { key, .. }) | Self::SessionHeader(SessionHeader { key, .. })) = self
        else {
            return None;
        };
        let key = key.as_deref().unwrap_or_default().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(backend.as_bytes());
        mac.update(b"\0");
        mac.update(endpoint.to_string().as_bytes());
        mac.finalize().into_bytes().first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// The header for a client whose request has gone to an endpoint, when it does not have it already.
    pub(super) fn token(
        &self,
        backend: &str,
        endpoint: &Endpoint,
        wish: Wish,
        is_secure: bool,
    ) -> Option<(HeaderName, HeaderValue)> {
        let tag = self.tag(backend, endpoint)?;
        if wish == Wish::Tag(tag) {
            return None;
        }
        match self {
            Self::Cookie(cookie) => {
                let path = cookie.path.as_ref().map_or("/", |path| path.as_str());
                let age = cookie.max_age_seconds.map(|age| format!("; Max-Age={age}")).unwrap_or_default();
                let secure = if is_secure { "; Secure" } else { "" };
                let name = cookie.name.as_str();
                let text = format!("{name}={tag:016x}; Path={path}{age}; HttpOnly; SameSite=Lax{secure}");
                HeaderValue::from_str(&text).ok().map(|value| (header::SET_COOKIE, value))
            }
            Self::SessionHeader(SessionHeader { name, .. }) => {
                HeaderValue::from_str(&format!("{tag:016x}")).ok().map(|value| (name.0.clone(), value))
            }
            Self::Header(_) | Self::SourceIp => None,
        }
    }
}

/// The name of an endpoint in the cookies of a request. One that is none, such as of somebody else, is passed over.
fn read(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .find_map(|pair| {
            let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            tag_of(value)
        })
}

/// What a client has sent back, when it is what it got.
fn tag_of(value: &[u8]) -> Option<u64> {
    let is_tag = value.len() == 16 && value.iter().all(u8::is_ascii_hexdigit);
    u64::from_str_radix(std::str::from_utf8(value).ok().filter(|_| is_tag)?, 16).ok()
}

/// A number for bytes, the same in every process (FNV-1a, spread).
pub(super) fn number(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    spread(hash)
}

/// How much a request with a number wants to go to an endpoint with another: it goes where this is the most (rendezvous
/// hashing), so that an endpoint that comes or goes moves only its own share.
pub(super) fn attraction(key: u64, endpoint: u64) -> u64 {
    spread(key ^ endpoint)
}

/// Each bit of the outcome depends on all of the number (the finalizer of `SplitMix64`).
fn spread(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affinity(json: serde_json::Value) -> Affinity {
        Affinity::new(&serde_json::from_value(json).unwrap())
    }

    fn endpoint(host: &str) -> Endpoint {
        let written = config::Endpoint { host: host.to_owned(), port: 80 };
        Endpoint::new(written, config::Protocol::Http1, None)
    }

    fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_leads_back_and_does_not_tell_the_address() {
        let cookie = |key: &str| affinity(serde_json::json!({"cookie": {"name": "session", "key": key}}));
        let (own, endpoint) = (cookie("a"), endpoint("10.0.0.1"));
        let tag = own.tag("orders", &endpoint).unwrap();
        let given = own.token("orders", &endpoint, Wish::None, true).unwrap().1;
        let expected = format!("session={tag:016x}; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert_eq!(given, expected);
        let sent = format!("session={tag:016x}");
        let wish = |lines: &[&str]| own.wish(&with(header::COOKIE, lines), || unreachable!());
        assert_eq!(wish(&["a=b", &format!("x=1;{sent} ; y=2")]), Wish::Tag(tag));
        assert_eq!(own.token("orders", &endpoint, Wish::Tag(tag), true), None);
        for other in ["session=", "session=+00000000000000f", "session=zz", "xsession=00", "session", ""] {
            assert_eq!(wish(&[other]), Wish::None, "{other}");
        }
        // The first that is one.
        assert_eq!(wish(&[&format!("session=of-others; {sent}")]), Wish::Tag(tag));
        for other in [cookie("b").tag("orders", &endpoint), own.tag("carts", &endpoint)] {
            assert_ne!(other, Some(tag));
        }
        let lasting =
            affinity(serde_json::json!({"cookie": {"name": "s", "path": "/v1", "maxAgeSeconds": 60}}));
        let given = lasting.token("orders", &endpoint, Wish::Tag(1), false).unwrap().1;
        assert!(
            given.to_str().unwrap().ends_with("; Path=/v1; Max-Age=60; HttpOnly; SameSite=Lax"),
            "{given:?}"
        );
    }

    #[test]
    fn a_header_leads_back_to_those_who_send_it_as_they_got_it() {
        let own = affinity(serde_json::json!({"sessionHeader": {"name": "x-session", "key": "a"}}));
        let endpoint = endpoint("10.0.0.1");
        let (name, value) = own.token("orders", &endpoint, Wish::None, true).unwrap();
        assert_eq!(name, "x-session");
        let wish = |value: &str| own.wish(&with(name.clone(), &[value]), || unreachable!());
        let back = wish(value.to_str().unwrap());
        assert_eq!(back, Wish::Tag(own.tag("orders", &endpoint).unwrap()));
        assert_eq!(own.token("orders", &endpoint, back, true), None);
        assert_eq!(wish("of-others"), Wish::None);
    }

    #[test]
    fn what_is_the_same_has_the_same_number() {
        let header = affinity(serde_json::json!({"header": "x-user"}));
        let wish = |values: &[&str]| header.wish(&with("x-user".parse().unwrap(), values), || unreachable!());
        assert_eq!(wish(&["a"]), wish(&["a"]));
        assert_ne!(wish(&["a"]), wish(&["b"]));
        assert_eq!(wish(&[]), Wish::None);
        let source = affinity(serde_json::json!("sourceIp"));
        let wish = |address: &str| source.wish(&HeaderMap::new(), || address.parse().unwrap());
        assert_eq!(wish("10.0.0.1"), wish("::ffff:10.0.0.1"));
        assert_ne!(wish("10.0.0.1"), wish("10.0.0.2"));
        // Other processes say the same.
        assert_eq!(number(b"a"), 0x02c0_bdbf_4814_20f8);
    }
}
