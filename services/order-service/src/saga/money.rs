//! What is asked of the provider. The key of each request is written before it is made, and stays the same for as long as it
//! may have had an effect. Whoever does not know what came of a request looks before asking again.

use super::{Error, Runner};
use crate::{
    domain::fact::State,
    failpoint::{Moment, Stage},
    psp::{self, Intent, NewIntent, PaymentProvider},
    store::{
        orders::Order,
        payments::{self, Attempt, Payment},
    },
};

/// Who writes.
const ACTOR: &str = "saga";

/// What the provider said.
pub(super) enum Said {
    /// That the payment is so.
    Payment(Intent),
    /// That it will not.
    Refused(String),
    /// Nothing that can be relied on.
    Again(String),
}

impl Runner {
    /// Makes the payment with the provider.
    pub(super) async fn ask_create(&self, order: &Order, payment: &Payment) -> Result<Said, Error> {
        let provider = self.provider_of(payment)?;
        let attempt = payments::attempt(&self.pool, payment.id, "int").await?;
        self.failpoints.reach(Stage::CreateIntent, Moment::KeyWritten);
        let new = NewIntent {
            payment_id: payment.id,
            order_id: order.id,
            minor: payment.amount_minor,
            currency: &payment.currency,
        };
        match provider.create(new, &attempt.key).await {
            Ok(intent) => Ok(Said::Payment(intent)),
            Err(psp::Error::Refused { code, .. }) => Ok(Said::Refused(code)),
            Err(psp::Error::Busy(reason)) => Ok(Said::Again(reason)),
            Err(psp::Error::Lost { reason, is_replay }) => {
                match provider.find(payment.id).await {
                    Ok(Some(intent)) => return Ok(Said::Payment(intent)),
                    // This key will only ever give this answer. One that was made nevertheless holds nothing: only the one
                    // that we have a name for is ever confirmed.
                    Ok(None) if is_replay => self.spend(&attempt).await?,
                    Ok(None) | Err(_) => {}
                }
                Ok(Said::Again(reason))
            }
        }
    }

    /// Has the bank hold the money.
    pub(super) async fn ask_authorize(&self, payment: &Payment) -> Result<Said, Error> {
        let provider = self.provider_of(payment)?;
        let Some(reference) = payment.reference.as_deref() else { return Err(Error::Incomplete) };
        let attempt = payments::attempt(&self.pool, payment.id, "auth").await?;
        let is_there = |state| state != State::Open;
        if let Some(said) = look_before(provider, &attempt, reference, is_there).await {
            return Ok(said);
        }
        self.failpoints.reach(Stage::Authorize, Moment::KeyWritten);
        let answer = provider.authorize(reference, &payment.method, &attempt.key).await;
        Ok(match self.judge(payment, reference, &attempt, answer, is_there).await? {
            // Of what was to pay, not of the bank: for the customer it is the same, who may take another card.
            Said::Refused(code) => Said::Payment(Intent {
                reference: reference.to_owned(),
                state: State::Failed,
                payment_id: Some(payment.id),
                failure: Some(code),
            }),
            said => said,
        })
    }

    /// Takes the money.
    pub(super) async fn ask_capture(&self, payment: &Payment) -> Result<Said, Error> {
        let provider = self.provider_of(payment)?;
        let Some(reference) = payment.reference.as_deref() else { return Err(Error::Incomplete) };
        let attempt = payments::attempt(&self.pool, payment.id, "cap").await?;
        let is_there = |state| matches!(state, State::Captured(_) | State::Voided);
        if let Some(said) = look_before(provider, &attempt, reference, is_there).await {
            return Ok(said);
        }
        self.failpoints.reach(Stage::Capture, Moment::KeyWritten);
        let answer = provider.capture(reference, &attempt.key).await;
        self.judge(payment, reference, &attempt, answer, is_there).await
    }

    /// Gives up what is held. Nothing: the provider has no such payment.
    pub(super) async fn ask_void(&self, payment: &Payment) -> Result<Option<Said>, Error> {
        let provider = self.provider_of(payment)?;
        let reference = match payment.reference.clone() {
            Some(reference) => reference,
            None => match provider.find(payment.id).await {
                Ok(Some(intent)) => intent.reference,
                Ok(None) => return Ok(None),
                Err(psp::Error::Refused { code, .. }) => return Ok(Some(Said::Refused(code))),
                Err(error) => return Ok(Some(Said::Again(error.to_string()))),
            },
        };
        let attempt = payments::attempt(&self.pool, payment.id, "void").await?;
        let is_there = |state| matches!(state, State::Captured(_) | State::Voided);
        if let Some(said) = look_before(provider, &attempt, &reference, is_there).await {
            return Ok(Some(said));
        }
        self.failpoints.reach(Stage::Void, Moment::KeyWritten);
        let answer = provider.void(&reference, &attempt.key).await;
        self.judge(payment, &reference, &attempt, answer, is_there).await.map(Some)
    }

    /// What an answer means. Where it means nothing, the provider is looked at.
    async fn judge(
        &self,
        payment: &Payment,
        reference: &str,
        attempt: &Attempt,
        answer: Result<Intent, psp::Error>,
        is_there: impl Fn(State) -> bool,
    ) -> Result<Said, Error> {
        let (refusal, lost) = match answer {
            Ok(intent) => return Ok(Said::Payment(intent)),
            Err(psp::Error::Busy(reason)) => return Ok(Said::Again(reason)),
            Err(psp::Error::Refused { code, .. }) => (Some(code), None),
            Err(psp::Error::Lost { reason, is_replay }) => (None, Some((reason, is_replay))),
        };
        if lost.is_some() {
            self.lose(payment).await?;
        }
        let seen = self.provider_of(payment)?.get(reference).await;
        Ok(match (seen, refusal, lost) {
            (Ok(intent), ..) if is_there(intent.state) => Said::Payment(intent),
            (Ok(_) | Err(psp::Error::Refused { .. }), Some(code), _) => Said::Refused(code),
            (Ok(_), None, Some((reason, true))) => {
                // The key is used up, without an effect; and this can be done only once, whatever the key: a payment that
                // is held is taken once, one that is open is confirmed once.
                self.spend(attempt).await?;
                Said::Again(reason)
            }
            (_, _, Some((reason, _))) => Said::Again(reason),
            (Err(error), ..) => Said::Again(error.to_string()),
            (Ok(_), None, None) => Said::Again("nothing was said".to_owned()),
        })
    }

    async fn lose(&self, payment: &Payment) -> Result<(), Error> {
        let mut transaction = self.pool.begin().await?;
        payments::lose(&mut transaction, payment.id, ACTOR).await?;
        self.failpoints.reach(Stage::Lose, Moment::Committing);
        transaction.commit().await?;
        self.failpoints.reach(Stage::Lose, Moment::Committed);
        Ok(())
    }

    async fn spend(&self, attempt: &Attempt) -> Result<(), Error> {
        payments::spent(&self.pool, &attempt.key).await?;
        self.failpoints.reach(Stage::Spend, Moment::Committed);
        Ok(())
    }
}

/// When a request may have been made before: what came of it, if that is known.
async fn look_before(
    provider: &dyn PaymentProvider,
    attempt: &Attempt,
    reference: &str,
    is_there: impl Fn(State) -> bool,
) -> Option<Said> {
    if !attempt.is_again {
        return None;
    }
    match provider.get(reference).await {
        Ok(intent) if is_there(intent.state) => Some(Said::Payment(intent)),
        Ok(_) | Err(psp::Error::Refused { .. }) => None,
        Err(error) => Some(Said::Again(error.to_string())),
    }
}
