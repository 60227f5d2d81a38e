//! What may become of a reservation, and what that does to stock.

/// How far a reservation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Stock is kept.
    Active,
    /// Stock is gone for good.
    Committed,
    /// Stock was given back.
    Released,
    /// Nobody committed it in time: stock was given back.
    Expired,
}

impl State {
    /// As text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Committed => "committed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    /// Of a text that [`State::as_str`] has written.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Committed, Self::Released, Self::Expired]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take the stock.
    Commit,
    /// Give it back.
    Release,
    /// Its time may be over.
    Expire,
}

/// Why that cannot be.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NoTransition {
    /// It was too late.
    #[error("the reservation has expired")]
    Expired,
    /// Somebody has given it back.
    #[error("the reservation has been released")]
    Released,
}

/// A step, and what it does to stock for each that was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Where it leads.
    pub to: State,
    /// What becomes of what is there.
    pub on_hand: i64,
    /// What becomes of what is reserved.
    pub reserved: i64,
    /// What the movement is called.
    pub movement: &'static str,
}

/// The step from a state by an action. Nothing: it has been done, or there is nothing to do. `is_over` is whether its time is.
pub fn step(from: State, action: Action, is_over: bool) -> Result<Option<Transition>, NoTransition> {
    let transition =
        |to, on_hand, reserved, movement| Ok(Some(Transition { to, on_hand, reserved, movement }));
    match (action, from) {
        (Action::Commit, State::Active) if is_over => Err(NoTransition::Expired),
        (Action::Commit, State::Active) => transition(State::Committed, -1, -1, "committed"),
        (Action::Commit, State::Expired) => Err(NoTransition::Expired),
        (Action::Commit, State::Released) => Err(NoTransition::Released),
        (Action::Release, State::Active) => transition(State::Released, 0, -1, "released"),
        (Action::Release, State::Committed) => transition(State::Released, 1, 0, "returned"),
        (Action::Expire, State::Active) if is_over => transition(State::Expired, 0, -1, "expired"),
        (Action::Commit, State::Committed)
        | (Action::Release, State::Released | State::Expired)
        | (Action::Expire, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn action() -> impl Strategy<Value = (Action, bool)> {
        (prop::sample::select(vec![Action::Commit, Action::Release, Action::Expire]), any::<bool>())
    }

    proptest! {
        #[test]
        fn stock_is_neither_made_nor_lost(actions in prop::collection::vec(action(), 0..12)) {
            // One reserved of one that is there.
            let (mut state, mut on_hand, mut reserved) = (State::Active, 1, 1);
            for (action, is_over) in actions {
                let Ok(Some(transition)) = step(state, action, is_over) else { continue };
                (state, on_hand, reserved) = (transition.to, on_hand + transition.on_hand, reserved + transition.reserved);
                let wanted = match state {
                    State::Active => (1, 1),
                    State::Committed => (0, 0),
                    State::Released | State::Expired => (1, 0),
                };
                prop_assert_eq!((on_hand, reserved), wanted);
                // Again, it does nothing.
                prop_assert_eq!(step(state, action, is_over), Ok(None));
            }
        }
    }

    #[test]
    fn what_is_given_back_is_not_committed() {
        assert_eq!(step(State::Active, Action::Commit, true), Err(NoTransition::Expired));
        assert_eq!(step(State::Expired, Action::Commit, false), Err(NoTransition::Expired));
        assert_eq!(step(State::Released, Action::Commit, false), Err(NoTransition::Released));
        assert_eq!(step(State::Active, Action::Expire, false), Ok(None));
        assert_eq!(step(State::Committed, Action::Expire, true), Ok(None));
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        for state in [State::Active, State::Committed, State::Released, State::Expired] {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("lost"), None);
    }
}
