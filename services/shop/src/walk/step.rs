//! How far a walk is.

use std::fmt;

use serde::Serialize;

/// A step of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// An account is made.
    Register,
    /// The mail about it is read.
    ReadMail,
    /// The address is shown to be theirs.
    Verify,
    /// A session begins.
    LogIn,
    /// Something is chosen.
    Browse,
    /// It is put into a cart.
    FillCart,
    /// The cart is ordered.
    Order,
    /// The order is paid.
    Pay,
    /// The mail about it comes.
    Confirmation,
}

impl Step {
    /// In a few letters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::ReadMail => "read mail",
            Self::Verify => "verify",
            Self::LogIn => "log in",
            Self::Browse => "browse",
            Self::FillCart => "fill cart",
            Self::Order => "order",
            Self::Pay => "pay",
            Self::Confirmation => "confirmation",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A step that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Which.
    pub step: Step,
    /// What came of it, in one line.
    pub what: String,
    /// What its requests have in all logs.
    pub correlation_id: String,
    /// How long it took.
    pub milliseconds: u64,
}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, what, correlation_id, milliseconds } = self;
        write!(formatter, "{step:<12} {milliseconds:>6} ms  {correlation_id}  {what}")
    }
}
