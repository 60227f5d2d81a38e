//! What is read.

use async_graphql::{Context, ID, Object};
use flotilla_kit::http::Problem;
use uuid::Uuid;

use super::{
    context::{account, principal, uuid},
    user::User,
};

pub(super) struct Query;

#[Object(name = "Query")]
impl Query {
    /// Whoever asks.
    async fn me(&self, context: &Context<'_>) -> Option<Result<User, Problem>> {
        let find = async { account(context, principal(context)?.user).await };
        find.await.map(|found| found.map(User)).transpose()
    }

    /// Somebody: whoever asks, or anybody to those who may see accounts of others.
    async fn user(&self, context: &Context<'_>, id: ID) -> Option<Result<User, Problem>> {
        let find = async {
            principal(context)?;
            account(context, uuid("id", &id)?).await
        };
        find.await.map(|found| found.map(User)).transpose()
    }

    /// Somebody whom another subgraph names. To those who may not see them they are not there.
    #[graphql(entity)]
    async fn user_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<User>, Problem> {
        match Uuid::try_parse(&id) {
            Ok(id) => Ok(account(context, id).await?.map(User)),
            Err(_) => Ok(None),
        }
    }
}
