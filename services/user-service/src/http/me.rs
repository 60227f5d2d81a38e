//! Whoever is logged in: what they say of themselves, and how they go.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{
    Json,
    conditional::{ETag, IfMatch, IfNoneMatch},
};
use serde_json::json;

use super::{
    Answer,
    shape::{Confirmation, User},
};
use crate::{
    actions::{
        Principal,
        profile::{self, ProfileChange},
    },
    app::App,
    events::{self, Fact},
    guard,
    store::{
        accounts::{self, Account},
        audit, throttles,
    },
};

/// Whoever is logged in.
#[utoipa::path(get, path = "/v1/users/me", tag = "me", security(("bearer" = [])), params(
    ("If-None-Match" = Option<String>, Header, description = "The ETag that is known"),
), responses(
    (status = 200, description = "The account, with its ETag", body = User, headers(("ETag" = String))),
    (status = 304, description = "It is as it is known"),
))]
pub(super) async fn get(State(app): State<App>, principal: Principal, known: IfNoneMatch) -> Answer {
    let account = principal.account(&app).await?;
    Ok(known.answer(ETag(account.version), || Json(User::from(&account)).into_response()))
}

/// Changes what they say of themselves.
#[utoipa::path(patch, path = "/v1/users/me", tag = "me", request_body = ProfileChange, security(("bearer" = [])), params(
    ("If-Match" = String, Header, description = "The ETag of what is changed"),
), responses(
    (status = 200, description = "The account, with its ETag", body = User, headers(("ETag" = String))),
))]
pub(super) async fn patch(
    State(app): State<App>,
    principal: Principal,
    expected: IfMatch,
    Json(sent): Json<ProfileChange>,
) -> Answer {
    let account = profile::change_own(&app, &principal, &expected, &sent).await?;
    Ok(with_etag(&account))
}

/// An account with its ETag.
pub(super) fn with_etag(account: &Account) -> Response {
    let mut response = Json(User::from(account)).into_response();
    response.headers_mut().insert(axum::http::header::ETAG, ETag(account.version).header());
    response
}

/// Erases the account (GDPR, article 17), here at once and elsewhere by an event. There is no way back.
#[utoipa::path(delete, path = "/v1/users/me", tag = "me", request_body = Confirmation, security(("bearer" = [])), responses(
    (status = 204, description = "It is nobody's any more"),
    (status = 429),
))]
pub(super) async fn delete(
    State(app): State<App>,
    principal: Principal,
    Json(sent): Json<Confirmation>,
) -> Answer {
    let account = principal.account(&app).await?;
    let confirmed = guard::confirm(&app, &account, &sent.password).await?;
    let mut transaction = app.pool.begin().await?;
    let account = confirmed.lock(&mut transaction).await?;
    if let Ok(email) = crate::domain::email::Email::parse(&account.email) {
        let key = guard::key(&app, &email);
        throttles::lift(&mut transaction, throttles::Scope::Login, &key).await?;
    }
    accounts::erase(&mut transaction, account.id).await?;
    audit::append(&mut transaction, Some(account.id), account.id, "erased", json!({})).await?;
    events::append(&mut transaction, account.id, &Fact::Erased).await?;
    transaction.commit().await?;
    app.wake.wake();
    Ok(StatusCode::NO_CONTENT.into_response())
}
