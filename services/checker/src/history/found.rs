//! What is there at the end: rows of the databases, the provider's movements of money, and mail. Ids are texts, as all of these
//! have them; money is in minor units.

use std::collections::{BTreeMap, BTreeSet};

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Orders.
    pub orders: Vec<Order>,
    /// What happened to them, in the order of versions.
    pub happened: Vec<Happened>,
    /// Their payments.
    pub payments: Vec<Payment>,
    /// Their refunds.
    pub refunds: Vec<Refund>,
    /// The books.
    pub ledger: Vec<LedgerEntry>,
    /// Sagas that are not done.
    pub sagas: Vec<Saga>,
    /// Stock.
    pub stock: Vec<Stock>,
    /// What was kept for orders.
    pub reservations: Vec<Reservation>,
    /// Why stock is what it is, in the order in which it was written.
    pub movements: Vec<Movement>,
    /// Events of all services.
    pub outbox: Vec<Published>,
    /// Events that consumers have handled.
    pub inbox: Vec<Handled>,
    /// Who wants which.
    pub subscriptions: Vec<Subscription>,
    /// Events that nobody tries to deliver any more.
    pub dead_letters: Vec<DeadLetter>,
    /// Notifications on their way to somebody.
    pub deliveries: Vec<Delivery>,
    /// What the payment provider knows.
    pub provider: Provider,
    /// Mail, each as often as it came.
    pub mails: Vec<Mail>,
}

/// An order.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// Its id, which is that of its reservation as well.
    pub id: String,
    /// The `Idempotency-Key` that it was placed with.
    pub key: Option<String>,
    /// What it is.
    pub status: String,
    /// Its version.
    pub version: i64,
    /// What it costs.
    pub total: i64,
    /// How much of that was given back.
    pub refunded: i64,
    /// The payment that counts.
    pub payment: String,
    /// What was ordered.
    pub lines: Vec<Line>,
}

/// So many of something.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// What.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// What all of them cost. Of reservations: nothing.
    pub total: i64,
}

/// Something that happened to an order.
#[derive(Clone, Debug, Default)]
pub struct Happened {
    /// To which.
    pub order: String,
    /// Which version it made.
    pub version: i64,
    /// What the order was before. Nothing: it was not there.
    pub from: Option<String>,
    /// What it was then.
    pub to: String,
    /// What its payment was then, when it was that which changed.
    pub payment: Option<String>,
    /// Who did it.
    pub actor: String,
}

/// A payment.
#[derive(Clone, Debug, Default)]
pub struct Payment {
    /// Its id.
    pub id: String,
    /// Of which order.
    pub order: String,
    /// The provider's name for it.
    pub reference: Option<String>,
    /// How much was taken.
    pub captured: i64,
    /// How much of that was given back.
    pub refunded: i64,
    /// Whether it pays nothing and has money nevertheless.
    pub is_stray: bool,
}

/// A refund.
#[derive(Clone, Debug, Default)]
pub struct Refund {
    /// Its id.
    pub id: String,
    /// Of which order.
    pub order: String,
    /// How far it is.
    pub status: String,
}

/// A line of the books.
#[derive(Clone, Debug, Default)]
pub struct LedgerEntry {
    /// Why.
    pub cause: String,
    /// Whose.
    pub account: String,
    /// Of which order.
    pub order: String,
    /// How much. Debits are positive.
    pub amount: i64,
}

/// The saga of an order that is not done.
#[derive(Clone, Debug, Default)]
pub struct Saga {
    /// Of which order.
    pub order: String,
    /// What is to be done next.
    pub step: String,
    /// Why it was not done last.
    pub error: Option<String>,
}

/// A row of stock.
#[derive(Clone, Debug, Default)]
pub struct Stock {
    /// Of what.
    pub sku: String,
    /// Which of its rows.
    pub bucket: i64,
    /// How much there is.
    pub on_hand: i64,
    /// How much of it is kept for somebody.
    pub reserved: i64,
}

/// What was kept for somebody.
#[derive(Clone, Debug, Default)]
pub struct Reservation {
    /// Its id: that of the order.
    pub id: String,
    /// `active`, `committed`, `released` or `expired`.
    pub state: String,
    /// What was kept.
    pub lines: Vec<Line>,
}

/// A change of stock.
#[derive(Clone, Debug, Default)]
pub struct Movement {
    /// Of what.
    pub sku: String,
    /// In which row.
    pub bucket: i64,
    /// Why: `adjusted`, `reserved` and so on.
    pub kind: String,
    /// By how much more there is.
    pub on_hand: i64,
    /// By how much more is kept.
    pub reserved: i64,
}

/// An event in an outbox.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Its id.
    pub id: String,
    /// Its type.
    pub kind: String,
    /// Whether the bus has it.
    pub is_published: bool,
    /// Why the bus will not have it.
    pub refusal: Option<String>,
}

