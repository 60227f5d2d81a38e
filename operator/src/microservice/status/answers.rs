//! What others answered to the objects that a service has for them.

use crate::cluster::kind::Kind;

/// The answers to the objects of one purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answers {
    /// Objects that are refused.
    pub(super) refused: Vec<Answer>,
    /// Objects of which nobody has said anything yet, or that are not done.
    pub(super) silent: Vec<Answer>,
    /// How many are taken over.
    pub(super) taken: usize,
}

/// What there is to say of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its kind.
    pub(super) kind: Kind,
    /// Its name.
    pub(super) name: String,
    /// The answer, with the object that it is about.
    pub(super) message: String,
}

impl Answer {
    /// What was answered to an object.
    pub(super) fn new(kind: Kind, name: &str, why: &str) -> Self {
        Self { kind, name: name.to_owned(), message: format!("{kind} {name}: {why}") }
    }

    /// Nothing was.
    pub(super) fn none(kind: Kind, name: &str) -> Self {
        let message = format!("no gateway has answered to {kind} {name} yet");
        Self { kind, name: name.to_owned(), message }
    }
}

/// All of them in one sentence.
pub(super) fn joined(answers: &[Answer]) -> String {
    answers.iter().map(|answer| &*answer.message).collect::<Vec<_>>().join("; ")
}
