//! Ways to reach somebody.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A way to reach somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// E-mail.
    Email,
    /// Web push.
    Push,
    /// A webhook.
    Webhook,
}

/// A text that is none of them.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no channel")]
pub struct Unknown(String);

impl Channel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Email, Self::Push, Self::Webhook];

    /// As text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Push => "push",
            Self::Webhook => "webhook",
        }
    }
}

impl std::str::FromStr for Channel {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}
