//! What people say of themselves.

use async_graphql::InputObject;
use flotilla_kit::{
    database::Transaction,
    http::{
        Problem, Violations,
        conditional::{ETag, IfMatch},
    },
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Principal;
use crate::{
    app::App,
    domain::profile,
    store::{
        accounts::{self, Account},
        audit,
    },
};

/// What changes of a profile. What is left out stays.
#[derive(Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileChange {
    /// From 1 to 100 characters.
    name: Option<String>,
    /// A language tag (RFC 5646).
    locale: Option<String>,
}

/// Changes one's own.
pub(crate) async fn change_own(
    app: &App,
    principal: &Principal,
    expected: &IfMatch,
    sent: &ProfileChange,
) -> Result<Account, Problem> {
    let mut transaction = app.pool.begin().await?;
    let account = principal.lock(&mut transaction).await?;
    let account = change(&mut transaction, principal, &account, expected, sent).await?;
    transaction.commit().await?;
    Ok(account)
}

/// Changes that of an account which is locked, and says what it is then.
pub(crate) async fn change(
    transaction: &mut Transaction<'_>,
    principal: &Principal,
    account: &Account,
    expected: &IfMatch,
    sent: &ProfileChange,
) -> Result<Account, Problem> {
    expected.check(ETag(account.version))?;
    let mut violations = Violations::new();
    let name = sent.name.as_deref().map(profile::name).transpose();
    let locale = sent.locale.as_deref().map(profile::locale).transpose();
    let (name, locale) = (violations.check("/name", name), violations.check("/locale", locale));
    violations.into_result()?;
    let name = name.flatten().unwrap_or_else(|| account.name.clone());
    let locale = locale.flatten().unwrap_or_else(|| account.locale.clone());
    accounts::update(&mut *transaction, account.id, &name, &locale).await?;
    audit::append(&mut *transaction, Some(principal.user), account.id, "profile_changed", json!({})).await?;
    let gone = || Problem::not_found("there is no such user");
    accounts::get(&mut **transaction, account.id).await?.ok_or_else(gone)
}
