//! What a person reads: a table of rounds, and the document that has it.

use std::fmt::Write as _;

use crate::{
    fault::{Fault, Places},
    history::Invariant,
    round::Round,
};

/// What the first line of the table has.
pub const HEADER: &str = "\
| fault | times | orders | requests | unknown | sold | undone | for a person | mails twice | seconds | violations |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// A line of it.
pub fn line(round: &Round) -> String {
    let times = match (&round.done.places, round.first) {
        (Some(Places { all, missed }), _) => format!("{} of {all}", all - missed.len()),
        (None, Some((webhooks, customers))) => format!("{webhooks} / {customers}"),
        (None, None) => round.done.times.to_string(),
    };
    let (requests, unknown) = round.requests;
    format!(
        "| {} | {times} | {} | {requests} | {unknown} | {} | {} | {} | {} | {} | {} |",
        round.fault,
        round.orders,
        round.ends.sold,
        round.ends.undone,
        round.ends.for_a_person,
        round.mails_twice,
        round.took.as_secs(),
        round.violations.len(),
    )
}

/// What all of it comes to.
pub fn sum(rounds: &[Round]) -> String {
    let of = |what: fn(&Round) -> usize| rounds.iter().map(what).sum::<usize>();
    let survived =
        rounds.iter().filter(|round| round.fault != Fault::None && round.violations.is_empty()).count();
    let faults = rounds.iter().filter(|round| round.fault != Fault::None).count();
    format!(
        "{survived} of {faults} faults survived: {} orders, {} requests, of {} of which nobody knew what came of them, \
         {} violations.",
        of(|round| round.orders),
        of(|round| round.requests.0),
        of(|round| round.requests.1),
        of(|round| round.violations.len()),
    )
}

/// The document, with this table.
pub fn document(rounds: &[Round], command: &str, where_it_ran: &str) -> String {
    let mut invariants = String::new();
    for (invariant, what) in Invariant::ALL.into_iter().zip(SAYS) {
        // Writing to a text cannot fail.
        let _written =
            writeln!(invariants, "| {} | {} | {what} |", invariant.code(), invariant.name()).is_ok();
    }
    let lines: Vec<_> = rounds.iter().map(line).collect();
    include_str!("report.md")
        .replace("INVARIANTS\n", &invariants)
        .replace("COMMAND", command)
        .replace("PLACE", where_it_ran)
        .replace("MISSED", &missed(rounds))
        .replace("SUM", &sum(rounds))
        .replace("TABLE", &format!("{HEADER}\n{}", lines.join("\n")))
}

/// At which named points nobody came by.
fn missed(rounds: &[Round]) -> String {
    let all: Vec<_> = rounds
        .iter()
        .filter_map(|round| round.done.places.as_ref())
        .flat_map(|places| &places.missed)
        .map(|point| format!("`{point}`"))
        .collect();
    if all.is_empty() { "none was missed".to_owned() } else { format!("not at {}", all.join(", ")) }
}

/// What each invariant says, in their order.
const SAYS: [&str; 14] = [
    "Every order, cancellation and refund that was answered with success is there at the end.",
    "All answers for an `Idempotency-Key` have the same bytes, and there is at most one order of it.",
    "Of all payments of an order at most one was taken, with what the order costs; what came to nothing keeps nothing, and nothing stays held.",
    "Whatever the provider has taken is of an order that is paid, or was given back.",
    "At each moment 0 <= reserved <= on hand; no more was sold than was ever there; each order that is sold has its stock.",
    "Nothing is reserved or taken for an order that is not live or sold.",
    "Each order that was paid has one confirmation by its Message-ID.",
    "No order that was never paid has one.",
    "The audit of an order is a path of its table of states, and its versions have no gaps.",
    "What the outboxes have is what the inboxes have: nothing lost, nothing made up.",
    "The books balance, and have for each order and each payment what the provider has.",
    "A refresh token that was exchanged gives nothing after its grace, and who tries ends the session.",
    "Whoever was told of an order finds it, and never in an older version.",
    "Once faults are over: all sagas are done, all events handled, all mail sent, no dead letters.",
];

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        drive::{Goods, Record},
        fault::{Done, Race},
        round::Ends,
    };

    fn round(fault: Fault) -> Round {
        Round {
            fault,
            done: Done { times: 4, ..Done::default() },
            first: None,
            orders: 10,
            requests: (50, 3),
            ends: Ends { sold: 7, undone: 2, for_a_person: 1 },
            mails_twice: 0,
            violations: Vec::new(),
            took: Duration::from_secs(12),
            record: Arc::new(Record::default()),
            goods: Goods::new(),
        }
    }

    #[test]
    fn a_line_has_as_many_cells_as_the_header() {
        let line = line(&round(Fault::Postgres));
        assert_eq!(line, "| postgres-restart | 4 | 10 | 50 | 3 | 7 | 2 | 1 | 0 | 12 | 0 |");
        for other in HEADER.lines() {
            assert_eq!(other.matches('|').count(), line.matches('|').count());
        }
    }

    #[test]
    fn points_that_nobody_came_by_are_named() {
        let places = Places { all: 9, missed: vec!["spend.committed".to_owned()] };
        let done = Done { times: 8, places: Some(places) };
        let failpoints = Round { done, ..round(Fault::Failpoints) };
        assert!(line(&failpoints).starts_with("| failpoints | 8 of 9 |"));
        let text = document(&[failpoints], "checker run", "on a machine");
        assert!(text.contains("order-service has ended; not at `spend.committed`."), "{text}");
    }

    #[test]
    fn a_race_has_who_was_first() {
        let race = Round { first: Some((110, 3)), ..round(Fault::Race(Race::Webhook)) };
        assert!(line(&race).starts_with("| race-webhook-first | 110 / 3 | 10 |"));
    }

    #[test]
    fn the_document_has_the_table_and_nothing_left_to_fill_in() {
        let rounds = [round(Fault::None), round(Fault::Postgres)];
        let text = document(&rounds, "checker run", "on a machine");
        for part in [
            "| postgres-restart |",
            "1 of 1 faults survived: 20 orders",
            "| I12 | refresh tokens |",
            "checker run",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        for left in ["TABLE", "SUM", "COMMAND", "PLACE", "INVARIANTS", "MISSED"] {
            assert!(!text.contains(left), "{left}");
        }
    }
}
