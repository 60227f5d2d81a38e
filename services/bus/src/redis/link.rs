//! One connection for short commands, which is made when it is needed, and made again after it broke.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};
use tokio::sync::Mutex;

use crate::Error;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Link {
    client: Client,
    open: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    pub(super) fn new(client: Client) -> Self {
        Self { client, open: Mutex::default() }
    }

    /// The connection. What was heard over it goes through [`Link::heard`].
    pub(super) async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut open = self.open.lock().await;
        if let Some(connection) = &*open {
            return Ok(connection.clone());
        }
        let connection = connect(&self.client).await?;
        *open = Some(connection.clone());
        Ok(connection)
    }

    /// What was heard over the connection. When that is a failure, the next one is another.
    pub(super) async fn heard<T>(&self, answer: Result<T, RedisError>) -> Result<T, Error> {
        if answer.is_err() {
            *self.open.lock().await = None;
        }
        answer.map_err(Error::from)
    }
}

/// A connection of its own, for who waits in it.
pub(super) async fn connect(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    client.get_multiplexed_async_connection_with_config(&config).await
}
