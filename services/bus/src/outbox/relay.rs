//! Publishes what is in the outbox.
//!
//! It never remembers how far it came: numbers of rows are given before their transactions are committed, and in another
//! order, so that whoever only looks behind the last number loses rows. What is published says so of itself.

use std::{io, sync::Arc, time::Duration};

use sqlx::{PgPool, Postgres, Transaction, types::Json};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::{Backlog, BacklogMetrics, PARTITIONS, backlog, sweep::sweep};
use crate::{Bus, Error, Event};

/// What sets the locks of partitions apart from others of the same database.
const LOCKS: i32 = 0x0F1A_0B0C;

/// Events that are published at a time.
const BATCH: i64 = 200;

/// How long the bus may take for them.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the database may say nothing. One that is there ends a statement long before.
const SILENCE: Duration = Duration::from_secs(60);

/// How long to go without a look: what is committed by others wakes nobody here.
const POLL: Duration = Duration::from_millis(500);

/// How long to wait for more after a wake. Most of what publishing costs is the same for one event and for ten.
const LINGER: Duration = Duration::from_millis(25);

/// How long to leave a partition to the relay that has it.
const YIELD: Duration = Duration::from_millis(50);

/// How long to wait after a failure, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// How often it is counted what waits.
const COUNT: Duration = Duration::from_secs(5);

/// How often old rows are removed.
const SWEEP: Duration = Duration::from_secs(600);

/// Wakes a relay.
#[derive(Clone, Debug)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// There is something in the outbox; the transaction has been committed.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Begins a transaction, in a task of its own: whoever waits may stop to, and sqlx would give the connection back in a
/// transaction that it does not know of.
async fn begin(pool: PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    tokio::spawn(async move { pool.begin().await }).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// An error when the database says nothing for so long that it must be gone.
async fn heard<T, E>(what: impl Future<Output = Result<T, E>>) -> Result<T, Error>
where
    Error: From<E>,
{
    let silent = || io::Error::new(io::ErrorKind::TimedOut, "the database says nothing");
    match timeout(SILENCE, what).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(sqlx::Error::Io(silent()).into()),
    }
}

/// What there may be still.
enum Published {
    /// More of the same.
    Some,
    /// Nothing, but for what another relay has.
    All { waits_elsewhere: bool },
}

/// Publishes what is in an outbox. Any number of them may run.
#[derive(Debug)]
pub struct Relay {
    pool: PgPool,
    bus: Arc<dyn Bus>,
    wake: Arc<Notify>,
    is_up: watch::Sender<bool>,
    backlog: watch::Sender<Backlog>,
}

impl Relay {
    /// From the outbox of a database to a bus.
    pub fn new(pool: PgPool, bus: Arc<dyn Bus>) -> Self {
        let (is_up, backlog) = (watch::Sender::new(true), watch::Sender::default());
        Self { pool, bus, wake: Arc::default(), is_up, backlog }
    }

    /// What has it look at once.
    pub fn wake(&self) -> Wake {
        Wake(Arc::clone(&self.wake))
    }

    /// Whether the bus took what it got last.
    pub fn is_up(&self) -> watch::Receiver<bool> {
        self.is_up.subscribe()
    }

    /// What waits, for Prometheus. It is counted by each relay, whichever of them publishes it.
    pub fn metrics(&self) -> BacklogMetrics {
        BacklogMetrics(self.backlog.subscribe())
    }

