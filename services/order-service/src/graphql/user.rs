//! Somebody, as far as they order.

use async_graphql::{Context, ID, Object};
use flotilla_kit::http::Problem;
use uuid::Uuid;

use super::{
    context::principal,
    order::{Orders, page},
};

/// Somebody. Another subgraph says who they are.
pub(super) struct User {
    pub(super) id: ID,
}

#[Object]
impl User {
    async fn id(&self) -> &ID {
        &self.id
    }

    /// What they have ordered, the newest first. Only they see it, and those who run the shop.
    #[graphql(complexity = "1 + first as usize * child_complexity")]
    async fn orders(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "From 1 to 100", default = 20)] first: u32,
        #[graphql(desc = "The cursor of a page before")] after: Option<String>,
    ) -> Option<Result<Orders, Problem>> {
        let id = Uuid::try_parse(&self.id).ok()?;
        let may_see = principal(context).is_ok_and(|asker| asker.may_see(id));
        if may_see { Some(page(context, id, first, after.as_deref()).await) } else { None }
    }
}
