//! What is read.

use async_graphql::{Context, ID, Object};
use flotilla_kit::http::Problem;
use uuid::Uuid;

use super::{
    cart::Cart,
    context::{app, order, principal, uuid},
    order::{Order, Orders, page},
    user::User,
};
use crate::actions::carts;

pub(super) struct Query;

#[Object(name = "Query")]
impl Query {
    /// What whoever asks has ordered, the newest first.
    #[graphql(complexity = "1 + first as usize * child_complexity")]
    async fn orders(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "From 1 to 100", default = 20)] first: u32,
        #[graphql(desc = "The cursor of a page before")] after: Option<String>,
    ) -> Option<Result<Orders, Problem>> {
        let list = async { page(context, principal(context)?.user, first, after.as_deref()).await };
        Some(list.await)
    }

    /// An order of whoever asks, or anybody's to those who run the shop.
    async fn order(&self, context: &Context<'_>, id: ID) -> Option<Result<Order, Problem>> {
        let find = async {
            principal(context)?;
            order(context, uuid("id", &id)?).await
        };
        find.await.map(|found| found.map(Order)).transpose()
    }

    /// A cart of whoever asks.
    async fn cart(&self, context: &Context<'_>, id: ID) -> Option<Result<Cart, Problem>> {
        let find = async { carts::get(app(context)?, principal(context)?, uuid("id", &id)?).await };
        match find.await {
            Err(problem) if problem.code() == "not_found" => None,
            found => Some(found.map(Cart::from)),
        }
    }

    /// An order that another subgraph names. To those who may not see it, it is not there.
    #[graphql(entity)]
    async fn order_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Order>, Problem> {
        match Uuid::try_parse(&id) {
            Ok(id) => Ok(order(context, id).await?.map(Order)),
            Err(_) => Ok(None),
        }
    }

    /// Somebody whom another subgraph names. What is theirs is only for those who may see it.
    #[graphql(entity)]
    async fn user_by_id(&self, id: ID) -> User {
        User { id }
    }
}
