//! Stock: nothing is sold that is not there (I5), and nothing is kept for nobody (I6).

use std::collections::BTreeMap;

use super::{History, Invariant, Line, Reservation, Violation};

/// So many of each SKU.
fn by_sku<'a>(lines: impl IntoIterator<Item = &'a Line>) -> BTreeMap<&'a str, i64> {
    let mut sum = BTreeMap::<&str, i64>::new();
    for line in lines {
        *sum.entry(&line.sku).or_default() += line.quantity;
    }
    sum
}

fn in_state<'a>(history: &'a History, state: &str) -> impl Iterator<Item = &'a Reservation> {
    history.found.reservations.iter().filter(move |one| one.state == state)
}

/// I5: at each moment 0 <= reserved <= on hand; stock is the sum of its movements; what was sold is no more than what was there
/// and what came; and each order that is sold has its stock.
pub(super) fn no_oversell(history: &History) -> Vec<Violation> {
    let found = &history.found;
    let fail = |ids: &[&str], what: String| Violation::new(Invariant::NoOversell, ids.iter().copied(), what);
    let mut violations = Vec::new();
    let (mut rows, mut came) = (BTreeMap::<(&str, i64), (i64, i64)>::new(), BTreeMap::<&str, i64>::new());
    let mut told = std::collections::BTreeSet::new();
    for movement in &found.movements {
        let row = rows.entry((&movement.sku, movement.bucket)).or_default();
        row.0 += movement.on_hand;
        row.1 += movement.reserved;
        let (on_hand, reserved) = *row;
        if !(0 <= reserved && reserved <= on_hand) && told.insert((&movement.sku, movement.bucket)) {
            let what = format!("{reserved} were kept of {on_hand} after something was {}", movement.kind);
            violations.push(fail(&[&movement.sku], what));
        }
        if matches!(movement.kind.as_str(), "adjusted" | "moved") {
            *came.entry(&movement.sku).or_default() += movement.on_hand;
        }
    }
    for stock in &found.stock {
        let summed = rows.remove(&(stock.sku.as_str(), stock.bucket)).unwrap_or_default();
        if summed != (stock.on_hand, stock.reserved) {
            let what = format!(
                "there are {} with {} kept, and its movements sum to {} with {} kept",
                stock.on_hand, stock.reserved, summed.0, summed.1
            );
            violations.push(fail(&[&stock.sku], what));
        }
    }
    let is_sold = |order: &&super::Order| order.is_sold();
    for (sku, sold) in by_sku(found.orders.iter().filter(is_sold).flat_map(|order| &order.lines)) {
        let came = came.get(sku).copied().unwrap_or_default();
        if sold > came {
            violations.push(fail(&[sku], format!("{sold} were sold, and there ever were {came}")));
        }
    }
    let committed: BTreeMap<_, _> =
        in_state(history, "committed").map(|one| (one.id.as_str(), one)).collect();
    for order in found.orders.iter().filter(is_sold) {
        let taken = committed.get(order.id.as_str()).map(|one| by_sku(&one.lines)).unwrap_or_default();
        if taken != by_sku(&order.lines) {
            violations.push(fail(&[&order.id], format!("is {}, and its stock was not taken", order.status)));
        }
    }
    violations
}

/// I6: what is kept is what live orders have kept, and what was taken is of an order that is sold.
pub(super) fn no_leaked_stock(history: &History) -> Vec<Violation> {
    let found = &history.found;
    let fail =
        |ids: &[&str], what: String| Violation::new(Invariant::NoLeakedStock, ids.iter().copied(), what);
    let orders = found.orders_by_id();
    let mut violations = Vec::new();
    for reservation in in_state(history, "active") {
        let order = orders.get(reservation.id.as_str());
        let is_live = order.is_some_and(|order| !order.is_undone() && !order.is_sold());
        if !is_live {
            let status = order.map_or("not there", |order| order.status.as_str());
            violations.push(fail(&[&reservation.id], format!("stock is kept for it, and it is {status}")));
        }
    }
    for reservation in in_state(history, "committed") {
        let order = orders.get(reservation.id.as_str());
        let is_of_somebody = order.is_some_and(|order| order.is_sold() || order.is_for_a_person());
        if !is_of_somebody {
            let status = order.map_or("not there", |order| order.status.as_str());
            violations.push(fail(&[&reservation.id], format!("stock was taken for it, and it is {status}")));
        }
    }
    let kept = by_sku(in_state(history, "active").flat_map(|one| &one.lines));
    let mut counted = BTreeMap::<&str, i64>::new();
    for stock in &found.stock {
        *counted.entry(&stock.sku).or_default() += stock.reserved;
    }
    for (sku, counted) in counted {
        let kept = kept.get(sku).copied().unwrap_or_default();
        if counted != kept {
            violations.push(fail(&[sku], format!("{counted} are counted as kept, and {kept} are")));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Movement, sample},
        *,
    };

    fn told(violations: &[Violation]) -> String {
        violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn movement(kind: &str, on_hand: i64, reserved: i64) -> Movement {
        Movement { sku: "SHOE".to_owned(), bucket: 0, kind: kind.to_owned(), on_hand, reserved }
    }

    #[test]
    fn nothing_is_kept_that_is_not_there_not_even_for_a_moment() {
        let mut history = sample::good();
        history.found.movements.extend([movement("reserved", 0, 99), movement("released", 0, -99)]);
        assert_eq!(
            told(&no_oversell(&history)),
            "I5 no oversell: SHOE: 99 were kept of 8 after something was reserved"
        );
    }

    #[test]
    fn stock_is_the_sum_of_its_movements() {
        let mut history = sample::good();
        history.found.stock[0].on_hand = 9;
        assert!(
            told(&no_oversell(&history))
                .contains("there are 9 with 0 kept, and its movements sum to 8 with 0 kept")
        );
    }

    #[test]
    fn no_more_is_sold_than_ever_was_there() {
        let mut history = sample::good();
        history.found.orders[0].lines[0].quantity = 11;
        let all = told(&no_oversell(&history));
        assert!(all.contains("SHOE: 11 were sold, and there ever were 10"), "{all}");
        assert!(all.contains("o-1: is paid, and its stock was not taken"), "{all}");
    }

    #[test]
    fn what_is_sold_has_its_stock() {
        let mut history = sample::good();
        history.found.reservations[0].state = "expired".to_owned();
        assert!(told(&no_oversell(&history)).contains("o-1: is paid, and its stock was not taken"));
    }

    #[test]
    fn nothing_is_kept_or_taken_for_nobody() {
        let mut history = sample::good();
        history.found.reservations[1].state = "active".to_owned();
        let all = told(&no_leaked_stock(&history));
        assert!(all.contains("o-2: stock is kept for it, and it is cancelled"), "{all}");
        assert!(all.contains("SHOE: 0 are counted as kept, and 1 are"), "{all}");

        let mut history = sample::good();
        history.found.reservations[1].state = "committed".to_owned();
        assert!(
            told(&no_leaked_stock(&history)).contains("o-2: stock was taken for it, and it is cancelled")
        );

        let mut history = sample::good();
        history.found.orders.remove(1);
        history.found.reservations[1].state = "active".to_owned();
        assert!(told(&no_leaked_stock(&history)).contains("o-2: stock is kept for it, and it is not there"));
    }
}
