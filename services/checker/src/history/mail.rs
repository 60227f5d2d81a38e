//! Mail: who has paid is told once (I7), and nobody else is (I8).

use std::collections::{BTreeMap, BTreeSet};

use super::{History, Invariant, Violation};

/// The different Message-IDs of confirmations of each order.
fn confirmations(history: &History) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut by_order = BTreeMap::<&str, BTreeSet<&str>>::new();
    for mail in &history.found.mails {
        if let Some(order) = &mail.confirms {
            by_order.entry(order).or_default().insert(&mail.message_id);
        }
    }
    by_order
}

/// How many mails came that had come before, by their Message-ID: between the answer of a mail server and the commit that notes
/// it, whoever dies has it sent again.
pub fn duplicates(history: &History) -> usize {
    let different: BTreeSet<_> = history.found.mails.iter().map(|mail| &mail.message_id).collect();
    history.found.mails.len() - different.len()
}

/// I7: of each order that was paid there is one confirmation, by its Message-ID; and no mail comes twice unless something was
/// done after which nobody can know whether it was sent.
pub(super) fn one_confirmation(history: &History) -> Vec<Violation> {
    let fail = |ids: Vec<&str>, what: String| Violation::new(Invariant::OneConfirmation, ids, what);
    let confirmations = confirmations(history);
    let mut violations = Vec::new();
    for order in history.found.ever_paid() {
        match confirmations.get(order) {
            None => violations.push(fail(vec![order], "was paid, and not confirmed".to_owned())),
            Some(mails) if mails.len() > 1 => {
                let ids = std::iter::once(order).chain(mails.iter().copied()).collect();
                violations.push(fail(ids, format!("was confirmed by {} different mails", mails.len())));
            }
            Some(_) => {}
        }
    }
    let duplicates = duplicates(history);
    if history.disturbances == 0 && duplicates > 0 {
        violations.push(fail(Vec::new(), format!("{duplicates} mails came twice, and nothing had happened")));
    }
    violations
}

/// I8: whatever is confirmed was paid.
pub(super) fn none_for_unpaid(history: &History) -> Vec<Violation> {
    let paid = history.found.ever_paid();
    confirmations(history)
        .into_iter()
        .filter(|(order, _)| !paid.contains(order))
        .map(|(order, mails)| {
            let ids = std::iter::once(order).chain(mails);
            Violation::new(Invariant::NoneForUnpaid, ids, "was confirmed, and never paid")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Mail, sample},
        *,
    };

    fn told(violations: &[Violation]) -> String {
        violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    fn mail(message_id: &str, order: &str) -> Mail {
        Mail { message_id: message_id.to_owned(), confirms: Some(order.to_owned()) }
    }

    #[test]
    fn who_has_paid_is_told_once() {
        let mut history = sample::good();
        history.found.mails.push(mail("<other@shop>", "o-1"));
        assert!(told(&one_confirmation(&history)).contains("was confirmed by 2 different mails"));
        history.found.mails.clear();
        assert_eq!(
            told(&one_confirmation(&history)),
            "I7 one confirmation: o-1: was paid, and not confirmed"
        );
    }

    #[test]
    fn a_mail_comes_twice_only_if_nobody_could_know_that_it_was_sent() {
        let mut history = sample::good();
        history.found.mails.push(history.found.mails[0].clone());
        assert_eq!(duplicates(&history), 1);
        assert!(told(&one_confirmation(&history)).contains("1 mails came twice"));
        history.disturbances = 1;
        assert_eq!(one_confirmation(&history), []);
    }

    #[test]
    fn who_has_not_paid_is_not_told_so() {
        let mut history = sample::good();
        history.found.mails.push(mail("<o-2@shop>", "o-2"));
        assert!(told(&none_for_unpaid(&history)).contains("o-2 <o-2@shop>: was confirmed, and never paid"));
    }
}
