//! Gives money back: what somebody has asked for, and what is left of an order that is undone. Not even a lost answer makes a
//! second refund: its key is that of the refund, always.

use std::time::Duration;

use flotilla_kit::{
    database::bounded,
    drain::{Drain, Phase},
};
use futures::{StreamExt, stream};
use tokio::time::sleep;
use uuid::Uuid;

use super::{Error, Runner, backoff};
use crate::{
    failpoint::{Moment, Stage},
    psp::{self, PaymentProvider, RefundState},
    store::{
        orders::{self, Order},
        payments::{self, Payment},
        refunds::{self, Refund},
    },
};

/// How long to go without a look.
const POLL: Duration = Duration::from_millis(500);

/// Refunds that are taken at a time.
const BATCH: i64 = 16;

/// Refunds that are asked for at once.
const AT_ONCE: usize = 8;

/// Who writes.
const ACTOR: &str = "refunds";

/// How much of a payment is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// All of it.
    Back,
    /// Not all yet.
    UnderWay,
    /// Not all, and the provider will not give it back.
    Refused,
}

impl Runner {
    /// Gives back what is asked for, until the end of the service.
    pub async fn run_refunds(self, drain: Drain) {
        let mut ending = std::pin::pin!(drain.at_least(Phase::Ending));
        loop {
            match bounded(refunds::claim(&self.pool, self.times.lease.as_secs_f64(), BATCH)).await {
                Ok(due) => {
                    let all = stream::iter(due).for_each_concurrent(AT_ONCE, async |refund| {
                        if let Err(error) = bounded(self.give_back(&refund)).await {
                            tracing::warn!(refund = %refund.id, %error, "a refund is to be tried again");
                        }
                    });
                    all.await;
                }
                Err(error) => tracing::warn!(%error, "refunds cannot be taken now"),
            }
            tokio::select! {
                () = &mut ending => return,
                () = sleep(POLL) => {}
            }
        }
    }

    /// Asks the provider to give it back, and writes that it has.
    async fn give_back(&self, refund: &Refund) -> Result<(), Error> {
        let payment = payments::get(&self.pool, refund.payment_id).await?.ok_or(Error::Incomplete)?;
        let provider = self.provider_of(&payment)?;
        let Some(reference) = payment.reference.as_deref() else { return Err(Error::Incomplete) };
        self.failpoints.reach(Stage::Refund, Moment::Begun);
        let key = format!("ref:{}", refund.id);
        // The provider forgets keys after a day.
        let found = if refund.attempt > 1 { look_for(provider, reference, refund).await } else { Ok(None) };
        let answer = match found {
            Ok(Some(found)) => Ok(found),
            Ok(None) => provider.refund(reference, refund.id, refund.amount_minor, &key).await,
            Err(_) => return self.later(refund).await,
        };
        self.failpoints.reach(Stage::Refund, Moment::Called);
        let known = match answer {
            Ok(known) => known,
            Err(error) => match (look_for(provider, reference, refund).await, error) {
                (Ok(Some(known)), _) => known,
                (Ok(None), psp::Error::Refused { code, .. }) => return self.write(refund, Err(&code)).await,
                // The key will only ever give this answer, and there is none: a person has to decide.
                (Ok(None), psp::Error::Lost { is_replay: true, .. }) => {
                    return self.write(refund, Err("provider_failed")).await;
                }
                _ => return self.later(refund).await,
            },
        };
        match known.state {
            RefundState::Done => self.write(refund, Ok(&known.reference)).await,
            RefundState::Failed => self.write(refund, Err("bank_refused")).await,
            RefundState::UnderWay => self.later(refund).await,
        }
    }

    async fn write(&self, refund: &Refund, outcome: Result<&str, &str>) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        refunds::apply(&mut transaction, refund.order_id, refund.id, outcome, ACTOR).await?;
        self.failpoints.reach(Stage::Refund, Moment::Committing);
        transaction.commit().await?;
        self.failpoints.reach(Stage::Refund, Moment::Committed);
        self.wake();
        Ok(())
    }

    async fn later(&self, refund: &Refund) -> Result<(), Error> {
        let pause = backoff(refund.attempt, &self.times);
        Ok(refunds::later(&self.pool, refund.id, pause.as_secs_f64()).await?)
    }

    /// Gives back what is left of a payment that its order has no use for. Why it does makes which refund it is.
    pub(super) async fn refund_rest(
        &self,
        order: &Order,
        payment: &Payment,
        cause: &str,
    ) -> Result<Rest, Error> {
        let id = Uuid::new_v5(&payment.id, cause.as_bytes());
        let mut transaction = self.pool.begin().await?;
        let mut order = orders::lock(&mut transaction, order.id).await?.ok_or(Error::Incomplete)?;
        let known = payments::of_locked(&mut transaction, payment.id).await?.ok_or(Error::Incomplete)?.known;
        let left = known.captured_minor - known.refunded_minor;
        if left == 0 {
            return Ok(Rest::Back);
        }
        let pending = refunds::pending_minor(&mut transaction, payment.id).await?;
        if left > pending {
            let refund = Refund {
                id,
                order_id: order.id,
                payment_id: payment.id,
                amount_minor: left - pending,
                reason: "cancelled".to_owned(),
                status: String::new(),
                reference: None,
                attempt: 0,
            };
            refunds::request(&mut transaction, &mut order, &refund, ACTOR).await?;
        }
        self.failpoints.reach(Stage::GiveBack, Moment::Committing);
        transaction.commit().await?;
        self.failpoints.reach(Stage::GiveBack, Moment::Committed);
        if let Some(refund) =
            refunds::get(&self.pool, id).await?.filter(|refund| refund.status == "requested")
        {
            self.give_back(&refund).await?;
        }
        let payment = payments::get(&self.pool, payment.id).await?.ok_or(Error::Incomplete)?;
        if payment.known.captured_minor == payment.known.refunded_minor {
            return Ok(Rest::Back);
        }
        let has_failed = refunds::get(&self.pool, id).await?.is_some_and(|refund| refund.status == "failed");
        Ok(if has_failed { Rest::Refused } else { Rest::UnderWay })
    }
}

async fn look_for(
    provider: &dyn PaymentProvider,
    reference: &str,
    refund: &Refund,
) -> Result<Option<psp::Refund>, psp::Error> {
    let all = provider.refunds(reference).await?;
    Ok(all.into_iter().find(|one| one.refund_id == Some(refund.id)))
}
