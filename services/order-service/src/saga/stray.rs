//! Payments that pay nothing, because their order has another one or has ended: what they hold is given up, and what they took is
//! given back.

use uuid::Uuid;

use super::{Error, Runner, money::Said, refund::Rest};
use crate::store::{orders, payments};

/// Who writes.
const ACTOR: &str = "reconciler";

impl Runner {
    /// Gives up a payment if it is stray.
    pub(crate) async fn give_up_stray(&self, id: Uuid) -> Result<(), Error> {
        let payment = payments::get(&self.pool, id).await?.ok_or(Error::Incomplete)?;
        let order = orders::get(&self.pool, payment.order_id).await?.ok_or(Error::Incomplete)?;
        if !payments::is_stray(&order, &payment) {
            return Ok(());
        }
        tracing::warn!(order = %order.id, payment = %id, "a payment pays nothing, and is given up");
        if payment.known.status.is_taken() {
            let rest = self.refund_rest(&order, &payment, "stray").await?;
            if rest == Rest::Refused {
                tracing::error!(payment = %id, "a stray payment cannot be given back; somebody has to look");
            }
            return Ok(());
        }
        match self.ask_void(&payment).await? {
            Some(Said::Payment(intent)) => {
                let mut transaction = self.pool.begin().await?;
                payments::apply(&mut transaction, id, &intent, ACTOR).await?;
                transaction.commit().await?;
                self.wake();
            }
            Some(Said::Refused(reason) | Said::Again(reason)) => {
                tracing::warn!(payment = %id, reason, "a stray payment cannot be given up now");
            }
            None => {}
        }
        Ok(())
    }
}
