//! A step: what is written before it, what is asked of others, and what is written after it.

use std::time::Duration;

use flotilla_kit::database::Transaction;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Error, Progress, Runner, money::Said, refund::Rest};
use crate::{
    domain::{
        order::{self, Stock as StockOf},
        payment,
        saga::{Compensation, Outcome, Step},
    },
    failpoint::{Moment, Stage},
    psp::Intent,
    stock,
    store::{
        orders::{self, Order},
        payments::{self, Payment},
        sagas::{self, Leased},
    },
};

/// Who writes.
const ACTOR: &str = "saga";

/// What others said.
enum Called {
    /// It came to this.
    To(Outcome, Option<String>),
    /// The provider says that this payment is so.
    Payment(Uuid, Intent),
    /// It is not known yet.
    Again(String),
}

impl Runner {
    pub(super) async fn step(&self, leased: &mut Leased) -> Result<Progress, Error> {
        let order = orders::get(&self.pool, leased.order_id).await?.ok_or(Error::Incomplete)?;
        let payment = payments::get(&self.pool, order.payment_id).await?.ok_or(Error::Incomplete)?;
        if let Some((target, reason)) = abandoned(leased, &order, &payment) {
            leased.reason = Some(reason.to_owned());
            return self.finish(leased, Called::To(Outcome::Abandoned(target), None)).await;
        }
        let step = leased.saga.step;
        if step != Step::AwaitPayment {
            self.pass(leased, Moment::Begun);
        }
        let called = match step {
            Step::Reserve => self.reserve(&order).await?,
            Step::CreateIntent => self.create_intent(&order, &payment).await?,
            Step::Authorize => self.authorize(&payment).await?,
            Step::AwaitPayment => match outcome_of(&payment) {
                Some(outcome @ (Outcome::Done | Outcome::Abandoned(_))) => Called::To(outcome, None),
                _ => return Ok(Progress::Waits(until(leased.deadline))),
            },
            Step::Commit => self.commit(&order).await?,
            Step::Capture => self.capture(&payment).await?,
            Step::Undo => match leased.saga.next_undo() {
                Some(Compensation::Release) => self.release(&order).await?,
                Some(Compensation::Void) => self.void(leased, &order, &payment).await?,
                None => Called::To(Outcome::Done, None),
            },
            Step::Done => return Ok(Progress::On),
        };
        if step != Step::AwaitPayment {
            self.pass(leased, Moment::Called);
        }
        self.finish(leased, called).await
    }

    fn pass(&self, leased: &Leased, moment: Moment) {
        if let Some(stage) = Stage::of(leased.saga.step, leased.saga.next_undo()) {
            self.failpoints.reach(stage, moment);
        }
    }

    async fn reserve(&self, order: &Order) -> Result<Called, Error> {
        let mut connection = self.pool.acquire().await?;
        let lines = orders::lines(&mut connection, order.id).await?;
        connection.done();
        let lines = lines
            .into_iter()
            .map(|line| flotilla_proto::product::Line { sku: line.sku, quantity: line.quantity })
            .collect();
        Ok(match self.stock.reserve(order.id, lines, self.times.reservation).await {
            Ok(()) => Called::To(Outcome::Done, None),
            Err(stock::Error::Refused(_)) => refused("out_of_stock"),
            Err(stock::Error::Missing(_) | stock::Error::Invalid(_)) => refused("not_sold"),
            Err(error) => Called::Again(error.to_string()),
        })
    }

    async fn commit(&self, order: &Order) -> Result<Called, Error> {
        Ok(match self.stock.commit(order.id).await {
            Ok(()) => Called::To(Outcome::Done, None),
            Err(stock::Error::Refused(_) | stock::Error::Missing(_)) => refused("reservation_expired"),
            Err(error) => Called::Again(error.to_string()),
        })
    }

    async fn release(&self, order: &Order) -> Result<Called, Error> {
        Ok(match self.stock.release(order.id).await {
            // What has expired is back already.
            Ok(()) | Err(stock::Error::Refused(_)) => Called::To(Outcome::Done, None),
            Err(error) => Called::Again(error.to_string()),
        })
    }

