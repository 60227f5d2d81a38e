//! Takes deliveries for a subscription, renews their leases, and settles what has an answer.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use sqlx::PgPool;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use super::{
    lease,
    settle::{self, Outcome, Tag},
    wake::{POLL, Sleeper},
};
use crate::{
    Delivery, Lost, Subscription,
    delivery::{Settlement, Verdict},
};

/// Answers that are settled at a time.
const BATCH: usize = 256;

/// How long to wait when the database fails.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Worker {
    pool: PgPool,
    subscription: Subscription,
    deliveries: mpsc::Sender<Delivery>,
    answers: mpsc::UnboundedReceiver<Settlement<Tag>>,
    answer: mpsc::UnboundedSender<Settlement<Tag>>,
    /// What is out, with its key.
    held: HashMap<Tag, String>,
    sleeper: Sleeper,
    /// When the next of those that failed here is due.
    due: Option<Instant>,
}

impl Worker {
    pub(super) fn new(pool: PgPool, subscription: Subscription, deliveries: mpsc::Sender<Delivery>) -> Self {
        let (answer, answers) = mpsc::unbounded_channel();
        let sleeper = Sleeper::start(pool.clone(), subscription.consumer.to_string());
        Self { pool, subscription, deliveries, answers, answer, held: HashMap::new(), sleeper, due: None }
    }

    /// Works until the deliveries are closed and everything has its answer.
    pub(super) async fn run(mut self) {
        let third = self.subscription.policy.lease / 3;
        let mut renewal = Instant::now() + third;
        // There may be something.
        let mut is_awake = true;
        loop {
            // Looked at once: what is closed after it wakes whoever waits for that.
            let is_closed = self.deliveries.is_closed();
            if is_closed && self.held.is_empty() {
                break;
            }
            let free = self.free();
            if is_awake && free > 0 {
                is_awake = self.take(free).await;
                continue;
            }
            let mut answers = Vec::new();
            let patience = self.patience();
            tokio::select! {
                count = self.answers.recv_many(&mut answers, BATCH) => {
                    if count > 0 {
                        is_awake |= self.settle(answers).await;
                    }
                }
                () = sleep_until(renewal) => {
                    self.renew().await;
                    renewal = Instant::now() + third;
                }
                // With no room, what is there now is found when there is.
                () = self.sleeper.wait(patience), if free > 0 => is_awake = true,
                () = self.deliveries.closed(), if !is_closed => {}
            }
        }
    }

    /// How many more may be out.
    fn free(&self) -> usize {
        if self.deliveries.is_closed() {
            return 0;
        }
        let most = usize::try_from(self.subscription.in_flight.get()).unwrap_or(usize::MAX);
        most.saturating_sub(self.held.len())
    }

    /// How long to go without a look.
    fn patience(&self) -> Duration {
        let until_due = self.due.map(|due| due.saturating_duration_since(Instant::now()));
        until_due.map_or(POLL, |due| due.min(POLL))
    }

    /// Takes what is due. Tells whether there may be more.
    async fn take(&mut self, free: usize) -> bool {
        let consumer = self.subscription.consumer.as_str();
        let policy = &self.subscription.policy;
        if self.due.is_some_and(|due| due <= Instant::now()) {
            self.due = None;
        }
        let leased = match lease::take(&self.pool, consumer, free, policy.lease).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::warn!(%consumer, %error, "deliveries cannot be taken");
                sleep(PAUSE).await;
                return false;
            }
        };
        let may_be_more = leased.len() == free;
        for lease::Leased { tag, event } in leased {
            self.held.insert(tag, event.key.clone());
            let attempt = u32::try_from(tag.attempt).unwrap_or(u32::MAX);
            let answer = self.answer.clone();
            if attempt > self.subscription.policy.attempts() {
                // Whoever had it each time is gone: it may be what ended them.
                let reason = "each of those who had it ended without an answer".to_owned();
                let (done, _nobody) = oneshot::channel();
                let _sent = answer.send(Settlement { tag, verdict: Verdict::Dead(reason), done }).is_ok();
                continue;
            }
            // The channel has room for as many as may be out, unless it has been closed.
            if let Err(error) = self.deliveries.try_send(Delivery::new(event, attempt, tag, answer)) {
                error.into_inner().give_back();
            }
        }
        may_be_more
    }

    /// Settles answers. Tells whether something else may be due by that.
    async fn settle(&mut self, settlements: Vec<Settlement<Tag>>) -> bool {
        let policy = self.subscription.policy.clone();
        let mut answers = Vec::with_capacity(settlements.len());
        let mut waiting = Vec::with_capacity(settlements.len());
        for Settlement { tag, verdict, done } in settlements {
            let Some(key) = self.held.remove(&tag) else { continue };
            let attempt = u32::try_from(tag.attempt).unwrap_or(u32::MAX);
            let outcome = match verdict {
                Verdict::Done => Outcome::Done,
                Verdict::Dead(reason) => Outcome::Dead(reason),
                Verdict::Back => Outcome::Back,
                Verdict::Again(reason) => match policy.after(attempt) {
                    Some(delay) => {
                        let due = Instant::now() + delay;
                        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
                        Outcome::Again(delay)
                    }
                    None => Outcome::Dead(reason),
                },
            };
            answers.push((tag, key, outcome));
            waiting.push((tag, done));
        }
        let consumer = self.subscription.consumer.as_str();
        let settled = self.settle_in_time(&answers).await;
        for (tag, done) in waiting {
            let was_held = settled.contains(&tag);
            if !was_held {
                tracing::warn!(%consumer, seq = tag.seq, "an answer came too late");
            }
            let _heard = done.send(if was_held { Ok(()) } else { Err(Lost) }).is_ok();
        }
        true
    }

    /// Tries until the leases would have ended.
    async fn settle_in_time(&self, answers: &[settle::Answer]) -> HashSet<Tag> {
        let deadline = Instant::now() + self.subscription.policy.lease;
        loop {
            match settle::settle(&self.pool, self.subscription.consumer.as_str(), answers).await {
                Ok(settled) => return settled,
                Err(error) if Instant::now() < deadline => {
                    tracing::warn!(%error, "answers cannot be settled yet");
                    sleep(PAUSE).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "answers are lost; what they were for comes again");
                    return HashSet::new();
                }
            }
        }
    }

    async fn renew(&self) {
        if self.held.is_empty() {
            return;
        }
        let tags: Vec<_> = self.held.keys().copied().collect();
        let consumer = self.subscription.consumer.as_str();
        let renewed = lease::renew(&self.pool, consumer, &tags, self.subscription.policy.lease).await;
        if let Err(error) = renewed {
            tracing::warn!(%consumer, %error, "leases cannot be renewed");
        }
    }
}
