//! Kinds of notifications, as far as people may say that they do not want them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::channel::Channel;

/// A kind of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// About the account: always sent.
    Security,
    /// What somebody has to have of a purchase: mail is always sent.
    Orders,
    /// What is good to know of a purchase.
    Updates,
    /// What the shop would like to tell.
    Marketing,
}

/// A text that is none of them.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no category")]
pub struct Unknown(String);

impl Category {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Security, Self::Orders, Self::Updates, Self::Marketing];

    /// As text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Security => "security",
            Self::Orders => "orders",
            Self::Updates => "updates",
            Self::Marketing => "marketing",
        }
    }

    /// Whether somebody may say that they do not want it in this way.
    pub const fn is_optional(self, channel: Channel) -> bool {
        match self {
            Self::Security => false,
            Self::Orders => !matches!(channel, Channel::Email),
            Self::Updates | Self::Marketing => true,
        }
    }
}

impl std::str::FromStr for Category {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}
