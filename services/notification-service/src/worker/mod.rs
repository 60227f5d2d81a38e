//! Sends what is due. Any number of them may run: each takes deliveries for a while (a lease), and what it writes of an attempt
//! counts only while it has it. Between an answer and the writing of it a crash makes a second attempt: the same Message-ID,
//! `webhook-id` or topic tells whoever gets it that it is the same.

mod bell;
mod busy;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use flotilla_bus::outbox::Wake;
use flotilla_kit::{
    correlation::CorrelationId,
    database::{Pool, bounded},
    drain::{Drain, Phase},
};
use futures::{FutureExt, future::join_all};
use jiff::Timestamp;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};
use uuid::Uuid;

pub use self::bell::Bell;
use self::busy::Busy;
use crate::{
    deliver::Deliverer,
    domain::{
        channel::Channel,
        outcome::{Outcome, Report, State},
        rate::Rate,
        rules, schedule,
    },
    events::Ended,
    measures::Measures,
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

/// Of the places for webhooks, the part that one endpoint may have and still be given more: one that hangs leaves some.
const SHARE: u32 = 4;

/// Sends what is due.
#[derive(Debug)]
pub struct Worker {
    /// The database.
    pub pool: Pool,
    /// How things are sent.
    pub deliverer: Arc<Deliverer>,
    /// Deliveries of each channel at a time.
    pub room: u32,
    /// Mails a second. 0: as many as there are.
    pub mails_per_second: u32,
    /// What has it look at once.
    pub bell: Bell,
    /// The relay of its events.
    pub wake: Wake,
    /// What it counts.
    pub measures: Measures,
}

impl Worker {
    /// Sends until the end, and then finishes what it has begun.
    pub async fn run(self, drain: Drain) {
        let worker = Arc::new(self);
        // One that hangs holds up none of the others.
        join_all(Channel::ALL.map(|channel| Arc::clone(&worker).run_channel(channel, drain.clone()))).await;
    }

    async fn run_channel(self: Arc<Self>, channel: Channel, drain: Drain) {
        let room = Arc::new(Semaphore::new(usize::try_from(self.room).unwrap_or(1)));
        let (busy, share) = (Busy::default(), self.room.div_ceil(SHARE));
        let mut rate = if channel == Channel::Email { Rate::new(self.mails_per_second) } else { None };
        let began = Instant::now();
        let mut ending = std::pin::pin!(drain.at_least(Phase::Ending));
        let mut running = JoinSet::new();
        loop {
            while running.try_join_next().is_some() {}
            let mut most = u32::try_from(room.available_permits()).unwrap_or(self.room);
            if channel == Channel::Webhook {
                // All of them may be for one endpoint.
                most = most.min(share);
            }
            if let Some(rate) = &mut rate {
                most = rate.available(began.elapsed(), most);
            }
            let claimed = match most {
                0 => Ok(Vec::new()),
                most => {
                    let busy = busy.with(share);
                    bounded(deliveries::claim(&self.pool, channel, &busy, most.into())).await
                }
            };
            let wait = match claimed {
                Ok(claimed) => {
                    let count = u32::try_from(claimed.len()).unwrap_or(most);
                    if let Some(rate) = &mut rate {
                        rate.take(count);
                    }
                    for one in claimed {
                        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
                        let held = (channel == Channel::Webhook).then(|| busy.hold(&one.recipient));
                        let worker = Arc::clone(&self);
                        running.spawn(async move {
                            worker.attempt(one).await;
                            drop((held, place));
                            // There may be more to do.
                            worker.bell.ring_for(channel);
                        });
                    }
                    if most > 0 && count == most { Duration::ZERO } else { POLL }
                }
                Err(error) => {
                    tracing::warn!(%error, source = ?std::error::Error::source(&error), "nothing can be sent now");
                    PAUSE
                }
            };
            tokio::select! {
                biased;
                () = &mut ending => break,
                () = self.bell.rung(channel), if wait == POLL => {}
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
            match bounded(self.finish(&claimed, &report, (began, took))).await {
                Ok(state) => {
                    self.measures.attempted(channel, outcome, state);
                    self.wake.wake();
                }
                // The lease ends, and it is attempted again.
                Err(error) => tracing::error!(%error, "the end of an attempt cannot be written"),
            }
        };
        id.scope(tracing::Instrument::instrument(attempt, span)).await;
    }

    /// Writes the end of an attempt, with all that comes of it, in one transaction. Nothing: it is somebody else's by now.
    async fn finish(
        &self,
        claimed: &Claimed,
        report: &Report,
        time: (Timestamp, Duration),
    ) -> Result<Option<State>, Error> {
        let (state, again) = next(claimed, &report.outcome, fastrand::f64());
        let mut transaction = self.pool.begin().await?;
        if !deliveries::finish(&mut transaction, claimed, report, time, state, again).await? {
            tracing::warn!(delivery = %claimed.id, "somebody else has this delivery by now");
            return Ok(None);
        }
        let Ok(channel) = claimed.channel.parse::<Channel>() else {
            transaction.commit().await?;
            return Ok(Some(state));
        };
        let target = claimed.recipient.parse::<Uuid>().ok();
        match (channel, &report.outcome, target) {
            (Channel::Email, Outcome::Bounced, _) => {
                if let Some(address) = &report.bounced {
                    let hash = self.deliverer.keys.hash_address(address.expose());
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
            bounced: report.bounced.as_ref(),
            correlation_id: claimed.correlation_id.as_deref(),
            traceparent: claimed.traceparent.as_deref(),
        };
        ended.publish(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Some(state))
    }
}

/// Where a delivery is after an attempt, and how long it waits there.
fn next(claimed: &Claimed, outcome: &Outcome, random: f64) -> (State, Duration) {
    let urgency = rules::urgency(&claimed.template);
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
