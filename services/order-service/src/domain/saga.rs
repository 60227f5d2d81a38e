//! The way of an order to its payment, and back. Stock is committed before money is taken, so that too little stock costs
//! nobody anything: what is held is given up, and nothing has to be given back.

use super::{order, text::text_enum};

text_enum! {
    /// What is to be done next.
    Step {
        /// Keep stock for the order.
        Reserve = "reserve",
        /// Make a payment with the provider; nothing is held yet.
        CreateIntent = "create_intent",
        /// Ask the bank to hold the money.
        Authorize = "authorize",
        /// Wait for the customer: for their answer to the bank, or another card.
        AwaitPayment = "await_payment",
        /// Take the stock.
        Commit = "commit",
        /// Take the money.
        Capture = "capture",
        /// Undo what was done, the last first.
        Undo = "undo",
        /// Nothing.
        Done = "done",
    }
}

text_enum! {
    /// What undoes a step.
    Compensation {
        /// Give the stock back.
        Release = "release",
        /// Give up what is held, or give back what was taken.
        Void = "void",
    }
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saga {
    /// What is to be done next.
    pub step: Step,
    /// What has to be undone should it fail, the last first from the end.
    pub compensations: Vec<Compensation>,
    /// What the order becomes once all is undone.
    pub target: Option<order::Status>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// The customer has to do something.
    Waits,
    /// It cannot be done.
    Refused,
    /// There is no more time, or nobody wants it any more: the order is to end as this.
    Abandoned(order::Status),
}

impl Saga {
    /// At its beginning.
    pub fn new() -> Self {
        Self { step: Step::Reserve, compensations: Vec::new(), target: None }.registered()
    }

    /// Of an order that was done and is to be undone: all of it.
    pub fn turned_back(target: order::Status) -> Self {
        let compensations = Compensation::ALL.to_vec();
        Self { step: Step::Undo, compensations, target: Some(target) }
    }

    /// With what undoes the next step, which is written before the step runs.
    #[must_use]
    pub fn registered(mut self) -> Self {
        let compensation = match self.step {
            Step::Reserve => Compensation::Release,
            Step::CreateIntent => Compensation::Void,
            _ => return self,
        };
        if !self.compensations.contains(&compensation) {
            self.compensations.push(compensation);
        }
        self
    }

    /// Whether it may be given up before the next step, when somebody no longer wants it.
    pub const fn is_abandonable(&self) -> bool {
        !matches!(self.step, Step::Undo | Step::Done)
    }

    /// Whether the time in which an order has to be paid applies: not any more once money is held.
    pub const fn has_deadline(&self) -> bool {
        matches!(self.step, Step::Reserve | Step::CreateIntent | Step::Authorize | Step::AwaitPayment)
    }

    /// What is next to be undone.
    pub fn next_undo(&self) -> Option<Compensation> {
        self.compensations.last().copied()
    }

    /// After the next step came to this.
    #[must_use]
    pub fn after(mut self, outcome: Outcome) -> Self {
        use order::Status;
        let step = match (self.step, outcome) {
            (Step::Undo, Outcome::Done) => {
                self.compensations.pop();
                if self.compensations.is_empty() { Step::Done } else { Step::Undo }
            }
            // What cannot be undone is left to a person; the rest is undone nevertheless.
            (Step::Undo, Outcome::Refused) => {
                self.compensations.pop();
                return self.undo(Status::NeedsReview);
            }
            (Step::Undo, _) => Step::Undo,
            (_, Outcome::Abandoned(target)) => return self.undo(target),
            (Step::Reserve, Outcome::Refused) => return self.undo(Status::Rejected),
            (Step::Reserve, Outcome::Done) => Step::CreateIntent,
            (Step::CreateIntent, Outcome::Done) => Step::Authorize,
            (Step::Authorize | Step::AwaitPayment, Outcome::Done) => Step::Commit,
            (Step::Commit, Outcome::Refused) => return self.undo(Status::Expired),
            (Step::Commit, Outcome::Done) => Step::Capture,
            (Step::Capture | Step::Done, Outcome::Done) => Step::Done,
            (Step::CreateIntent | Step::Capture, Outcome::Refused) => return self.undo(Status::Cancelled),
            (Step::Authorize | Step::AwaitPayment, Outcome::Waits | Outcome::Refused) => Step::AwaitPayment,
            (step, Outcome::Waits | Outcome::Refused) => step,
        };
        self.step = step;
        self
    }

    fn undo(mut self, target: order::Status) -> Self {
        self.target = Some(target);
        self.step = if self.compensations.is_empty() { Step::Done } else { Step::Undo };
        self
    }
}

impl Default for Saga {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            6 => Just(Outcome::Done),
            1 => Just(Outcome::Waits),
            1 => Just(Outcome::Refused),
            1 => Just(Outcome::Abandoned(order::Status::Cancelled)),
        ]
    }

    #[test]
    fn the_way_forth_takes_stock_before_money() {
        let mut saga = Saga::new();
        let mut way = Vec::new();
        while saga.step != Step::Done {
            saga = saga.registered();
            way.push(saga.step);
            saga = saga.after(Outcome::Done);
        }
        assert_eq!(way, [Step::Reserve, Step::CreateIntent, Step::Authorize, Step::Commit, Step::Capture]);
        assert_eq!(saga.target, None);
    }

    #[test]
    fn what_undoes_a_step_is_written_before_it_runs() {
        let mut saga = Saga::new();
        assert_eq!(saga.compensations, [Compensation::Release]);
        saga = saga.after(Outcome::Done).registered();
        assert_eq!(saga.compensations, [Compensation::Release, Compensation::Void]);
    }

    #[test]
    fn the_way_back_undoes_the_last_first() {
        let mut saga = Saga::new();
        for _ in 0..3 {
            saga = saga.registered().after(Outcome::Done);
        }
        saga = saga.after(Outcome::Refused);
        assert_eq!((saga.step, saga.target), (Step::Undo, Some(order::Status::Expired)));
        assert_eq!(saga.next_undo(), Some(Compensation::Void));
        saga = saga.after(Outcome::Done);
        assert_eq!(saga.next_undo(), Some(Compensation::Release));
        assert_eq!(saga.after(Outcome::Done).step, Step::Done);
    }

    #[test]
    fn what_cannot_be_undone_is_left_to_a_person_and_the_rest_is_undone() {
        let saga = Saga::turned_back(order::Status::Cancelled);
        assert_eq!(saga.next_undo(), Some(Compensation::Void));
        let saga = saga.after(Outcome::Refused);
        assert_eq!((saga.step, saga.next_undo()), (Step::Undo, Some(Compensation::Release)));
        let saga = saga.after(Outcome::Done);
        assert_eq!((saga.step, saga.target), (Step::Done, Some(order::Status::NeedsReview)));
    }

    proptest! {
        #[test]
        fn whatever_happens_what_was_begun_is_undone_or_all_is_done(outcomes in prop::collection::vec(outcome(), 0..40)) {
            let mut saga = Saga::new();
            let (mut has_begun, mut undone, mut is_undoing, mut is_stuck) = (Vec::new(), Vec::new(), false, false);
            for outcome in outcomes {
                saga = saga.registered();
                match saga.step {
                    Step::Done => break,
                    Step::Undo => {
                        is_undoing = true;
                        if matches!(outcome, Outcome::Done | Outcome::Refused) { undone.push(saga.next_undo().unwrap()); }
                        is_stuck |= outcome == Outcome::Refused;
                    }
                    step => {
                        prop_assert!(!is_undoing, "forth after back");
                        let last = saga.compensations.last().filter(|last| !has_begun.contains(*last));
                        has_begun.extend(last);
                        if step == Step::Capture { prop_assert_eq!(has_begun.len(), 2); }
                    }
                }
                saga = saga.after(outcome);
            }
            if saga.step == Step::Done {
                if saga.target.is_some() {
                    undone.reverse();
                    prop_assert_eq!(undone, has_begun);
                    prop_assert_eq!(saga.target == Some(order::Status::NeedsReview), is_stuck);
                } else {
                    prop_assert!(undone.is_empty());
                }
            }
        }
    }
}
