//! What resolvers have at hand.

use std::collections::HashMap;

use async_graphql::{
    Context,
    dataloader::{DataLoader, Loader},
};
use axum::http::StatusCode;
use flotilla_kit::{
    database::Pool,
    graphql::Asker,
    http::{
        Problem,
        conditional::{ETag, IfMatch},
    },
};
use uuid::Uuid;

use crate::{
    actions::Principal,
    app::App,
    domain::role::Permission,
    store::accounts::{self, Account},
};

/// The service.
pub(super) fn app<'a>(context: &Context<'a>) -> Result<&'a App, Problem> {
    context.data::<App>().map_err(|_| missing("the service"))
}

/// Whoever asks, or 401.
pub(super) fn principal<'a>(context: &Context<'a>) -> Result<&'a Principal, Problem> {
    Asker::of(context)
}

/// An account that whoever asks may see. To others it is not there.
pub(super) async fn account(context: &Context<'_>, id: Uuid) -> Result<Option<Account>, Problem> {
    let may_see = principal(context).is_ok_and(|asker| asker.user == id || asker.may(Permission::Read));
    if !may_see {
        return Ok(None);
    }
    let loader = context.data::<DataLoader<Accounts>>().map_err(|_| missing("the loader"))?;
    loader.load_one(id).await
}

/// An id that somebody sent as `name`.
pub(super) fn uuid(name: &'static str, sent: &async_graphql::ID) -> Result<Uuid, Problem> {
    Uuid::try_parse(sent).map_err(|_| {
        let detail = "an argument cannot be taken; errors says which";
        Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail).parameter(name, "expected a UUID")
    })
}

/// That a change is made to the version that was read.
pub(super) fn unless_changed(since: u32) -> IfMatch {
    IfMatch::These(vec![ETag(since.into())])
}

fn missing(what: &str) -> Problem {
    Problem::internal(&std::io::Error::other(format!("a request came without {what}")))
}

/// Loads accounts.
pub(super) struct Accounts(pub Pool);

impl Loader<Uuid> for Accounts {
    type Value = Account;
    type Error = Problem;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Account>, Problem> {
        let found = accounts::batch(&self.0, ids).await?;
        Ok(found.into_iter().map(|account| (account.id, account)).collect())
    }
}