/// An event that a consumer has handled.
#[derive(Clone, Debug, Default)]
pub struct Handled {
    /// Who.
    pub consumer: String,
    /// Which event.
    pub id: String,
}

/// Who wants events.
#[derive(Clone, Debug, Default)]
pub struct Subscription {
    /// Who.
    pub consumer: String,
    /// Types, or with `*` at the end all that begin so.
    pub types: Vec<String>,
}

impl Subscription {
    /// Whether it wants events of a type.
    pub fn wants(&self, kind: &str) -> bool {
        self.types.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => kind == wanted,
        })
    }
}

/// An event that nobody tries to deliver any more.
#[derive(Clone, Debug, Default)]
pub struct DeadLetter {
    /// Who did not handle it.
    pub consumer: String,
    /// Which event.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// A notification on its way to somebody.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: String,
    /// What it tells.
    pub template: String,
    /// What it is about.
    pub subject: String,
}

/// What the payment provider knows.
#[derive(Clone, Debug, Default)]
pub struct Provider {
    /// Payments by their ids.
    pub intents: BTreeMap<String, Intent>,
    /// Movements of money, the oldest first.
    pub moved: Vec<Moved>,
}

/// A payment, as the provider has it.
#[derive(Clone, Debug, Default)]
pub struct Intent {
    /// The order that the shop has named.
    pub order: String,
}

/// A movement of money.
#[derive(Clone, Debug, Default)]
pub struct Moved {
    /// Of which payment.
    pub intent: String,
    /// `authorize`, `capture`, `void` or `refund`.
    pub what: String,
    /// How much.
    pub amount: i64,
}

/// A mail that came.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    /// Its Message-ID.
    pub message_id: String,
    /// The order that it confirms, when it confirms one.
    pub confirms: Option<String>,
}

impl Found {
    /// How much of a kind the provider has moved for a payment.
    pub fn moved(&self, intent: &str, what: &str) -> i64 {
        let of = |moved: &&Moved| moved.intent == intent && moved.what == what;
        self.provider.moved.iter().filter(of).map(|moved| moved.amount).sum()
    }

    /// The provider's payments by the orders that they are for.
    pub fn intents_by_order(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut by_order = BTreeMap::<&str, Vec<&str>>::new();
        for (id, intent) in &self.provider.intents {
            by_order.entry(&intent.order).or_default().push(id);
        }
        by_order
    }

    /// The orders by their ids.
    pub fn orders_by_id(&self) -> BTreeMap<&str, &Order> {
        self.orders.iter().map(|order| (order.id.as_str(), order)).collect()
    }

    /// Of how many orders it was the webhook that told that their money is held, and of how many the customer who came back; of
    /// some orders nothing is asked.
    pub fn first_to_tell(&self, but: &BTreeSet<String>) -> (usize, usize) {
        let mut told = BTreeSet::new();
        let held = self.happened.iter().filter(|row| row.payment.as_deref() == Some("authorized"));
        let (mut webhooks, mut customers) = (0, 0);
        for row in held.filter(|row| !but.contains(&row.order) && told.insert(&row.order)) {
            webhooks += usize::from(row.actor.starts_with("webhook:"));
            customers += usize::from(row.actor == "customer");
        }
        (webhooks, customers)
    }

    /// The ids of orders that were paid, whatever became of them.
    pub fn ever_paid(&self) -> BTreeSet<&str> {
        self.happened.iter().filter(|row| row.to == "paid").map(|row| row.order.as_str()).collect()
    }
}

impl Order {
    /// Whether its money is taken and its stock is gone.
    pub fn is_sold(&self) -> bool {
        matches!(self.status.as_str(), "paid" | "shipped" | "completed")
    }

    /// Whether it has ended without anything for anybody.
    pub fn is_undone(&self) -> bool {
        matches!(self.status.as_str(), "rejected" | "cancelled" | "expired")
    }

    /// Whether a person is to look at it: what is with it then is theirs to say.
    pub fn is_for_a_person(&self) -> bool {
        self.status == "needs_review"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tells_first_of_an_order_is_counted() {
        let row = |order: &str, actor: &str| Happened {
            order: order.to_owned(),
            payment: Some("authorized".to_owned()),
            actor: actor.to_owned(),
            ..Happened::default()
        };
        let happened = vec![
            row("o-1", "webhook:evt_1"),
            row("o-1", "customer"),
            row("o-2", "customer"),
            row("o-3", "reconciler"),
            row("o-4", "customer"),
            Happened { order: "o-5".to_owned(), actor: "customer".to_owned(), ..Happened::default() },
        ];
        let found = Found { happened, ..Found::default() };
        assert_eq!(found.first_to_tell(&BTreeSet::new()), (1, 2));
        assert_eq!(found.first_to_tell(&["o-4".to_owned()].into()), (1, 1));
    }
}