    async fn create_intent(&self, order: &Order, payment: &Payment) -> Result<Called, Error> {
        if payment.reference.is_some() {
            return Ok(Called::To(Outcome::Done, None));
        }
        Ok(said(payment, self.ask_create(order, payment).await?))
    }

    async fn authorize(&self, payment: &Payment) -> Result<Called, Error> {
        match outcome_of(payment) {
            Some(outcome) => Ok(Called::To(outcome, None)),
            None => Ok(said(payment, self.ask_authorize(payment).await?)),
        }
    }

    async fn capture(&self, payment: &Payment) -> Result<Called, Error> {
        match payment.known.status {
            status if status.is_taken() => Ok(Called::To(Outcome::Done, None)),
            payment::Status::Voided => Ok(refused("payment_voided")),
            _ => Ok(said(payment, self.ask_capture(payment).await?)),
        }
    }

    async fn void(&self, leased: &Leased, order: &Order, payment: &Payment) -> Result<Called, Error> {
        let cause = format!("undo:{}", leased.round);
        match payment.known.status {
            payment::Status::Voided | payment::Status::Refunded => Ok(Called::To(Outcome::Done, None)),
            status if status.is_taken() => Ok(match self.refund_rest(order, payment, &cause).await? {
                Rest::Back => Called::To(Outcome::Done, None),
                Rest::UnderWay => again("money is not given back yet"),
                Rest::Refused => refused("refund_failed"),
            }),
            _ => Ok(match self.ask_void(payment).await? {
                // Nothing was ever held.
                None => Called::To(Outcome::Done, None),
                Some(answer) => said(payment, answer),
            }),
        }
    }

    /// Writes what came of a step: in one transaction, and only while the saga is still ours.
    async fn finish(&self, leased: &mut Leased, called: Called) -> Result<Progress, Error> {
        if let Called::Again(reason) = called {
            return Ok(Progress::Again(reason));
        }
        let step = leased.saga.step;
        let mut transaction = self.pool.begin().await?;
        let locked = orders::lock(&mut transaction, leased.order_id).await?;
        let mut order = locked.ok_or(Error::Incomplete)?;
        let (outcome, reason) = match called {
            Called::To(outcome, reason) => (Some(outcome), reason),
            Called::Payment(payment, intent) => {
                let applied = payments::apply(&mut transaction, payment, &intent, ACTOR).await?;
                let (now, payment) = applied.ok_or(Error::Incomplete)?;
                order = now;
                let reason = payment.failure.clone();
                (after_payment(step, leased.saga.next_undo(), &payment), reason)
            }
            Called::Again(_) => (None, None),
        };
        let Some(outcome) = outcome else {
            // What was said is kept; it is not what was wanted yet.
            transaction.commit().await?;
            return Ok(Progress::Again("the payment is not so far".to_owned()));
        };
        let stage = Stage::of(step, leased.saga.next_undo());
        if outcome == Outcome::Done {
            self.done(&mut transaction, &mut order, leased).await?;
        }
        if outcome == Outcome::Refused && step != Step::Authorize {
            leased.reason = reason;
        }
        leased.saga = leased.saga.clone().after(outcome).registered();
        leased.attempt = 0;
        let is_back_wanted =
            order.is_cancel_wanted && leased.saga.step == Step::Done && leased.saga.target.is_none();
        if is_back_wanted {
            leased.saga = leased.saga.clone().after(Outcome::Abandoned(order::Status::Cancelled));
            leased.reason = Some("cancelled".to_owned());
        }
        if let (Step::Done, Some(target)) = (leased.saga.step, leased.saga.target) {
            let is_legal = order.status.become_(target).is_ok();
            let target = if is_legal { target } else { order::Status::NeedsReview };
            if order.status.become_(target).is_ok() {
                orders::become_(&mut transaction, &mut order, target, leased.reason.as_deref(), ACTOR)
                    .await?;
            }
        }
        if !sagas::write(&mut transaction, leased, self.times.lease.as_secs_f64()).await? {
            return Ok(Progress::Lost);
        }
        if let Some(stage) = stage {
            self.failpoints.reach(stage, Moment::Committing);
        }
        transaction.commit().await?;
        if let Some(stage) = stage {
            self.failpoints.reach(stage, Moment::Committed);
        }
        let has_to_wait = leased.saga.step == Step::AwaitPayment;
        Ok(if has_to_wait { Progress::Waits(until(leased.deadline)) } else { Progress::On })
    }

