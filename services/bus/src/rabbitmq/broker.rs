//! The broker at an address, and connections with it.

use std::io;

use async_rs::{Runtime, Tokio, util::RuntimeParts};
use lapin::{
    Connection, ConnectionProperties,
    uri::{AMQPScheme, AMQPUri},
};
use tokio::sync::OnceCell;

use super::tls::{Securely, Tls};

/// Seconds between two signs of life. The broker's own wish is a minute, and it takes two to miss them.
const HEARTBEAT: u16 = 10;

pub(super) struct Broker {
    /// What lapin is told: never of TLS, which is beneath it.
    address: AMQPUri,
    has_tls: bool,
    // Made for the first connection: the authorities of the system are read from files.
    tls: OnceCell<Tls>,
}

impl Broker {
    pub(super) fn new(mut address: AMQPUri) -> Self {
        address.query.heartbeat.get_or_insert(HEARTBEAT);
        let has_tls = std::mem::take(&mut address.scheme) == AMQPScheme::AMQPS;
        Self { address, has_tls, tls: OnceCell::new() }
    }

    /// A connection with a name that its management shows.
    pub(super) async fn connect(&self, name: String) -> Result<Connection, lapin::Error> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        if !self.has_tls {
            return Connection::connect_uri(self.address.clone(), properties).await;
        }
        let tls = self.tls.get_or_try_init(async || Tls::with(&self.address.authority.host)).await;
        let tls = tls.map_err(io::Error::other)?.clone();
        let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), Securely::new(tls)));
        Connection::connect_uri_with_runtime(self.address.clone(), properties, runtime).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_beneath_what_the_client_is_told() {
        let broker = |url: &str| Broker::new(url.parse().unwrap());
        let secured = broker("amqps://a:b@host/%2f");
        assert!(secured.has_tls && secured.address.scheme == AMQPScheme::AMQP);
        assert_eq!(secured.address.authority.port, 5671);
        let plain = broker("amqp://a:b@host/%2f?heartbeat=7");
        assert!(!plain.has_tls && plain.address.authority.port == 5672);
        assert_eq!(
            (secured.address.query.heartbeat, plain.address.query.heartbeat),
            (Some(HEARTBEAT), Some(7))
        );
    }
}
