//! Refresh tokens: what was exchanged gives nothing any more, and who tries ends the session (I12).

use super::{Asked, History, Invariant, Operation, Outcome, Violation};

/// An exchange of a token of a family.
struct Exchange<'a> {
    family: &'a str,
    token: &'a str,
    operation: &'a Operation,
}

impl Exchange<'_> {
    fn is_ok(&self) -> bool {
        self.operation.answer().is_some()
    }

    fn is_before(&self, other: &Self) -> bool {
        self.operation.end <= other.operation.begin
    }

    fn successor(&self) -> Option<&str> {
        self.operation.answer()?.token.as_deref()
    }
}

/// I12: a token that was exchanged gives no tokens once its grace is over or its successor was used; and after somebody has
/// tried, the whole family is dead.
pub(super) fn tokens(history: &History) -> Vec<Violation> {
    let exchanges: Vec<_> = history
        .operations
        .iter()
        .filter_map(|operation| match &operation.asked {
            Asked::Exchange { family, token } => Some(Exchange { family, token, operation }),
            _ => None,
        })
        .collect();
    let mut violations = Vec::new();
    for (later, exchange) in exchanges.iter().enumerate() {
        let of_family = || {
            let others = exchanges.iter().enumerate().filter(move |(at, _)| *at != later);
            others.map(|(_, other)| other).filter(|other| other.family == exchange.family && other.is_ok())
        };
        let fail = |what: &str| Violation::new(Invariant::Tokens, [exchange.family, exchange.token], what);
        let is_over = of_family().any(|other| {
            other.token == exchange.token
                && other.operation.end.saturating_add(history.grace) < exchange.operation.begin
        });
        let is_left_behind = of_family().any(|other| {
            let is_successor_used =
                |successor: &str| of_family().any(|used| used.token == successor && used.is_before(exchange));
            other.token == exchange.token && other.successor().is_some_and(is_successor_used)
        });
        if !is_over && !is_left_behind {
            continue;
        }
        if exchange.is_ok() {
            let what = if is_over { "its grace was over" } else { "its successor had been used" };
            violations.push(fail(&format!("was exchanged again, although {what}")));
        }
        let is_known = matches!(exchange.operation.outcome, Outcome::Fail { status: 401, .. });
        if is_known && let Some(alive) = of_family().find(|other| exchange.is_before(other)) {
            let ids = [exchange.family, exchange.token, alive.token];
            let what = "was used twice, and its family gave tokens afterwards";
            violations.push(Violation::new(Invariant::Tokens, ids, what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Answer, Moment, sample},
        *,
    };

    fn exchange(begin: Moment, token: &str, gives: Option<&str>) -> Operation {
        let asked = Asked::Exchange { family: "s-1".to_owned(), token: token.to_owned() };
        let outcome = match gives {
            Some(next) => Outcome::Ok(Answer { token: Some(next.to_owned()), ..Answer::default() }),
            None => Outcome::Fail { status: 401, code: None },
        };
        sample::operation(begin, begin + 1, asked, outcome)
    }

    fn told(operations: Vec<Operation>) -> String {
        let history = History { operations, grace: 100, ..History::default() };
        tokens(&history).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_token_may_be_exchanged_again_while_its_grace_lasts() {
        assert_eq!(told(vec![exchange(10, "a", Some("b")), exchange(50, "a", Some("b"))]), "");
        assert_eq!(told(vec![exchange(10, "a", Some("b")), exchange(500, "a", None)]), "");
    }

    #[test]
    fn a_token_gives_nothing_after_its_grace() {
        let all = told(vec![exchange(10, "a", Some("b")), exchange(200, "a", Some("c"))]);
        assert_eq!(all, "I12 refresh tokens: s-1 a: was exchanged again, although its grace was over");
    }

    #[test]
    fn a_token_gives_nothing_once_its_successor_was_used() {
        let all = told(vec![
            exchange(10, "a", Some("b")),
            exchange(20, "b", Some("c")),
            exchange(30, "a", Some("b")),
        ]);
        assert!(all.contains("s-1 a: was exchanged again, although its successor had been used"), "{all}");
    }

    #[test]
    fn a_family_is_dead_after_a_token_was_used_twice() {
        let mut all = vec![exchange(10, "a", Some("b")), exchange(500, "a", None)];
        all.push(exchange(600, "b", None));
        assert_eq!(told(all.clone()), "");
        all.push(exchange(700, "b", Some("c")));
        assert!(told(all).contains("s-1 a b: was used twice, and its family gave tokens afterwards"));
    }
}