    /// Publishes until `stop`, and then what is there still.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        let mut pause = PAUSES.0;
        let (mut next_sweep, mut next_count) = (Instant::now() + SWEEP, Instant::now());
        loop {
            let (wait, is_failing) = match self.publish_all().await {
                Ok(waits_elsewhere) => {
                    self.is_up.send_if_modified(|is_up| !std::mem::replace(is_up, true));
                    pause = PAUSES.0;
                    (if waits_elsewhere { YIELD } else { POLL }, false)
                }
                Err(error) => {
                    // Once, not each time.
                    if self.is_up.send_if_modified(|is_up| std::mem::replace(is_up, false)) {
                        tracing::warn!(%error, source = ?std::error::Error::source(&error), "events wait in the outbox");
                    }
                    let now = pause;
                    pause = (pause * 2).min(PAUSES.1);
                    (now, true)
                }
            };
            if Instant::now() > next_count {
                self.count().await;
                next_count = Instant::now() + COUNT;
            }
            if Instant::now() > next_sweep {
                if let Err(error) = heard(sweep(&self.pool)).await {
                    tracing::debug!(%error, "old rows cannot be removed now");
                }
                next_sweep = Instant::now() + SWEEP;
            }
            tokio::select! {
                () = &mut stop => break,
                // Whoever wakes it knows nothing of the bus.
                () = self.wake.notified(), if !is_failing => sleep(LINGER).await,
                () = sleep(wait) => {}
            }
        }
        if let Err(error) = self.publish_all().await {
            tracing::warn!(%error, "events stay in the outbox for the next relay");
        }
    }

    async fn count(&self) {
        match heard(backlog(&self.pool)).await {
            Ok(backlog) => drop(self.backlog.send_replace(backlog)),
            Err(error) => tracing::debug!(%error, "what waits in the outbox cannot be counted now"),
        }
    }

    /// Publishes all that is there now and no other relay has. Tells whether another has something.
    pub async fn publish_all(&self) -> Result<bool, Error> {
        loop {
            match heard(self.publish_some()).await? {
                Published::Some => {}
                Published::All { waits_elsewhere } => return Ok(waits_elsewhere),
            }
        }
    }

    /// Publishes a batch.
    async fn publish_some(&self) -> Result<Published, Error> {
        let mut transaction = begin(self.pool.clone()).await?;
        // In a statement before that which reads: what another relay has published is published in the eyes of that one.
        let waiting = sqlx::query!(
            r#"with waiting as materialized (
                   select number from generate_series(0, $2) as number
                   where exists (
                       select from messaging.outbox
                       where partition = number and published_at is null and refusal is null
                   )
               )
               select number::smallint as "partition!", pg_try_advisory_xact_lock($1, number) as "is_mine!"
               from waiting"#,
            LOCKS,
            i32::from(PARTITIONS) - 1,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let waits_elsewhere = waiting.iter().any(|row| !row.is_mine);
        let mine: Vec<_> = waiting.iter().filter(|row| row.is_mine).map(|row| row.partition).collect();
        if mine.is_empty() {
            return Ok(Published::All { waits_elsewhere });
        }
        let rows = sqlx::query!(
            r#"select seq as "seq!", is_replayed as "is_replayed!", event as "event!: Json<Event>"
               from unnest($1::smallint[]) as mine (number) cross join lateral (
                   select seq, is_replayed, event from messaging.outbox
                   where partition = number and published_at is null and refusal is null
                   order by seq limit $2
               ) as waiting
               order by seq limit $2"#,
            &mine,
            BATCH,
        )
        .fetch_all(&mut *transaction)
        .await?;
        // In their order, as long as they are alike.
        let Some(is_again) = rows.first().map(|row| row.is_replayed) else {
            return Ok(Published::All { waits_elsewhere });
        };
        let count = rows.len();
        let alike = rows.into_iter().take_while(|row| row.is_replayed == is_again);
        let (seqs, events): (Vec<_>, Vec<_>) = alike.map(|row| (row.seq, row.event.0)).unzip();
        let may_be_more = seqs.len() < count || i64::try_from(count).is_ok_and(|count| count == BATCH);
        match self.publish(&events, is_again).await {
            Ok(()) => {}
            Err(Error::Refused(_)) => {
                for (seq, event) in seqs.iter().zip(&events) {
                    let Err(error) = self.publish(std::slice::from_ref(event), is_again).await else {
                        continue;
                    };
                    let Error::Refused(refusal) = &error else { return Err(error) };
                    tracing::error!(event = %event.id, kind = %event.kind, refusal, "the bus refuses an event");
                    sqlx::query!("update messaging.outbox set refusal = $2 where seq = $1", seq, refusal)
                        .execute(&mut *transaction)
                        .await?;
                }
            }
            Err(error) => return Err(error),
        }
        sqlx::query!(
            "update messaging.outbox set published_at = now() where seq = any ($1) and refusal is null",
            &seqs
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(if may_be_more { Published::Some } else { Published::All { waits_elsewhere } })
    }

    async fn publish(&self, events: &[Event], is_again: bool) -> Result<(), Error> {
        let published = if is_again { self.bus.publish_again(events) } else { self.bus.publish(events) };
        timeout(PATIENCE, published).await.map_err(Error::unavailable)?
    }
}
