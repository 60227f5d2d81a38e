//! Sends what is due. Any number of them may run: each takes deliveries for a while (a lease), and what it writes of an attempt
//! counts only while it has it. Between an answer and the writing of it a crash makes a second attempt: the same Message-ID,
//! `webhook-id` or topic tells whoever gets it that it is the same.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use flotilla_bus::outbox::Wake;
use flotilla_kit::{
    correlation::CorrelationId,
    drain::{Drain, Phase},
};
use futures::FutureExt;
use jiff::Timestamp;
use sqlx::PgPool;
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{
    deliver::Deliverer,
    domain::{
        channel::Channel,
        outcome::{Outcome, Report, State},
        rules, schedule,
    },
    events::Ended,
    send::guard,
    store::{
        Error,
        deliveries::{self, Claimed},
        endpoints, push_subscriptions, suppressions,
    },
};

/// How long to go without a look.
const POLL: Duration = Duration::from_millis(500);

/// How long to wait after a failure of the database.
const PAUSE: Duration = Duration::from_secs(1);

/// Wakes a worker: something was queued, and the transaction has been committed.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// There is something to send.
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

/// Sends what is due.
#[derive(Debug)]
pub struct Worker {
    /// The database.
    pub pool: PgPool,
    /// How things are sent.
    pub deliverer: Arc<Deliverer>,
    /// Deliveries at a time.
    pub room: u32,
    /// What has it look at once.
    pub bell: Bell,
    /// The relay of its events.
    pub wake: Wake,
}

impl Worker {
    /// Sends until the end, and then finishes what it has begun.
    pub async fn run(self, drain: Drain) {
        let worker = Arc::new(self);
        let room = Arc::new(Semaphore::new(usize::try_from(worker.room).unwrap_or(1)));
        let mut ending = std::pin::pin!(drain.at_least(Phase::Ending));
        let mut running = JoinSet::new();
        loop {
            while running.try_join_next().is_some() {}
            let free = i64::try_from(room.available_permits()).unwrap_or(1);
            let claimed =
                if free == 0 { Ok(Vec::new()) } else { deliveries::claim(&worker.pool, free).await };
            let wait = match claimed {
                Ok(claimed) => {
                    for one in claimed {
                        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
                        let worker = Arc::clone(&worker);
                        running.spawn(async move {
                            worker.attempt(one).await;
                            // A place is free: there may be more to do.
                            worker.bell.ring();
                            drop(place);
                        });
                    }
                    POLL
                }
                Err(error) => {
                    tracing::warn!(%error, source = ?std::error::Error::source(&error), "nothing can be sent now");
                    PAUSE
                }
            };
            tokio::select! {
                () = &mut ending => break,
                () = worker.bell.0.notified(), if wait == POLL => {}
                () = sleep(wait) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    async fn attempt(&self, claimed: Claimed) {
        let id = claimed.correlation_id.as_deref().and_then(CorrelationId::parse).unwrap_or_default();
        let span = tracing::info_span!("delivery", correlation_id = %id, delivery = %claimed.id);
        let attempt = async {
            let (began, clock) = (Timestamp::now(), Instant::now());
            // One that panics would come again with the end of each lease, for ever.
            let report = AssertUnwindSafe(self.deliverer.deliver(&claimed)).catch_unwind().await;
            let report =
                report.unwrap_or_else(|_panic| Report::new(Outcome::Refused, "the service panicked"));
            let took = clock.elapsed();
            let (outcome, detail) = (report.outcome.as_str(), report.detail.as_str());
            let (template, channel) = (&claimed.template, &claimed.channel);
            tracing::info!(template, channel, attempt = claimed.attempt, outcome, detail, "attempted");
            match self.finish(&claimed, &report, (began, took)).await {
                Ok(()) => self.wake.wake(),
                // The lease ends, and it is attempted again.
                Err(error) => tracing::error!(%error, "the end of an attempt cannot be written"),
            }
        };
        id.scope(tracing::Instrument::instrument(attempt, span)).await;
    }

    /// Writes the end of an attempt, with all that comes of it, in one transaction.
    async fn finish(
        &self,
        claimed: &Claimed,
        report: &Report,
        time: (Timestamp, Duration),
    ) -> Result<(), Error> {
        let (state, again) = next(claimed, &report.outcome, fastrand::f64());
        let mut transaction = self.pool.begin().await?;
        if !deliveries::finish(&mut transaction, claimed, report, time, state, again).await? {
            tracing::warn!(delivery = %claimed.id, "somebody else has this delivery by now");
            return Ok(());
        }
        let Ok(channel) = claimed.channel.parse::<Channel>() else {
            return Ok(transaction.commit().await?);
        };
        let target = claimed.recipient.parse::<Uuid>().ok();
        match (channel, &report.outcome, target) {
            (Channel::Email, Outcome::Bounced, _) => {
                if let Some(hash) = self.deliverer.bounced(claimed) {
                    suppressions::add(&mut transaction, &hash, &report.detail).await?;
                }
            }
            (Channel::Push, Outcome::Bounced, Some(id)) => {
                push_subscriptions::remove(&mut transaction, id, None).await?;
            }
            (Channel::Webhook, Outcome::Sent, Some(id)) => {
                endpoints::succeeded(&mut transaction, id).await?;
            }
            (Channel::Webhook, Outcome::Later(_) | Outcome::Refused, Some(id)) => {
                endpoints::failed(&mut transaction, id, false).await?;
            }
            (Channel::Webhook, Outcome::Bounced, Some(id)) => {
                endpoints::failed(&mut transaction, id, true).await?;
            }
            _ => {}
        }
        let ended = Ended {
            notification: claimed.notification,
            delivery: claimed.id,
            user: claimed.user,
            template: &claimed.template,
            channel,
            state,
            reason: &report.detail,
            correlation_id: claimed.correlation_id.as_deref(),
            traceparent: claimed.traceparent.as_deref(),
        };
        ended.publish(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }
}

/// Where a delivery is after an attempt, and how long it waits there.
fn next(claimed: &Claimed, outcome: &Outcome, random: f64) -> (State, Duration) {
    let urgency = rules::of_template(&claimed.template).map_or(schedule::Urgency::Usual, |rule| rule.urgency);
    let over = |state| (state, Duration::ZERO);
    match outcome {
        Outcome::Sent => over(State::Sent),
        Outcome::Refused => over(State::Dead),
        Outcome::Bounced => over(State::Bounced),
        Outcome::Suppressed => over(State::Suppressed),
        Outcome::Later(asked) => {
            let tries = u32::try_from(claimed.tries).unwrap_or(u32::MAX);
            match schedule::after(urgency, tries, *asked, random) {
                Some(wait) => (State::Queued, wait),
                None => over(State::Dead),
            }
        }
    }
}

/// What may be sent to, by configuration.
pub fn guard(config: &crate::config::Outbound) -> guard::Guard {
    guard::Guard { networks: config.networks.clone(), plain_http: config.plain_http }
}
