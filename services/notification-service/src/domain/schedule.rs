//! When what failed is tried again.

use std::time::Duration;

/// How long to wait after each failure. After the last one it is a dead letter.
const USUAL: [u64; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

/// The same of what is of no use after a quarter of an hour, such as the link of a mail that somebody waits for.
const URGENT: [u64; 5] = [5, 30, 120, 300, 300];

/// The longest wait that another may ask for.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// How soon something is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// After a day.
    Usual,
    /// After some minutes.
    Urgent,
}

fn delays(urgency: Urgency) -> &'static [u64] {
    match urgency {
        Urgency::Usual => &USUAL,
        Urgency::Urgent => &URGENT,
    }
}

/// Whether this many tries are more than there can be. Those before have not even ended, so whoever made them may have died of
/// it.
pub fn is_beyond(urgency: Urgency, tries: i32) -> bool {
    usize::try_from(tries).is_ok_and(|tries| tries > delays(urgency).len() + 1)
}

/// How long to wait after this many tries. `random` is from 0 to 1 and spreads those that failed together, by a tenth. Who was
/// asked to wait (`Retry-After`) waits for that at least. Nothing: it is given up.
pub fn after(urgency: Urgency, tries: u32, asked: Option<Duration>, random: f64) -> Option<Duration> {
    let at = usize::try_from(tries).ok()?.checked_sub(1)?;
    let delay = Duration::from_secs(*delays(urgency).get(at)?);
    let spread = delay.mul_f64(1.0 + 0.1 * random.clamp(0.0, 1.0));
    Some(spread.max(asked.unwrap_or_default().min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_tried_as_often_as_there_are_delays_and_once_more() {
        let seconds = |urgency, tries| after(urgency, tries, None, 0.0).map(|delay| delay.as_secs());
        let usual: Vec<_> = (1..=8).map(|tries| seconds(Urgency::Usual, tries)).collect();
        assert_eq!(usual[..7], USUAL.map(Some));
        assert_eq!(usual[7], None);
        assert_eq!(seconds(Urgency::Urgent, 5), Some(300));
        assert_eq!(seconds(Urgency::Urgent, 6), None);
        assert!(!is_beyond(Urgency::Usual, 8) && is_beyond(Urgency::Usual, 9));
        assert!(!is_beyond(Urgency::Urgent, 6) && is_beyond(Urgency::Urgent, 7));
        // All within the time that a secret can be had for.
        assert!(URGENT.iter().sum::<u64>() * 11 / 10 < 15 * 60);
    }

    proptest! {
        #[test]
        fn a_wait_is_as_long_as_it_was_asked_for_and_not_for_ever(
            tries in 1_u32..=7, asked in 0_u64..1_000_000, random in -1.0_f64..2.0,
        ) {
            let wait = after(Urgency::Usual, tries, Some(Duration::from_secs(asked)), random).unwrap();
            prop_assert!(wait >= Duration::from_secs(asked.min(24 * 3_600)));
            prop_assert!(wait <= LONGEST);
            prop_assert!(wait >= Duration::from_secs(USUAL[tries as usize - 1]));
        }
    }
}
