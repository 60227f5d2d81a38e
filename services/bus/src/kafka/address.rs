//! Where a cluster is, and who one is there: `kafka://[USER:PASSWORD@]HOST[:PORT][,HOST...][?mechanism=...]`, or `kafkas://`
//! with TLS. User and password are percent-encoded. The servers' certificates have to be of an authority that the system knows
//! (or that of `SSL_CERT_FILE`).

use std::{str::FromStr, time::Duration};

use krafka::{
    Kafka, KrafkaError,
    auth::{AuthConfig, TlsConfig},
};
use percent_encoding::percent_decode_str;

/// Kafka's port when none is named.
const PORT: u16 = 9092;

/// How long a broker may take until it answers, or until it is there.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Why an address is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoAddress {
    /// It does not begin so.
    #[error("it does not begin with kafka:// or kafkas://")]
    Scheme,
    /// A broker is no host with a port.
    #[error("a broker is written HOST or HOST:PORT")]
    Broker,
    /// A user without a password, or one that is not written as it has to be.
    #[error("user and password are written USER:PASSWORD@, percent-encoded")]
    User,
    /// What follows the question mark.
    #[error("after the ? is only mechanism=PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, for a user")]
    Mechanism,
}

/// How a password is shown to a server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
struct User {
    name: String,
    password: String,
    mechanism: Mechanism,
}

/// An address. It may have a password, so it does not show itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    brokers: String,
    has_tls: bool,
    user: Option<User>,
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(url: &str) -> Result<Self, NoAddress> {
        let (scheme, rest) = url.split_once("://").ok_or(NoAddress::Scheme)?;
        let has_tls = match scheme {
            "kafka" => false,
            "kafkas" => true,
            _ => return Err(NoAddress::Scheme),
        };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (user, brokers) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let brokers = brokers.trim_end_matches('/').split(',').map(broker).collect::<Result<Vec<_>, _>>()?;
        let mechanism = query.map(mechanism).transpose()?;
        let user = match user {
            Some(text) => Some(user_of(text, mechanism.unwrap_or(Mechanism::ScramSha512))?),
            None if mechanism.is_some() => return Err(NoAddress::Mechanism),
            None => None,
        };
        Ok(Self { brokers: brokers.join(","), has_tls, user })
    }
}

fn broker(text: &str) -> Result<String, NoAddress> {
    // An address of IPv6 stands in brackets, with colons of its own.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse::<u16>().map_err(|_| NoAddress::Broker)?)
        }
        _ => (text, PORT),
    };
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_[]:".contains(&byte);
    if host.is_empty() || port == 0 || !host.bytes().all(is_good) {
        return Err(NoAddress::Broker);
    }
    Ok(format!("{host}:{port}"))
}

fn mechanism(query: &str) -> Result<Mechanism, NoAddress> {
    match query.strip_prefix("mechanism=") {
        Some("PLAIN") => Ok(Mechanism::Plain),
        Some("SCRAM-SHA-256") => Ok(Mechanism::ScramSha256),
        Some("SCRAM-SHA-512") => Ok(Mechanism::ScramSha512),
        _ => Err(NoAddress::Mechanism),
    }
}

fn user_of(text: &str, mechanism: Mechanism) -> Result<User, NoAddress> {
    let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
        Ok(text) if !text.is_empty() => Ok(text.into_owned()),
        _ => Err(NoAddress::User),
    };
    let (name, password) = text.split_once(':').ok_or(NoAddress::User)?;
    Ok(User { name: decoded(name)?, password: decoded(password)?, mechanism })
}

impl Address {
    /// Connections of their own: a server works on one question of a connection after the other, and whoever waits for events
    /// would hold up whoever publishes.
    pub(super) async fn connect(&self) -> Result<Kafka, KrafkaError> {
        Kafka::builder(self.brokers.clone())
            .client_id("flotilla")
            .security(self.security())
            .request_timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            .connect()
            .await
    }

    fn security(&self) -> AuthConfig {
        let auth = match &self.user {
            None if self.has_tls => return AuthConfig::ssl(TlsConfig::new().with_native_roots()),
            None => return AuthConfig::plaintext(),
            Some(User { name, password, mechanism }) => match mechanism {
                Mechanism::Plain => AuthConfig::sasl_plain(name, password),
                Mechanism::ScramSha256 => AuthConfig::sasl_scram_sha256(name, password),
                Mechanism::ScramSha512 => AuthConfig::sasl_scram_sha512(name, password),
            },
        };
        if self.has_tls { auth.with_tls(TlsConfig::new().with_native_roots()) } else { auth }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_brokers_and_maybe_tls_and_a_user() {
        let address: Address = "kafka://one,two:9093,[::1],[::1]:9094/".parse().unwrap();
        assert_eq!(address.brokers, "one:9092,two:9093,[::1]:9092,[::1]:9094");
        assert!(!address.has_tls && address.user.is_none());
        let address: Address = "kafkas://shop:a%40b:c@broker?mechanism=PLAIN".parse().unwrap();
        let user = address.user.unwrap();
        assert!(address.has_tls && user.mechanism == Mechanism::Plain);
        assert_eq!((user.name.as_str(), user.password.as_str()), ("shop", "a@b:c"));
        let user = "kafka://a:b@c".parse::<Address>().unwrap().user.unwrap();
        assert!(user.mechanism == Mechanism::ScramSha512);
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (bad, why) in [
            ("amqp://a", NoAddress::Scheme),
            ("kafka://", NoAddress::Broker),
            ("kafka://a:port", NoAddress::Broker),
            ("kafka://a,", NoAddress::Broker),
            ("kafka://a b", NoAddress::Broker),
            ("kafka://user@a", NoAddress::User),
            ("kafka://user:%ff@a", NoAddress::User),
            ("kafka://user:b@a?mechanism=GSSAPI", NoAddress::Mechanism),
            ("kafka://a?mechanism=PLAIN", NoAddress::Mechanism),
        ] {
            assert_eq!(bad.parse::<Address>().err(), Some(why), "{bad}");
        }
    }
}
