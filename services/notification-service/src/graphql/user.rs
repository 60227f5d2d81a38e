//! Somebody, as far as they are told something.

use async_graphql::{Context, ID, Object};
use flotilla_kit::http::Problem;
use uuid::Uuid;

use super::{
    context::{app, claims},
    notification::{Notifications, page},
    preferences::NotificationPreferences,
};
use crate::actions::{may_see, preferences};

/// Somebody. Another subgraph says who they are.
pub(super) struct User {
    pub(super) id: ID,
}

impl User {
    /// Their id, for those who may see what they were told.
    fn seen(&self, context: &Context<'_>) -> Option<Uuid> {
        let id = Uuid::try_parse(&self.id).ok()?;
        claims(context).is_ok_and(|claims| may_see(claims, Some(id))).then_some(id)
    }

    /// Their id, when it is they who ask.
    fn asker(&self, context: &Context<'_>) -> Option<Uuid> {
        let id = Uuid::try_parse(&self.id).ok()?;
        claims(context).is_ok_and(|claims| claims.sub == id.to_string()).then_some(id)
    }
}

#[Object]
impl User {
    async fn id(&self) -> &ID {
        &self.id
    }

    /// What they were told, the newest first. Only they see it, and those who run the shop.
    #[graphql(complexity = "1 + first as usize * child_complexity")]
    async fn notifications(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "From 1 to 100", default = 20)] first: u32,
        #[graphql(desc = "The cursor of a page before")] after: Option<String>,
    ) -> Option<Result<Notifications, Problem>> {
        Some(page(context, self.seen(context)?, first, after.as_deref()).await)
    }

    /// What they want to be told. Only they see it.
    async fn notification_preferences(
        &self,
        context: &Context<'_>,
    ) -> Option<Result<NotificationPreferences, Problem>> {
        let id = self.asker(context)?;
        let read = async { preferences::read(app(context)?, id).await };
        Some(read.await.map(NotificationPreferences::from))
    }
}
