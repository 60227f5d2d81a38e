//! Rotation of refresh tokens (RFC 9700, section 4.14.2): each is used once, for a new one. Whoever uses one again has either
//! not got the answer, or stolen it. The first is only so for a short time, and only while the new one has not been used.

use jiff::{SignedDuration, Timestamp};

/// What is known of a token that somebody presents, and of its family.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was exchanged.
    pub used_at: Option<Timestamp>,
    /// Whether what it was exchanged for has been used.
    pub is_successor_used: bool,
    /// Whether its family goes on: not ended, not over, and its user may log in.
    pub is_family_live: bool,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A new one for it.
    Rotate,
    /// The same one as before: the answer was lost.
    Repeat,
    /// Nothing: it is over.
    Refuse,
    /// Somebody else has it as well: nobody of the family is to be believed.
    Compromised,
}

/// Decides, with the time in which a lost answer may be asked for again.
pub fn decide(presented: &Presented, now: Timestamp, grace: SignedDuration) -> Decision {
    if !presented.is_family_live {
        return Decision::Refuse;
    }
    match presented.used_at {
        None if presented.expires_at > now => Decision::Rotate,
        None => Decision::Refuse,
        Some(used_at) if !presented.is_successor_used && now.duration_since(used_at) <= grace => {
            Decision::Repeat
        }
        Some(_) => Decision::Compromised,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRACE: SignedDuration = SignedDuration::from_secs(10);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn fresh() -> Presented {
        Presented { expires_at: at(1_000), used_at: None, is_successor_used: false, is_family_live: true }
    }

    #[test]
    fn a_token_is_exchanged_once() {
        assert_eq!(decide(&fresh(), at(500), GRACE), Decision::Rotate);
        assert_eq!(decide(&fresh(), at(1_000), GRACE), Decision::Refuse);
        let dead = Presented { is_family_live: false, ..fresh() };
        assert_eq!(decide(&dead, at(500), GRACE), Decision::Refuse);
    }

    #[test]
    fn a_lost_answer_is_given_again_for_a_while() {
        let used = Presented { used_at: Some(at(500)), ..fresh() };
        assert_eq!(decide(&used, at(500), GRACE), Decision::Repeat);
        assert_eq!(decide(&used, at(510), GRACE), Decision::Repeat);
        assert_eq!(decide(&used, at(511), GRACE), Decision::Compromised);
        // Clocks of replicas differ.
        assert_eq!(decide(&used, at(499), GRACE), Decision::Repeat);
    }

    #[test]
    fn who_uses_an_older_one_has_stolen_it() {
        let older = Presented { used_at: Some(at(500)), is_successor_used: true, ..fresh() };
        assert_eq!(decide(&older, at(501), GRACE), Decision::Compromised);
    }

    proptest! {
        #[test]
        fn nothing_comes_from_a_used_token_after_the_grace(
            used in 0_i64..1_000, later in 11_i64..10_000, successor in any::<bool>(), live in any::<bool>(),
        ) {
            let presented = Presented { used_at: Some(at(used)), is_successor_used: successor, is_family_live: live, ..fresh() };
            let decision = decide(&presented, at(used + later), GRACE);
            prop_assert!(matches!(decision, Decision::Compromised | Decision::Refuse));
            prop_assert_eq!(decision == Decision::Compromised, live);
        }
    }
}
