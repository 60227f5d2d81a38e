//! Orders: none is lost (I1), a key has one (I2), each goes a legal way (I9), and nobody is told something else later.

use std::collections::{BTreeMap, BTreeSet};

use flotilla_order_service::domain::order::Status;

use super::{Asked, History, Invariant, Operation, Outcome, Violation};

/// I1: whatever was answered with success is there at the end: orders, cancellations, refunds.
pub(super) fn no_lost_order(history: &History) -> Vec<Violation> {
    let fail = |ids: &[&str], what: String| Violation::new(Invariant::NoLostOrder, ids.iter().copied(), what);
    let orders = history.found.orders_by_id();
    let refunds: BTreeSet<_> = history.found.refunds.iter().map(|refund| refund.id.as_str()).collect();
    let mut violations = BTreeSet::new();
    for operation in &history.operations {
        let Some(answer) = operation.answer() else { continue };
        match &operation.asked {
            Asked::Place { key } => match answer.id.as_deref() {
                Some(id) if orders.contains_key(id) => {}
                Some(id) => {
                    violations.insert(fail(&[id, key], "was placed, and is not there".to_owned()));
                }
                None => {
                    violations.insert(fail(&[key], "an order was taken that has no id".to_owned()));
                }
            },
            Asked::Cancel { order } => {
                // One for which there was no stock has come to nothing as well.
                let found = orders.get(order.as_str());
                if !found.is_some_and(|order| order.is_undone() || order.is_for_a_person()) {
                    let status = found.map_or("not there", |order| order.status.as_str());
                    let what = format!("was to be cancelled, and is {status}");
                    violations.insert(fail(&[order], what));
                }
            }
            Asked::Refund { order, key } => {
                let is_there = answer.id.as_deref().is_some_and(|id| refunds.contains(id));
                if !is_there {
                    violations.insert(fail(&[order, key], "a refund was taken, and is not there".to_owned()));
                }
            }
            Asked::Look { .. } | Asked::Pay { .. } | Asked::Complete { .. } | Asked::Exchange { .. } => {}
        }
    }
    for order in orders.values() {
        if order.status.parse::<Status>().is_err() {
            violations.insert(fail(&[&order.id], format!("is {:?}, which is no status", order.status)));
        }
    }
    violations.into_iter().collect()
}

/// What was asked with a key.
fn keyed(operation: &Operation) -> Option<(&'static str, &str)> {
    match &operation.asked {
        Asked::Place { key } => Some(("place", key)),
        Asked::Pay { key, .. } => Some(("pay", key)),
        Asked::Refund { key, .. } => Some(("refund", key)),
        _ => None,
    }
}

/// I2: all answers for a key are the same, byte for byte; and of a key that places an order there is one order when it was
/// answered, none when it was refused, and at most one when nobody knows.
pub(super) fn one_order_per_key(history: &History) -> Vec<Violation> {
    let fail = |ids: Vec<&str>, what: &str| Violation::new(Invariant::OneOrderPerKey, ids, what.to_owned());
    let mut by_key = BTreeMap::<_, Vec<&Operation>>::new();
    for operation in &history.operations {
        if let Some(key) = keyed(operation) {
            by_key.entry(key).or_default().push(operation);
        }
    }
    let mut orders = BTreeMap::<&str, Vec<&str>>::new();
    for order in &history.found.orders {
        if let Some(key) = &order.key {
            orders.entry(key).or_default().push(&order.id);
        }
    }
    let mut violations = Vec::new();
    for ((what, key), operations) in &by_key {
        let answers: Vec<_> = operations.iter().filter_map(|operation| operation.answer()).collect();
        let ids: BTreeSet<_> = answers.iter().filter_map(|answer| answer.id.as_deref()).collect();
        let digests: BTreeSet<_> = answers.iter().map(|answer| answer.digest.as_str()).collect();
        let named = || std::iter::once(*key).chain(ids.iter().copied()).collect::<Vec<_>>();
        if ids.len() > 1 {
            violations.push(fail(named(), "one key was answered with several ids"));
        } else if digests.len() > 1 {
            violations.push(fail(named(), "one key was answered with different bytes"));
        }
        if *what != "place" {
            continue;
        }
        let is_unknown = operations.iter().any(|one| matches!(one.outcome, Outcome::Info { .. }));
        let there = orders.get(key).map_or(&[][..], Vec::as_slice);
        if answers.is_empty() && !is_unknown && !there.is_empty() {
            let ids = std::iter::once(*key).chain(there.iter().copied()).collect();
            violations.push(fail(ids, "was only ever refused, and there is an order of it"));
        }
    }
    for (key, there) in orders.iter().filter(|(_, there)| there.len() > 1) {
        let ids = std::iter::once(*key).chain(there.iter().copied()).collect();
        violations.push(fail(ids, "one key has several orders"));
    }
    violations
}

