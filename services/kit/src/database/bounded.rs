//! The end of waiting for a database that is gone without a word: a machine that lost its power closes no connections, and the
//! kernel sends again for a quarter of an hour what nobody gets. The server's own limits end nothing then.

use std::{io, time::Duration};

use tokio::time::timeout;

/// Longer than anything takes with a server that answers: it ends a statement long before.
const LIMIT: Duration = Duration::from_secs(60);

/// Does something with a database; an error when it takes so long that nobody can be there.
pub async fn bounded<T, E: From<sqlx::Error>>(what: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    within(LIMIT, what).await
}

pub(super) async fn within<T, E: From<sqlx::Error>>(
    limit: Duration,
    what: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let silent = || io::Error::new(io::ErrorKind::TimedOut, "the database says nothing");
    timeout(limit, what).await.unwrap_or_else(|_| Err(sqlx::Error::Io(silent()).into()))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn silence_is_an_error() {
        let answered: Result<u8, sqlx::Error> = within(Duration::from_secs(5), async { Ok(1) }).await;
        assert_eq!(answered.unwrap(), 1);
        let silent = within::<u8, sqlx::Error>(Duration::from_millis(10), pending()).await.unwrap_err();
        assert!(silent.to_string().contains("the database says nothing"), "{silent}");
    }
}
