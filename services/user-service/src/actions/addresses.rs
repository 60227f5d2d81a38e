//! Where things are sent to whoever is logged in.

use async_graphql::InputObject;
use axum::http::StatusCode;
use flotilla_kit::{
    database::Transaction,
    http::{
        Problem,
        conditional::{ETag, IfMatch},
    },
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Principal;
use crate::{
    app::App,
    domain::address,
    store::{
        addresses::{self, Kept},
        audit,
    },
};

/// An address that somebody sends.
#[derive(Deserialize, ToSchema, InputObject)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAddress {
    /// Who gets it.
    #[schema(min_length = 1, max_length = 100)]
    recipient: String,
    #[schema(min_length = 1, max_length = 100)]
    line1: String,
    #[serde(default)]
    #[graphql(default)]
    #[schema(max_length = 100)]
    line2: String,
    #[schema(min_length = 1, max_length = 100)]
    city: String,
    #[serde(default)]
    #[graphql(default)]
    #[schema(max_length = 100)]
    region: String,
    #[serde(default)]
    #[graphql(default)]
    #[schema(max_length = 16)]
    postal_code: String,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$")]
    country: String,
    /// E.164.
    #[serde(default)]
    #[graphql(default)]
    phone: String,
    /// Whether it is taken when nothing is said. The first one is.
    #[serde(default)]
    #[graphql(default)]
    is_default: bool,
}

impl NewAddress {
    fn check(self) -> Result<(address::Address, bool), Problem> {
        let address = address::Address {
            recipient: self.recipient,
            line1: self.line1,
            line2: self.line2,
            city: self.city,
            region: self.region,
            postal_code: self.postal_code,
            country: self.country,
            phone: self.phone,
        };
        Ok((address.check()?, self.is_default))
    }
}

/// There is none, or it is somebody else's.
pub(crate) fn none() -> Problem {
    Problem::not_found("there is no such address")
}

/// Adds one.
pub(crate) async fn add(app: &App, principal: &Principal, sent: NewAddress) -> Result<Kept, Problem> {
    let (address, is_default) = sent.check()?;
    let (user, id) = (principal.user, Uuid::now_v7());
    let mut transaction = app.pool.begin().await?;
    principal.lock(&mut transaction).await?;
    let count = addresses::count(&mut transaction, user).await?;
    if count >= address::MAX {
        let detail = format!("there are {} addresses already; remove one", address::MAX);
        return Err(Problem::new(StatusCode::CONFLICT, "too_many_addresses", detail));
    }
    let is_default = is_default || count == 0;
    if is_default {
        addresses::clear_default(&mut transaction, user).await?;
    }
    addresses::insert(&mut transaction, user, id, &address, is_default).await?;
    note(&mut transaction, user, "address_added", id).await?;
    let kept = addresses::get(&mut *transaction, user, id).await?.ok_or_else(none)?;
    transaction.commit().await?;
    Ok(kept)
}

/// Replaces one in the version that was read.
pub(crate) async fn replace(
    app: &App,
    principal: &Principal,
    id: Uuid,
    expected: &IfMatch,
    sent: NewAddress,
) -> Result<Kept, Problem> {
    let (address, is_default) = sent.check()?;
    let user = principal.user;
    let mut transaction = app.pool.begin().await?;
    principal.lock(&mut transaction).await?;
    let kept = addresses::lock(&mut transaction, user, id).await?.ok_or_else(none)?;
    expected.check(ETag(kept.version))?;
    if is_default && !kept.is_default {
        addresses::clear_default(&mut transaction, user).await?;
    }
    addresses::update(&mut transaction, user, id, &address, is_default).await?;
    note(&mut transaction, user, "address_changed", id).await?;
    let kept = addresses::get(&mut *transaction, user, id).await?.ok_or_else(none)?;
    transaction.commit().await?;
    Ok(kept)
}

/// Removes one in the version that was read.
pub(crate) async fn remove(
    app: &App,
    principal: &Principal,
    id: Uuid,
    expected: &IfMatch,
) -> Result<(), Problem> {
    let mut transaction = app.pool.begin().await?;
    principal.lock(&mut transaction).await?;
    let kept = addresses::lock(&mut transaction, principal.user, id).await?.ok_or_else(none)?;
    expected.check(ETag(kept.version))?;
    addresses::delete(&mut transaction, principal.user, id).await?;
    note(&mut transaction, principal.user, "address_removed", id).await?;
    transaction.commit().await?;
    Ok(())
}

async fn note(
    transaction: &mut Transaction<'_>,
    user: Uuid,
    action: &str,
    address: Uuid,
) -> Result<(), sqlx::Error> {
    audit::append(&mut *transaction, Some(user), user, action, json!({ "address": address })).await
}
