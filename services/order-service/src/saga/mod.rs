//! Runs sagas: takes those that are due, does their steps one after the other, and writes where each is. Whoever dies on the way
//! leaves a lease that ends, and somebody else goes on; each step may be done again.

mod money;
mod refund;
mod step;
mod stray;

use std::{sync::Arc, time::Duration};

use flotilla_bus::outbox::Wake;
use flotilla_kit::{
    correlation::CorrelationId,
    database::{Pool, bounded},
    drain::{Drain, Phase},
};
use tokio::{
    sync::{Notify, Semaphore},
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{
    domain::saga::Step,
    failpoint::Failpoints,
    psp::PaymentProvider,
    stock::Stock,
    store::{
        self,
        payments::Payment,
        sagas::{self, Leased},
    },
};

/// Sagas that one process works on at a time.
const AT_ONCE: usize = 32;

/// How long to go without a look: what others leave behind wakes nobody here.
const POLL: Duration = Duration::from_millis(500);

/// What is said of a step that is to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What the order needs is not there.
    #[error("the order has no payment, or the saga no order")]
    Incomplete,
    /// A payment is of a provider that this service is not configured for.
    #[error("a payment is with {0}, which is not the provider of this service (SHOP_PSP)")]
    OtherProvider(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Times that a saga takes.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How long somebody who works on a saga has it.
    pub lease: Duration,
    /// How long stock is kept.
    pub reservation: Duration,
    /// How long to wait after the first failure; twice as long after each next one.
    pub pause: Duration,
    /// How long at most.
    pub longest_pause: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            reservation: Duration::from_secs(20 * 60),
            pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// Runs sagas.
#[derive(Clone, Debug)]
pub struct Runner {
    pub(crate) pool: Pool,
    pub(crate) provider: Arc<dyn PaymentProvider>,
    stock: Stock,
    times: Times,
    pub(crate) failpoints: Failpoints,
    due: Arc<Notify>,
    outbox: Wake,
}

/// How a step went.
enum Progress {
    /// There is a next one.
    On,
    /// It is to be tried again later.
    Again(String),
    /// It waits for somebody, or for so long.
    Waits(Duration),
    /// Somebody else has it now.
    Lost,
}

impl Runner {
    /// With what it needs.
    pub fn new(
        pool: Pool,
        provider: Arc<dyn PaymentProvider>,
        stock: Stock,
        times: Times,
        failpoints: Failpoints,
        outbox: Wake,
    ) -> Self {
        Self { pool, provider, stock, times, failpoints, due: Arc::default(), outbox }
    }

    /// Something is due; its transaction has been committed.
    pub fn wake(&self) {
        self.due.notify_one();
        self.outbox.wake();
    }

    /// The provider of a payment.
    fn provider_of(&self, payment: &Payment) -> Result<&dyn PaymentProvider, Error> {
        if self.provider.name() == payment.provider {
            return Ok(&*self.provider);
        }
        Err(Error::OtherProvider(payment.provider.clone()))
    }

    /// Runs until the end of the service. What is at work ends its step.
    pub async fn run(self, drain: Drain) {
        let mut ending = std::pin::pin!(drain.at_least(Phase::Ending));
        let room = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let has_worked = self.take(&room, &drain).await;
            let wait = if has_worked { Duration::ZERO } else { POLL };
            tokio::select! {
                () = &mut ending => break,
                _ = timeout(wait, self.due.notified()) => {}
            }
        }
        // What runs has until the end of the process; what it leaves is gone on with.
        let _all = room.acquire_many(u32::try_from(AT_ONCE).unwrap_or(u32::MAX)).await.is_ok();
    }

    /// Takes what is due. Whether there may be more.
    async fn take(&self, room: &Arc<Semaphore>, drain: &Drain) -> bool {
        let free = room.available_permits();
        if free == 0 {
            sleep(Duration::from_millis(5)).await;
            return true;
        }
        let owner = Uuid::now_v7();
        let limit = i64::try_from(free).unwrap_or(1);
        let claimed = sagas::claim(&self.pool, owner, self.times.lease.as_secs_f64(), limit);
        let due = match bounded(claimed).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "sagas cannot be taken now");
                return false;
            }
        };
        let count = due.len();
        for leased in due {
            let Ok(place) = Arc::clone(room).acquire_owned().await else { return false };
            let (this, drain) = (self.clone(), drain.clone());
            tokio::spawn(async move {
                this.drive(leased, &drain).await;
                drop(place);
            });
        }
        count == free
    }

    /// Does the steps of a saga until it ends, waits or fails.
    async fn drive(&self, mut leased: Leased, drain: &Drain) {
        let correlation = bounded(store::orders::get(&self.pool, leased.order_id)).await.ok().flatten();
        let correlation =
            correlation.and_then(|order| CorrelationId::parse(order.correlation_id.as_deref()?));
        correlation.unwrap_or_default().scope(self.steps(&mut leased, drain)).await;
    }

    async fn steps(&self, leased: &mut Leased, drain: &Drain) {
        loop {
            let step = leased.saga.step;
            let (pause, error) = match bounded(Box::pin(self.step(leased))).await {
                Ok(Progress::On) if leased.saga.step != Step::Done && drain.phase() < Phase::Ending => {
                    self.outbox.wake();
                    continue;
                }
                Ok(Progress::On) => (Duration::ZERO, None),
                Ok(Progress::Lost) => return,
                Ok(Progress::Waits(time)) => {
                    leased.attempt = 0;
                    (time, None)
                }
                Ok(Progress::Again(reason)) => (self.pause(leased), Some(reason)),
                Err(error) => (self.pause(leased), Some(causes(&error))),
            };
            self.outbox.wake();
            if let Some(reason) = &error {
                let attempt = leased.attempt;
                tracing::warn!(order = %leased.order_id, %step, attempt, reason, "a step is to be tried again");
            }
            let given = sagas::give_back(&self.pool, leased, pause.as_secs_f64(), error.as_deref());
            if let Err(error) = bounded(given).await {
                tracing::warn!(order = %leased.order_id, %error, "a saga cannot be given back; its lease ends");
            }
            self.due_after(pause);
            return;
        }
    }

    fn pause(&self, leased: &mut Leased) -> Duration {
        let pause = backoff(leased.attempt, &self.times);
        leased.attempt = leased.attempt.saturating_add(1);
        pause
    }

    fn due_after(&self, pause: Duration) {
        if pause < POLL {
            let due = Arc::clone(&self.due);
            tokio::spawn(async move {
                sleep(pause).await;
                due.notify_one();
            });
        }
    }
}

/// Twice as long each time, and not all at once.
fn backoff(attempt: i32, times: &Times) -> Duration {
    let doublings = u32::try_from(attempt).unwrap_or_default().min(16);
    let pause = times.pause.saturating_mul(1 << doublings).min(times.longest_pause);
    pause.mul_f64(fastrand::f64().mul_add(0.5, 0.75))
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_growing() {
        let times = Times::default();
        for attempt in [0, 1, 5, 40, i32::MAX] {
            let pause = backoff(attempt, &times);
            assert!(pause >= times.pause.mul_f64(0.75) && pause <= times.longest_pause.mul_f64(1.25));
        }
        assert!(backoff(0, &times) < backoff(3, &times));
    }
}
