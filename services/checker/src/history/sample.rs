//! A small history in which all is well, for tests that break it: `o-1` is paid, and `o-2` was called off before it was.

use std::collections::BTreeMap;

use super::*;

/// Something that was asked.
pub(super) fn operation(begin: Moment, end: Moment, asked: Asked, outcome: Outcome) -> Operation {
    Operation { customer: "c-1".to_owned(), begin, end, asked, outcome }
}

/// An answer about an order.
pub(super) fn ok(id: &str, version: i64) -> Outcome {
    let (id, version) = (Some(id.to_owned()), Some(version).filter(|version| *version > 0));
    Outcome::Ok(Answer { id, version, digest: "d".to_owned(), ..Answer::default() })
}

/// All is well.
pub(super) fn good() -> History {
    let text = str::to_owned;
    let place = |at, key: &str, id| operation(at, at + 5, Asked::Place { key: key.to_owned() }, ok(id, 1));
    let line = |quantity, total| Line { sku: text("SHOE"), quantity, total };
    let order = |id: &str, key: &str, status: &str, version, total, payment: &str, lines| Order {
        id: id.to_owned(),
        key: Some(key.to_owned()),
        status: status.to_owned(),
        version,
        total,
        payment: payment.to_owned(),
        lines,
        ..Order::default()
    };
    let way = |order: &str, states: &[&str]| -> Vec<Happened> {
        let before = std::iter::once(None).chain(states.iter().map(|state| Some((*state).to_owned())));
        (1..)
            .zip(states.iter().zip(before))
            .map(|(version, (to, from))| Happened {
                order: order.to_owned(),
                version,
                from,
                to: (*to).to_owned(),
                ..Happened::default()
            })
            .collect()
    };
    let payment = |id: &str, order: &str, reference: &str, captured| Payment {
        id: id.to_owned(),
        order: order.to_owned(),
        reference: Some(reference.to_owned()),
        captured,
        ..Payment::default()
    };
    let entry = |account: &str, amount| LedgerEntry {
        cause: text("capture:p-1"),
        account: account.to_owned(),
        order: text("o-1"),
        amount,
    };
    let movement = |kind: &str, on_hand, reserved| Movement {
        sku: text("SHOE"),
        bucket: 0,
        kind: kind.to_owned(),
        on_hand,
        reserved,
    };
    let moved = |what: &str| Moved { intent: text("pi_1"), what: what.to_owned(), amount: 1_000 };
    let intents = [("pi_1", "o-1"), ("pi_2", "o-2")];
    let found = Found {
        orders: vec![
            order("o-1", "k-1", "paid", 4, 1_000, "p-1", vec![line(2, 1_000)]),
            order("o-2", "k-2", "cancelled", 3, 500, "p-2", vec![line(1, 500)]),
        ],
        happened: [
            way("o-1", &["pending", "reserved", "authorized", "paid"]),
            way("o-2", &["pending", "reserved", "cancelled"]),
        ]
        .concat(),
        payments: vec![payment("p-1", "o-1", "pi_1", 1_000), payment("p-2", "o-2", "pi_2", 0)],
        ledger: vec![entry("assets:provider", 1_000), entry("income:sales", -1_000)],
        stock: vec![Stock { sku: text("SHOE"), bucket: 0, on_hand: 8, reserved: 0 }],
        reservations: vec![
            Reservation { id: text("o-1"), state: text("committed"), lines: vec![line(2, 0)] },
            Reservation { id: text("o-2"), state: text("released"), lines: vec![line(1, 0)] },
        ],
        movements: vec![
            movement("adjusted", 10, 0),
            movement("reserved", 0, 2),
            movement("reserved", 0, 1),
            movement("committed", -2, -2),
            movement("released", 0, -1),
        ],
        outbox: vec![Published {
            id: text("e-1"),
            kind: text("shop.order.paid.v1"),
            is_published: true,
            refusal: None,
        }],
        inbox: vec![Handled { consumer: text("notification-service"), id: text("e-1") }],
        subscriptions: vec![Subscription {
            consumer: text("notification-service"),
            types: vec![text("shop.order.*")],
        }],
        provider: Provider {
            intents: intents
                .into_iter()
                .map(|(id, order)| (id.to_owned(), Intent { order: order.to_owned() }))
                .collect::<BTreeMap<_, _>>(),
            moved: vec![moved("authorize"), moved("capture")],
        },
        mails: vec![Mail { message_id: text("<o-1.order_confirmation@shop>"), confirms: Some(text("o-1")) }],
        ..Found::default()
    };
    History {
        operations: vec![place(10, "k-1", "o-1"), place(20, "k-2", "o-2")],
        found,
        grace: 100,
        disturbances: 0,
    }
}
