//! Where may be sent to. Addresses of webhooks and pushes are given by others, who could name what only this cluster can reach
//! (server-side request forgery): whatever is not public is refused, by the address that is connected to, not by its name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;
use ipnet::IpNet;

/// Bytes that an address may have.
const MAX: usize = 2_048;

/// Networks that are not public (RFC 6890 and the registries of IANA).
const V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Only this part of IPv6 is given to anybody; within it these are not public.
const V6_GIVEN: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // An address of IPv4 is in it.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Why something may not be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no address.
    #[error("write an address such as https://example.com/hook, of at most {MAX} bytes")]
    Address,
    /// It would go in plain text.
    #[error("write an address that begins with https://")]
    Plain,
    /// It has a user in it.
    #[error("leave out the user and the password before the host")]
    User,
    /// It is not public.
    #[error("{0} is no public address")]
    Private(IpAddr),
}

/// Where may be sent to.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Networks that may, although they are not public.
    pub networks: Vec<IpNet>,
    /// Whether plain HTTP may be spoken.
    pub plain_http: bool,
}

/// A place that has been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// All of it.
    pub uri: Uri,
    /// Its host, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it is spoken to in secret.
    pub is_https: bool,
}

impl Target {
    /// Its scheme, host and port, as browsers write an origin.
    pub fn origin(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let default = if self.is_https { ":443" } else { ":80" };
        format!("{scheme}://{}", authority.strip_suffix(default).unwrap_or(authority).to_ascii_lowercase())
    }
}

impl Guard {
    /// Looks at an address as it is written. Its host is looked at again when it is connected to.
    pub fn target(&self, url: &str) -> Result<Target, Refused> {
        if url.len() > MAX {
            return Err(Refused::Address);
        }
        let uri: Uri = url.parse().map_err(|_| Refused::Address)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if self.plain_http => false,
            Some("http") => return Err(Refused::Plain),
            _ => return Err(Refused::Address),
        };
        let authority = uri.authority().ok_or(Refused::Address)?;
        if authority.as_str().contains('@') {
            return Err(Refused::User);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(Refused::Address);
        }
        let port = authority.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        if let Ok(address) = host.parse() {
            self.check(address)?;
        }
        Ok(Target { uri, host, port, is_https })
    }

    /// Looks at an address that is about to be connected to.
    pub fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let plain = address.to_canonical();
        let is_allowed = self.networks.iter().any(|network| network.contains(&plain));
        if is_allowed || is_public(plain) { Ok(()) } else { Err(Refused::Private(address)) }
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let bits = address.to_bits();
            let within = |(network, length): &(Ipv4Addr, u8)| {
                let rest = 32 - u32::from(*length);
                bits >> rest == network.to_bits() >> rest
            };
            !V4.iter().any(within)
        }
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let within = |(network, length): &(Ipv6Addr, u8)| {
                let rest = 128 - u32::from(*length);
                bits >> rest == network.to_bits() >> rest
            };
            within(&V6_GIVEN) && !V6.iter().any(within)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_public_is_sent_to() {
        let guard = Guard::default();
        for public in
            ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:1.1.1.1"]
        {
            assert_eq!(guard.check(public.parse().unwrap()), Ok(()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
        ] {
            assert!(guard.check(private.parse().unwrap()).is_err(), "{private}");
        }
    }

    #[test]
    fn an_address_is_looked_at_before_anybody_is_asked() {
        let guard = Guard::default();
        let target = guard.target("https://example.com:8443/hook?a=b").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.is_https), ("example.com", 8_443, true));
        assert_eq!(target.origin(), "https://example.com:8443");
        assert_eq!(guard.target("https://Example.com:443/a").unwrap().origin(), "https://example.com");
        for (url, refused) in [
            ("http://example.com/", Refused::Plain),
            ("https://user:secret@example.com/", Refused::User),
            ("ftp://example.com/", Refused::Address),
            ("//example.com/", Refused::Address),
            ("/hook", Refused::Address),
            ("", Refused::Address),
            ("https:///hook", Refused::Address),
            ("https://127.0.0.1/", Refused::Private("127.0.0.1".parse().unwrap())),
            ("https://[::1]/", Refused::Private("::1".parse().unwrap())),
        ] {
            assert_eq!(guard.target(url), Err(refused), "{url}");
        }
    }

    #[test]
    fn a_network_that_is_named_may_be_sent_to() {
        let guard = Guard { networks: vec!["127.0.0.0/8".parse().unwrap()], plain_http: true };
        assert!(guard.target("http://127.0.0.1:8080/").is_ok());
        assert!(guard.check("::ffff:127.0.0.1".parse().unwrap()).is_ok());
        assert!(guard.check("10.0.0.1".parse().unwrap()).is_err());
    }
}
