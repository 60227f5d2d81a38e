//! When keys for signing come and go. There is always a next one, published long before it signs, so that whoever checks
//! tokens has it by then; and one that signs no longer stays published until all that it signed has ended.

use jiff::{SignedDuration, Timestamp};

/// How long things last.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// For how long a key signs.
    pub period: SignedDuration,
    /// For how long it is published at least before it signs. Longer than others keep keys.
    pub lead: SignedDuration,
    /// For how long it is published after it has signed. Longer than a token lives.
    pub tail: SignedDuration,
}

/// A key, as far as this matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// From when it signs.
    pub signs_from: Timestamp,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Keys to make, by when they begin to sign.
    pub make: Vec<Timestamp>,
    /// Keys to remove.
    pub remove: Vec<String>,
}

/// The key that signs now: the last that has begun to.
pub fn current<K>(keys: &[K], now: Timestamp, signs_from: impl Fn(&K) -> Timestamp) -> Option<&K> {
    keys.iter().filter(|key| signs_from(key) <= now).max_by_key(|key| signs_from(key))
}

/// What is to be done with these keys.
pub fn plan(keys: &[Known], now: Timestamp, rotation: &Rotation) -> Plan {
    let mut plan = Plan::default();
    let current = current(keys, now, |key| key.signs_from).map(|key| key.signs_from);
    let begins = current.unwrap_or(now);
    if current.is_none() {
        plan.make.push(now);
    }
    if keys.iter().all(|key| key.signs_from <= now) {
        let after = |time: Timestamp, wait| time.checked_add(wait).unwrap_or(Timestamp::MAX);
        // When this service slept for long the next one is late, and never without its lead.
        plan.make.push(after(begins, rotation.period).max(after(now, rotation.lead)));
    }
    for key in keys {
        let next = keys.iter().map(|other| other.signs_from).filter(|time| *time > key.signs_from).min();
        let is_over = next.is_some_and(|next| now.duration_since(next) > rotation.tail);
        if is_over {
            plan.remove.push(key.id.clone());
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROTATION: Rotation = Rotation {
        period: SignedDuration::from_hours(24),
        lead: SignedDuration::from_hours(2),
        tail: SignedDuration::from_hours(1),
    };

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).unwrap()
    }

    fn keys(hours: &[i64]) -> Vec<Known> {
        hours.iter().map(|hour| Known { id: hour.to_string(), signs_from: at(*hour) }).collect()
    }

    #[test]
    fn the_first_key_signs_at_once_and_the_next_is_published_with_it() {
        assert_eq!(plan(&[], at(100), &ROTATION), Plan { make: vec![at(100), at(124)], remove: vec![] });
        assert_eq!(plan(&keys(&[100, 124]), at(100), &ROTATION), Plan::default());
        assert_eq!(plan(&keys(&[100, 124]), at(123), &ROTATION), Plan::default());
    }

    #[test]
    fn when_the_next_begins_another_is_made_and_the_old_one_goes_a_while_later() {
        assert_eq!(plan(&keys(&[100, 124]), at(124), &ROTATION).make, [at(148)]);
        assert_eq!(plan(&keys(&[100, 124, 148]), at(125), &ROTATION), Plan::default());
        assert_eq!(plan(&keys(&[100, 124, 148]), at(126), &ROTATION).remove, ["100"]);
    }

    #[test]
    fn after_a_long_sleep_the_next_still_has_its_lead() {
        assert_eq!(plan(&keys(&[100, 124]), at(300), &ROTATION).make, [at(302)]);
    }

    proptest! {
        /// Whatever the times at which somebody looks.
        #[test]
        fn no_key_signs_that_was_not_published_before(steps in prop::collection::vec(1_i64..60, 1..80)) {
            let mut keys: Vec<(Known, Timestamp)> = Vec::new();
            let mut hour = 0;
            for step in steps {
                hour += step;
                let known: Vec<_> = keys.iter().map(|(key, _)| key.clone()).collect();
                let signing = current(&known, at(hour), |key| key.signs_from).cloned();
                let plan = plan(&known, at(hour), &ROTATION);
                for key in &plan.remove {
                    prop_assert!(signing.as_ref().is_some_and(|signing| signing.id != *key));
                }
                keys.retain(|(key, _)| !plan.remove.contains(&key.id));
                for time in plan.make {
                    keys.push((Known { id: keys.len().to_string() + &hour.to_string(), signs_from: time }, at(hour)));
                }
                let known: Vec<_> = keys.iter().map(|(key, _)| key.clone()).collect();
                prop_assert!(current(&known, at(hour), |key| key.signs_from).is_some());
                prop_assert!(known.iter().any(|key| key.signs_from > at(hour)));
                for (key, made) in keys.iter().skip(1) {
                    prop_assert!(key.signs_from.duration_since(*made) >= ROTATION.lead);
                }
            }
        }
    }
}
