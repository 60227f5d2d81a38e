//! What is changed, in the version that was read. What is stale or cannot be switched off, REST says so as well.

use async_graphql::{Context, Object};
use flotilla_kit::http::{
    Problem,
    conditional::{ETag, IfMatch},
};

use super::{
    context::{app, claims},
    preferences::{NotificationPreferenceInput, NotificationPreferences},
};
use crate::actions::{preferences, user};

pub(super) struct Mutation;

#[Object(name = "Mutation")]
impl Mutation {
    /// Replaces what whoever asks wants to be told. What is not named is on.
    async fn replace_notification_preferences(
        &self,
        context: &Context<'_>,
        version: u32,
        preferences: Vec<NotificationPreferenceInput>,
    ) -> Result<NotificationPreferences, Problem> {
        let read = IfMatch::These(vec![ETag(version.into())]);
        let new: Vec<_> =
            preferences.iter().map(|one| (one.category.into(), one.channel.into(), one.enabled)).collect();
        let choices = preferences::replace(app(context)?, user(claims(context)?)?, &read, &new).await?;
        Ok(choices.into())
    }
}
