//! What is read.

use async_graphql::{Context, ID, Object};
use flotilla_kit::http::Problem;
use uuid::Uuid;

use super::{
    context::{app, claims, notification, uuid},
    notification::{Notification, Notifications, page},
    preferences::NotificationPreferences,
    user::User,
};
use crate::actions::{preferences, user};

pub(super) struct Query;

#[Object(name = "Query")]
impl Query {
    /// What whoever asks was told, the newest first.
    #[graphql(complexity = "1 + first as usize * child_complexity")]
    async fn notifications(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "From 1 to 100", default = 20)] first: u32,
        #[graphql(desc = "The cursor of a page before")] after: Option<String>,
    ) -> Option<Result<Notifications, Problem>> {
        let list = async { page(context, user(claims(context)?)?, first, after.as_deref()).await };
        Some(list.await)
    }

    /// Something that whoever asks was told, or anybody to those who run the shop.
    async fn notification(&self, context: &Context<'_>, id: ID) -> Option<Result<Notification, Problem>> {
        let find = async {
            claims(context)?;
            notification(context, uuid("id", &id)?).await
        };
        find.await.map(|found| found.map(Notification)).transpose()
    }

    /// What whoever asks wants to be told.
    async fn notification_preferences(
        &self,
        context: &Context<'_>,
    ) -> Option<Result<NotificationPreferences, Problem>> {
        let read = async { preferences::read(app(context)?, user(claims(context)?)?).await };
        Some(read.await.map(NotificationPreferences::from))
    }

    /// Something that another subgraph names. To those who may not see it, it is not there.
    #[graphql(entity)]
    async fn notification_by_id(
        &self,
        context: &Context<'_>,
        id: ID,
    ) -> Result<Option<Notification>, Problem> {
        match Uuid::try_parse(&id) {
            Ok(id) => Ok(notification(context, id).await?.map(Notification)),
            Err(_) => Ok(None),
        }
    }

    /// Somebody whom another subgraph names. What is theirs is only for those who may see it.
    #[graphql(entity)]
    async fn user_by_id(&self, id: ID) -> User {
        User { id }
    }
}
