//! Wakes those who wait for deliveries. A wake-up is sent in no transaction of a publisher: all that send one in theirs wait
//! for each other at the commit. One that is lost costs a poll, no event.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// The channel; a message on it is a consumer's name.
const CHANNEL: &str = "flotilla_bus";

/// How long wake-ups are gathered before they are sent.
const PAUSE: Duration = Duration::from_millis(5);

/// How long somebody who waits goes without a look.
pub(super) const POLL: Duration = Duration::from_millis(500);

/// Sends wake-ups.
#[derive(Debug)]
pub(super) struct Waker {
    pending: Arc<Pending>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Pending {
    consumers: Mutex<BTreeSet<String>>,
    some: Notify,
}

impl Pending {
    fn take(&self) -> Vec<String> {
        let mut consumers = self.consumers.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *consumers).into_iter().collect()
    }
}

impl Waker {
    pub(super) fn start(pool: PgPool) -> Self {
        let pending = Arc::new(Pending::default());
        let task = tokio::spawn(send(pool, Arc::clone(&pending)));
        Self { pending, task }
    }

    /// Wakes consumers, soon.
    pub(super) fn wake(&self, consumers: impl IntoIterator<Item = String>) {
        self.pending.consumers.lock().unwrap_or_else(PoisonError::into_inner).extend(consumers);
        self.pending.some.notify_one();
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send(pool: PgPool, pending: Arc<Pending>) {
    loop {
        pending.some.notified().await;
        let consumers = pending.take();
        if consumers.is_empty() {
            continue;
        }
        let sent =
            sqlx::query!("select pg_notify($1, name) from unnest($2::text[]) as name", CHANNEL, &consumers)
                .execute(&pool)
                .await;
        if let Err(error) = sent {
            tracing::debug!(%error, "consumers were not woken; they look by themselves");
        }
        sleep(PAUSE).await;
    }
}

/// Waits for wake-ups of one consumer.
pub(super) struct Sleeper {
    pool: PgPool,
    consumer: String,
    listener: Option<PgListener>,
}

impl Sleeper {
    pub(super) fn new(pool: PgPool, consumer: String) -> Self {
        Self { pool, consumer, listener: None }
    }

    /// Waits for a wake-up, but not for longer than this.
    pub(super) async fn wait(&mut self, longest: Duration) {
        let _woken = timeout(longest, self.heard()).await.is_ok();
    }

    async fn heard(&mut self) {
        loop {
            if let Some(listener) = &mut self.listener {
                match listener.recv().await {
                    Ok(message) if message.payload() != self.consumer => continue,
                    Ok(_) => return,
                    Err(error) => {
                        tracing::debug!(%error, "wake-ups cannot be heard");
                        self.listener = None;
                    }
                }
            }
            match listen(&self.pool).await {
                // What came before was not heard.
                Ok(listener) => {
                    self.listener = Some(listener);
                    return;
                }
                Err(_error) => sleep(POLL).await,
            }
        }
    }
}

async fn listen(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
