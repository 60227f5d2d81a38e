//! Looks at a payment with its provider, and applies what that says. So do webhooks (whose content is not believed), the
//! customer who comes back from their bank, and the reconciler.

use std::{sync::Arc, time::Duration};

use flotilla_kit::{
    database::{Pool, Transaction, bounded},
    drain::{Drain, Phase},
};
use futures::{StreamExt, stream};
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    domain::fact::State,
    failpoint::{Moment, Stage},
    psp::{self, Heard, PaymentProvider, RefundState},
    saga::{self, Runner},
    store::{
        self, orders,
        payments::{self, Payment},
        refunds::{self, Refund},
        webhooks,
    },
};

/// Payments that a reconciler takes at a time.
const BATCH: i64 = 50;

/// Payments that it looks at at once.
const AT_ONCE: usize = 8;

/// Why a payment could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The provider did not answer.
    #[error("the provider does not answer")]
    Provider(#[from] psp::Error),
    /// A payment that pays nothing was not given up.
    #[error(transparent)]
    Stray(#[from] saga::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Has a webhook have its effect, once.
pub async fn hear(runner: &Runner, provider: &dyn PaymentProvider, heard: &Heard) -> Result<(), Error> {
    if webhooks::is_handled(&runner.pool, provider.name(), &heard.id).await? {
        return Ok(());
    }
    runner.failpoints.reach(Stage::Webhook, Moment::Begun);
    let seen = match heard.reference.as_deref() {
        Some(reference) => look(&runner.pool, provider, reference).await?,
        None => None,
    };
    runner.failpoints.reach(Stage::Webhook, Moment::Called);
    let mut transaction = runner.pool.begin().await?;
    if !webhooks::note(&mut transaction, provider.name(), &heard.id, &heard.kind).await? {
        return Ok(transaction.rollback().await?);
    }
    if let Some(seen) = seen {
        apply(&mut transaction, &seen, &format!("webhook:{}", heard.id)).await?;
    }
    runner.failpoints.reach(Stage::Webhook, Moment::Committing);
    transaction.commit().await?;
    runner.failpoints.reach(Stage::Webhook, Moment::Committed);
    runner.wake();
    Ok(())
}

/// Has what the provider says now of a payment have its effect.
pub async fn refresh(
    runner: &Runner,
    provider: &dyn PaymentProvider,
    payment: &Payment,
    actor: &str,
) -> Result<(), Error> {
    let Some(reference) = payment.reference.as_deref() else { return Ok(()) };
    runner.failpoints.reach(Stage::Look, Moment::Begun);
    let seen = look(&runner.pool, provider, reference).await?;
    runner.failpoints.reach(Stage::Look, Moment::Called);
    if let Some(seen) = seen {
        let mut transaction = runner.pool.begin().await?;
        apply(&mut transaction, &seen, actor).await?;
        runner.failpoints.reach(Stage::Look, Moment::Committing);
        transaction.commit().await?;
        runner.failpoints.reach(Stage::Look, Moment::Committed);
        runner.wake();
    }
    Ok(())
}

/// What the provider says of a payment of ours.
struct Seen {
    payment: Uuid,
    intent: psp::Intent,
    refunds: Vec<psp::Refund>,
}

async fn look(pool: &Pool, provider: &dyn PaymentProvider, reference: &str) -> Result<Option<Seen>, Error> {
    let intent = match provider.get(reference).await {
        Ok(intent) => intent,
        // Somebody else's, or none.
        Err(psp::Error::Refused { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let known = payments::by_reference(pool, provider.name(), reference).await?;
    // A webhook may come before the answer that has the reference.
    let Some(payment) = known.or(intent.payment_id) else { return Ok(None) };
    let is_taken = matches!(intent.state, State::Captured(_));
    let refunds = if is_taken { provider.refunds(reference).await? } else { Vec::new() };
    Ok(Some(Seen { payment, intent, refunds }))
}

async fn apply(transaction: &mut Transaction<'_>, seen: &Seen, actor: &str) -> Result<(), store::Error> {
    let applied = payments::apply(transaction, seen.payment, &seen.intent, actor).await?;
    let Some((mut order, payment)) = applied else { return Ok(()) };
    for refund in seen.refunds.iter().filter(|refund| refund.state == RefundState::Done) {
        // One that was made with the provider itself is ours from now on.
        let id = refund.refund_id.unwrap_or_else(|| Uuid::new_v5(&payment.id, refund.reference.as_bytes()));
        let new = Refund {
            id,
            order_id: order.id,
            payment_id: payment.id,
            amount_minor: refund.minor,
            reason: "made with the provider".to_owned(),
            status: String::new(),
            reference: None,
            attempt: 0,
        };
        refunds::request(transaction, &mut order, &new, actor).await?;
        refunds::apply(transaction, order.id, id, Ok(&refund.reference), actor).await?;
        if let Some(now) = orders::lock(transaction, order.id).await? {
            order = now;
        }
    }
    Ok(())
}

/// Looks at payments of which nothing was heard for so long, until the end of the service.
pub async fn reconcile(runner: Runner, provider: Arc<dyn PaymentProvider>, every: Duration, drain: Drain) {
    let mut ending = std::pin::pin!(drain.at_least(Phase::Ending));
    loop {
        if let Err(error) = reconcile_all(&runner, &*provider, every).await {
            tracing::warn!(%error, "payments cannot be reconciled now");
        }
        tokio::select! {
            () = &mut ending => return,
            () = sleep(every) => {}
        }
    }
}

async fn reconcile_all(
    runner: &Runner,
    provider: &dyn PaymentProvider,
    age: Duration,
) -> Result<(), store::Error> {
    loop {
        let due = bounded(payments::claim_unsettled(&runner.pool, age.as_secs_f64(), BATCH)).await?;
        let is_all = due.len() < usize::try_from(BATCH).unwrap_or_default();
        let all = stream::iter(due).for_each_concurrent(AT_ONCE, async |id| {
            // One that cannot be looked at keeps nobody from the others.
            if let Err(error) = bounded(Box::pin(reconcile_one(runner, provider, id))).await {
                tracing::warn!(payment = %id, %error, "a payment cannot be reconciled now");
            }
        });
        all.await;
        if is_all {
            return Ok(());
        }
    }
}

async fn reconcile_one(runner: &Runner, provider: &dyn PaymentProvider, id: Uuid) -> Result<(), Error> {
    let Some(payment) = payments::get(&runner.pool, id).await? else { return Ok(()) };
    if payment.provider == provider.name() {
        refresh(runner, provider, &payment, "reconciler").await?;
        runner.give_up_stray(id).await?;
    }
    Ok(())
}