    /// What a step that is done makes of the order.
    async fn done(
        &self,
        transaction: &mut Transaction<'_>,
        order: &mut Order,
        leased: &Leased,
    ) -> Result<(), Error> {
        match (leased.saga.step, leased.saga.next_undo()) {
            (Step::Reserve, _) if order.status == order::Status::Pending => {
                order.stock = StockOf::Reserved;
                orders::become_(transaction, order, order::Status::Reserved, None, ACTOR).await?;
            }
            (Step::Commit, _) if order.stock == StockOf::Reserved => {
                order.stock = StockOf::Committed;
                orders::change(transaction, order, "stock_committed", None, &json!({}), ACTOR).await?;
                // Its money may have been taken by somebody else.
                if let Some(payment) = payments::of_locked(transaction, order.payment_id).await? {
                    payments::follow(transaction, order, &payment, ACTOR).await?;
                }
            }
            (Step::Undo, Some(Compensation::Release))
                if matches!(order.stock, StockOf::Reserved | StockOf::Committed) =>
            {
                order.stock = StockOf::Released;
                orders::change(transaction, order, "stock_released", None, &json!({}), ACTOR).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether an order is to be given up before the next step, and what becomes of it.
fn abandoned(leased: &Leased, order: &Order, payment: &Payment) -> Option<(order::Status, &'static str)> {
    if !leased.saga.is_abandonable() {
        return None;
    }
    if order.is_cancel_wanted {
        return Some((order::Status::Cancelled, "cancelled"));
    }
    let is_held = payment.known.status == payment::Status::Authorized || payment.known.status.is_taken();
    let is_late = leased.saga.has_deadline() && Instant::now() >= leased.deadline && !is_held;
    is_late.then_some((order::Status::Expired, "not_paid_in_time"))
}

/// What a payment that is so means for whoever waits for it to be held. Nothing: ask.
fn outcome_of(payment: &Payment) -> Option<Outcome> {
    match payment.known.status {
        status if status.is_taken() => Some(Outcome::Done),
        payment::Status::Authorized => Some(Outcome::Done),
        payment::Status::RequiresAction => Some(Outcome::Waits),
        payment::Status::Failed => Some(Outcome::Refused),
        payment::Status::Voided => Some(Outcome::Abandoned(order::Status::Cancelled)),
        _ => None,
    }
}

/// What came of a step, when the provider says that the payment is so.
fn after_payment(step: Step, undo: Option<Compensation>, payment: &Payment) -> Option<Outcome> {
    let status = payment.known.status;
    match step {
        Step::CreateIntent => payment.reference.is_some().then_some(Outcome::Done),
        Step::Authorize => outcome_of(payment),
        Step::Capture if status.is_taken() => Some(Outcome::Done),
        Step::Capture if status == payment::Status::Voided => Some(Outcome::Refused),
        Step::Undo if undo == Some(Compensation::Void) && status == payment::Status::Voided => {
            Some(Outcome::Done)
        }
        _ => None,
    }
}

fn said(payment: &Payment, said: Said) -> Called {
    match said {
        Said::Payment(intent) => Called::Payment(payment.id, intent),
        Said::Refused(reason) => Called::To(Outcome::Refused, Some(reason)),
        Said::Again(reason) => Called::Again(reason),
    }
}

fn refused(reason: &str) -> Called {
    Called::To(Outcome::Refused, Some(reason.to_owned()))
}

fn again(reason: &str) -> Called {
    Called::Again(reason.to_owned())
}

fn until(deadline: Instant) -> Duration {
    // A little after it, so that it is over by then.
    deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(50)
}
