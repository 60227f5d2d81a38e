//! `kubectl-flotilla`: the command line of Flotilla.
//!
//! `command` has one file a subcommand. What a subcommand says is put together by pure functions of the other modules,
//! which the golden tests hold; only `cluster` and the commands themselves speak to an API server.

pub mod args;
pub mod cluster;
pub mod command;
pub mod convert;
pub mod desired;
pub mod error;
pub mod given;
pub mod input;
pub mod kind;
pub mod output;
pub mod pod;
pub mod schema;
pub mod summary;
pub mod tree;

pub use error::Error;

/// How a command that could do its work ended; an error ends with 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes: ready, valid, no difference.
    Yes,
    /// No: not ready, not valid, different.
    No,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// What an error ends with, as with `kubectl diff`: more than the 1 of an [`Answer::No`].
pub const EXIT_ERROR: u8 = 2;
