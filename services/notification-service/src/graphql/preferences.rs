//! What somebody wants to be told.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::{
    actions::preferences::{Choice, Choices},
    domain::{category::Category, channel::Channel},
};

/// A kind of notifications.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "Category")]
pub(super) enum NotificationCategory {
    /// About the account: always sent.
    Security,
    /// What somebody has to have of a purchase: mail is always sent.
    Orders,
    /// What is good to know of a purchase.
    Updates,
    /// What the shop would like to tell.
    Marketing,
}

/// A way to reach somebody.
#[derive(Clone, Copy, Enum, PartialEq, Eq)]
#[graphql(remote = "Channel")]
pub(super) enum NotificationChannel {
    /// E-mail.
    Email,
    /// Web push.
    Push,
    /// A webhook.
    Webhook,
}

/// Whether somebody wants something in some way.
#[derive(SimpleObject)]
pub(super) struct NotificationPreference {
    category: NotificationCategory,
    channel: NotificationChannel,
    enabled: bool,
    /// Whether it can be switched off.
    optional: bool,
}

/// What somebody wants to be told.
#[derive(SimpleObject)]
pub(super) struct NotificationPreferences {
    /// How often it has changed: what a change is made to.
    version: u32,
    #[graphql(complexity = "1 + 8 * child_complexity")]
    all: Vec<NotificationPreference>,
}

impl From<Choices> for NotificationPreferences {
    fn from(choices: Choices) -> Self {
        let preference = |choice: Choice| NotificationPreference {
            category: choice.category.into(),
            channel: choice.channel.into(),
            enabled: choice.enabled,
            optional: choice.optional,
        };
        Self {
            version: u32::try_from(choices.tag.0).unwrap_or(u32::MAX),
            all: choices.all.into_iter().map(preference).collect(),
        }
    }
}

/// Whether somebody is to be told something in some way.
#[derive(InputObject)]
pub(super) struct NotificationPreferenceInput {
    pub(super) category: NotificationCategory,
    pub(super) channel: NotificationChannel,
    pub(super) enabled: bool,
}
