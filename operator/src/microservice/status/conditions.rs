//! Conditions that move only when something moved.

use flotilla_crds::v1alpha1::condition;
use jiff::{Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::shortened;

/// A condition as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    type_: &'static str,
    status: &'static str,
    reason: String,
    message: String,
}

impl Wanted {
    /// A condition that is true, false, or unknown.
    pub(super) fn new(type_: &'static str, status: Option<bool>, reason: &str, message: String) -> Self {
        let status = match status {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        Self { type_, status, reason: reason.to_owned(), message }
    }
}

/// The order of conditions in `status`: the summary first.
const ORDER: [&str; 12] = [
    condition::READY,
    condition::RECONCILING,
    condition::STALLED,
    condition::SUSPENDED,
    condition::AVAILABLE,
    condition::PROGRESSING,
    condition::DEPENDENCIES_READY,
    condition::BINDINGS_READY,
    condition::ROUTES_ACCEPTED,
    condition::POLICIES_APPLIED,
    condition::MIGRATIONS_COMPLETE,
    condition::CAPABILITIES_AVAILABLE,
];

/// The wanted conditions, each with the time of its last transition: that of before when its status is the same.
///
/// A time that moves without a transition would make every status differ from the last, and the operator write
/// for ever.
pub(super) fn merge(
    before: &[Condition],
    wanted: &[Wanted],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    // `metav1.Time` has whole seconds.
    let now = now.round(Unit::Second).unwrap_or(now);
    let mut conditions: Vec<_> = wanted
        .iter()
        .map(|wanted| {
            let former = before.iter().find(|former| former.type_ == wanted.type_);
            let since = former
                .filter(|former| former.status == wanted.status)
                .map_or(Time(now), |former| former.last_transition_time.clone());
            Condition {
                type_: wanted.type_.to_owned(),
                status: wanted.status.to_owned(),
                reason: wanted.reason.clone(),
                message: shortened(&wanted.message),
                observed_generation: generation,
                last_transition_time: since,
            }
        })
        .collect();
    conditions.sort_by_key(|condition| ORDER.iter().position(|type_| *type_ == condition.type_));
    conditions
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second)
    }

    #[test]
    fn the_time_moves_with_the_status_only() {
        let ready = |status, reason| [Wanted::new(condition::READY, status, reason, String::new())];
        let first = merge(&[], &ready(Some(false), "Progressing"), Some(1), at(1));
        let same = merge(&first, &ready(Some(false), "Unavailable"), Some(2), at(2));
        assert_eq!(same[0].last_transition_time.0, at(1));
        assert_eq!(same[0].reason, "Unavailable");
        assert_eq!(same[0].observed_generation, Some(2));
        let flipped = merge(&same, &ready(Some(true), "Available"), Some(2), at(3));
        assert_eq!(flipped[0].last_transition_time.0, at(3));
    }

    #[test]
    fn what_is_not_wanted_any_more_is_gone() {
        let reconciling = [Wanted::new(condition::RECONCILING, Some(true), "RollingOut", String::new())];
        let before = merge(&[], &reconciling, None, at(1));
        assert_eq!(merge(&before, &[], None, at(2)), []);
    }

    #[test]
    fn messages_are_bounded_on_a_character() {
        let long = "ä".repeat(2000);
        let merged = merge(&[], &[Wanted::new(condition::READY, None, "X", long)], None, at(0));
        assert_eq!(merged[0].message.chars().count(), 1027);
    }
}
