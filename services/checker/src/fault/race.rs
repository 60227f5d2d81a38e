//! The customer who comes back from their bank, and the payment provider's webhook of the same: who of them is first.

use std::fmt;

use flotilla_paysim::fault::{Effect, Fault, Operation};

use super::{Error, Injector};

/// Who is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Race {
    /// The webhook is taken before the bank's page leads back.
    Webhook,
    /// The webhook comes long after the customer.
    Customer,
    /// Both come at the same time.
    Together,
}

/// How much later a webhook comes than the customer, who needs a tenth of that.
const LATER: u64 = 1_500;

impl Race {
    /// Each way.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Customer, Self::Together];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook-first",
            Self::Customer => "customer-first",
            Self::Together => "together",
        }
    }

    const fn effect(self) -> Option<Effect> {
        match self {
            Self::Webhook => Some(Effect::EarlyWebhook),
            Self::Customer => Some(Effect::LateWebhook { milliseconds: LATER }),
            Self::Together => None,
        }
    }
}

impl fmt::Display for Race {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Injector<'_> {
    /// Has the provider tell of all that banks answer as early or as late as it takes, as long as customers order.
    pub(super) async fn race(&mut self, race: Race) -> Result<(), Error> {
        if let Some(effect) = race.effect() {
            let fault = Fault { operation: Operation::Authenticate, effect, times: u32::MAX };
            self.tell_provider(fault).await?;
        }
        self.until_placed().await;
        Ok(())
    }
}