/// I9: the audit of an order is a path of its table of states, from `pending` to what it is, and its versions have no gaps.
pub(super) fn legal_transitions(history: &History) -> Vec<Violation> {
    let fail = |id: &str, what: String| Violation::new(Invariant::LegalTransitions, [id], what);
    let mut by_order = BTreeMap::<&str, Vec<_>>::new();
    for row in &history.found.happened {
        by_order.entry(&row.order).or_default().push(row);
    }
    let mut violations = Vec::new();
    for order in &history.found.orders {
        let rows = by_order.remove(order.id.as_str()).unwrap_or_default();
        let mut last: Option<Status> = None;
        for (expected, row) in (1..).zip(&rows) {
            if row.version != expected {
                violations.push(fail(&order.id, format!("version {expected} is missing in its audit")));
                break;
            }
            let before = row.from.as_deref().map(str::parse::<Status>).transpose().ok().flatten();
            let is_legal = match (last, row.to.parse::<Status>()) {
                (None, Ok(to)) => row.from.is_none() && to == Status::Pending,
                (Some(last), Ok(to)) => before == Some(last) && (last == to || last.become_(to).is_ok()),
                (_, Err(_)) => false,
            };
            if !is_legal {
                let (from, to) = (row.from.as_deref().unwrap_or("nothing"), &row.to);
                let last = last.map_or("nothing", Status::as_str);
                violations
                    .push(fail(&order.id, format!("version {expected}: was {last}, and {from} became {to}")));
            }
            last = row.to.parse().ok();
        }
        let end = rows.last().map(|row| (row.version, row.to.as_str()));
        if end != Some((order.version, order.status.as_str())) {
            let (version, status) = (order.version, &order.status);
            violations.push(fail(
                &order.id,
                format!("is {status} at version {version}, and its audit ends with {end:?}"),
            ));
        }
    }
    violations.extend(by_order.into_keys().map(|id| fail(id, "there is an audit of no order".to_owned())));
    violations
}

