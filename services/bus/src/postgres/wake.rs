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
    woken: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Sleeper {
    /// Listens beside whoever waits, who may stop waiting at any time.
    pub(super) fn start(pool: PgPool, consumer: String) -> Self {
        let woken = Arc::<Notify>::default();
        let task = tokio::spawn(hear(pool, consumer, Arc::clone(&woken)));
        Self { woken, task }
    }

    /// Waits for a wake-up, but not for longer than this.
    pub(super) async fn wait(&self, longest: Duration) {
        let _woken = timeout(longest, self.woken.notified()).await.is_ok();
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hear(pool: PgPool, consumer: String, woken: Arc<Notify>) {
    loop {
        if let Err(error) = hear_until_broken(&pool, &consumer, &woken).await {
            tracing::debug!(consumer, %error, "wake-ups cannot be heard");
            sleep(POLL).await;
        }
    }
}

async fn hear_until_broken(pool: &PgPool, consumer: &str, woken: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    // What came before was not heard.
    woken.notify_one();
    loop {
        // Nothing: it was broken, and is connected again.
        match listener.try_recv().await? {
            Some(message) if message.payload() != consumer => {}
            Some(_) | None => woken.notify_one(),
        }
    }
}