/// Who was told of an order finds it, and of two looks that come after each other the second one shows nothing older.
pub(super) fn reads(history: &History) -> Vec<Violation> {
    let fail = |id: &str, what: String| Violation::new(Invariant::Reads, [id], what);
    let mut by_order = BTreeMap::<&str, Vec<&Operation>>::new();
    for operation in &history.operations {
        let order = match &operation.asked {
            Asked::Place { .. } => operation.answer().and_then(|answer| answer.id.as_deref()),
            Asked::Look { order } => Some(order.as_str()),
            _ => None,
        };
        if let Some(order) = order {
            by_order.entry(order).or_default().push(operation);
        }
    }
    let mut violations = Vec::new();
    for (order, mut operations) in by_order {
        operations.sort_by_key(|operation| operation.end);
        let known: Vec<_> = operations
            .iter()
            .filter_map(|operation| Some((operation.end, operation.answer()?.version?)))
            .collect();
        // The highest version of all answers up to each.
        let mut highest: Vec<(u64, i64)> = Vec::new();
        for (end, version) in known {
            let before = highest.last().map_or(0, |(_, version)| *version);
            highest.push((end, version.max(before)));
        }
        for operation in &operations {
            // A repeated answer for a key is as old as the first one.
            if !matches!(operation.asked, Asked::Look { .. }) {
                continue;
            }
            let at = highest.partition_point(|(end, _)| *end <= operation.begin);
            let Some((_, told)) = at.checked_sub(1).and_then(|at| highest.get(at)) else { continue };
            match &operation.outcome {
                Outcome::Fail { status: 404, .. } => {
                    violations
                        .push(fail(order, format!("was told of at version {told}, and then not found")));
                }
                Outcome::Ok(answer) if answer.version.is_some_and(|version| version < *told) => {
                    let shown = answer.version.unwrap_or_default();
                    violations.push(fail(
                        order,
                        format!("was told of at version {told}, and then at version {shown}"),
                    ));
                }
                _ => {}
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Answer, sample},
        *,
    };

    fn what(violations: &[Violation]) -> Vec<String> {
        violations
            .iter()
            .map(|violation| format!("{}: {}", violation.ids.join(" "), violation.what))
            .collect()
    }

    #[test]
    fn an_order_that_was_placed_and_is_not_there_is_lost() {
        let mut history = sample::good();
        history.found.orders.retain(|order| order.id != "o-1");
        assert_eq!(what(&no_lost_order(&history)), ["o-1 k-1: was placed, and is not there"]);
        history.found.orders.push(super::super::Order {
            id: "o-1".to_owned(),
            status: "melted".to_owned(),
            ..Default::default()
        });
        assert_eq!(what(&no_lost_order(&history)), ["o-1: is \"melted\", which is no status"]);
    }

    #[test]
    fn a_cancellation_or_a_refund_that_was_taken_is_not_forgotten() {
        let mut history = sample::good();
        history.operations.push(sample::operation(
            50,
            60,
            Asked::Cancel { order: "o-1".to_owned() },
            sample::ok("o-1", 7),
        ));
        assert_eq!(what(&no_lost_order(&history)), ["o-1: was to be cancelled, and is paid"]);
        history.found.orders[0].status = "rejected".to_owned();
        assert_eq!(no_lost_order(&history), []);
        let mut history = sample::good();
        let asked = Asked::Refund { order: "o-1".to_owned(), key: "r-1".to_owned() };
        history.operations.push(sample::operation(50, 60, asked, sample::ok("f-9", 0)));
        assert_eq!(what(&no_lost_order(&history)), ["o-1 r-1: a refund was taken, and is not there"]);
    }

    #[test]
    fn a_key_has_one_order_and_one_answer() {
        let mut history = sample::good();
        let again = |id: &str, digest: &str| {
            let answer = Answer { id: Some(id.to_owned()), digest: digest.to_owned(), ..Answer::default() };
            sample::operation(50, 60, Asked::Place { key: "k-1".to_owned() }, Outcome::Ok(answer))
        };
        history.operations.push(again("o-1", "other bytes"));
        assert_eq!(
            what(&one_order_per_key(&history)),
            ["k-1 o-1: one key was answered with different bytes"]
        );
        history.operations.push(again("o-2", "d"));
        assert_eq!(
            what(&one_order_per_key(&history)),
            ["k-1 o-1 o-2: one key was answered with several ids"]
        );

        let mut history = sample::good();
        history.found.orders[1].key = Some("k-1".to_owned());
        assert_eq!(what(&one_order_per_key(&history)), ["k-1 o-1 o-2: one key has several orders"]);
    }

    #[test]
    fn what_was_refused_has_no_order_and_what_is_unknown_may_have_one() {
        let mut history = sample::good();
        let place = || Asked::Place { key: "k-9".to_owned() };
        history.operations.push(sample::operation(1, 2, place(), Outcome::Fail { status: 422, code: None }));
        history.found.orders[1].key = Some("k-9".to_owned());
        assert_eq!(
            what(&one_order_per_key(&history)),
            ["k-9 o-2: was only ever refused, and there is an order of it"]
        );
        history.operations.push(sample::operation(3, 4, place(), Outcome::Info { why: "cut".to_owned() }));
        assert_eq!(one_order_per_key(&history), []);
    }

    #[test]
    fn an_audit_has_no_gap_and_no_leap() {
        let mut history = sample::good();
        history.found.happened.retain(|row| row.order != "o-1" || row.version != 2);
        assert!(what(&legal_transitions(&history))[0].contains("o-1: version 2 is missing"));

        let mut history = sample::good();
        history.found.happened[1].to = "paid".to_owned();
        assert!(
            what(&legal_transitions(&history))[0]
                .contains("o-1: version 2: was pending, and pending became paid")
        );

        let mut history = sample::good();
        history.found.orders[0].version += 1;
        assert!(what(&legal_transitions(&history))[0].starts_with("o-1: is paid at version 5"));

        let mut history = sample::good();
        history.found.happened.push(super::super::Happened {
            order: "o-9".to_owned(),
            version: 1,
            ..Default::default()
        });
        assert_eq!(what(&legal_transitions(&history)), ["o-9: there is an audit of no order"]);
    }

    #[test]
    fn what_was_told_is_not_untold() {
        let look = |begin, end, outcome| {
            sample::operation(begin, end, Asked::Look { order: "o-1".to_owned() }, outcome)
        };
        let mut history = sample::good();
        history.operations.push(look(100, 110, sample::ok("o-1", 3)));
        // At the same time as the other.
        history.operations.push(look(105, 120, sample::ok("o-1", 2)));
        assert_eq!(reads(&history), []);
        history.operations.push(look(121, 130, sample::ok("o-1", 2)));
        history.operations.push(look(121, 130, Outcome::Fail { status: 404, code: None }));
        assert_eq!(
            what(&reads(&history)),
            [
                "o-1: was told of at version 3, and then at version 2",
                "o-1: was told of at version 3, and then not found"
            ]
        );
    }
}
