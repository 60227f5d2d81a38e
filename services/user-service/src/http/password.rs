//! Passwords: another one by whoever knows the old one, and by whoever gets the mail.

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use flotilla_kit::{
    Secret,
    database::Transaction,
    http::{Json, Problem as Failure, Violations},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Answer,
    email::checked,
    floor, private,
    problems::bad_token,
    shape::{ACCEPTED, Accepted, Address},
};
use crate::{
    actions::Principal,
    app::App,
    crypto::Token,
    domain::{email::Email, password},
    events::{self, Fact},
    guard,
    mailing::{self, Occasion},
    store::{
        accounts::{self, Account},
        audit, credentials,
        mails::{self, Purpose},
        sessions,
        throttles::{self, Scope},
    },
};

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The one until now.
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
    /// At least 10 characters, and none of the first that are tried.
    #[schema(value_type = String, format = Password)]
    new_password: Secret<String>,
}

/// Changes the password. All other sessions are ended.
#[utoipa::path(post, path = "/v1/users/me/password", tag = "me", operation_id = "change_password", request_body = PasswordChange, security(("bearer" = [])), responses(
    (status = 204, description = "It is the password from now on"),
    (status = 429),
))]
pub(super) async fn change(
    State(app): State<App>,
    principal: Principal,
    Json(sent): Json<PasswordChange>,
) -> Answer {
    let account = principal.account(&app).await?;
    check(&sent.new_password, &account, "/new_password")?;
    let confirmed = guard::confirm(&app, &account, &sent.password).await?;
    let hash = app.passwords.hash(&sent.new_password).await?;
    let mut transaction = app.pool.begin().await?;
    let account = confirmed.lock(&mut transaction).await?;
    credentials::set(&mut transaction, account.id, &hash).await?;
    retire(&mut transaction, account.id).await?;
    sessions::end_all(&mut transaction, account.id, Some(principal.session), "password_changed").await?;
    audit::append(&mut transaction, Some(account.id), account.id, "password_changed", json!({})).await?;
    events::append(&mut transaction, account.id, &Fact::PasswordChanged { how: "change" }).await?;
    transaction.commit().await?;
    app.wake.wake();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Asks for another password by mail.
#[utoipa::path(post, path = "/v1/auth/forgot-password", tag = "auth", request_body = Address, responses(
    (status = 202, description = "A mail comes if somebody has this address", body = Accepted),
))]
pub(super) async fn forgot(State(app): State<App>, Json(sent): Json<Address>) -> Answer {
    let began = Instant::now();
    let email = checked(&sent.email)?;
    let mut transaction = app.pool.begin().await?;
    let may_send = mailing::may_send(&app, &mut transaction, &email).await?;
    let account = mailing::whose(&mut transaction, &email).await?;
    if let Some(account) = account.filter(|_| may_send) {
        audit::append(&mut transaction, None, account.id, "password_reset_requested", json!({})).await?;
        mailing::send(&app, &mut transaction, account.id, Occasion::PasswordReset, &account.email).await?;
    }
    transaction.commit().await?;
    app.wake.wake();
    floor(began).await;
    Ok(private((StatusCode::ACCEPTED, Json(ACCEPTED)).into_response()))
}

/// Another password, by the token of a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordReset {
    #[schema(value_type = String, min_length = 43, max_length = 43)]
    token: Secret<String>,
    /// At least 10 characters, and none of the first that are tried.
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
}

/// Sets the password by the token of a mail. All sessions are ended; a second factor is asked for as before.
#[utoipa::path(post, path = "/v1/auth/reset-password", tag = "auth", request_body = PasswordReset, responses(
    (status = 204, description = "It is the password from now on"),
))]
pub(super) async fn reset(State(app): State<App>, Json(sent): Json<PasswordReset>) -> Answer {
    let token = Token::parse(&sent.token).ok_or_else(bad_token)?.hash();
    // First whether it is one: nobody has hashes made for nothing. No lock is held while one is.
    let owner = mails::owner(&app.pool, Purpose::PasswordReset, &token).await?.ok_or_else(bad_token)?;
    let account = accounts::get(&app.pool, owner).await?.ok_or_else(bad_token)?;
    check(&sent.password, &account, "/password")?;
    let hash = app.passwords.hash(&sent.password).await?;

    let mut transaction = app.pool.begin().await?;
    let one = mails::lock(&mut transaction, Purpose::PasswordReset, &token).await?.ok_or_else(bad_token)?;
    let user = one.user_id;
    mails::used(&mut transaction, one.id).await?;
    retire(&mut transaction, user).await?;
    credentials::set(&mut transaction, user, &hash).await?;
    // Whoever has the mail has the address, and nobody knows who made the account.
    if accounts::verify_email(&mut transaction, user, &one.email).await? {
        accounts::clear(&mut transaction, user).await?;
        mails::retire(&mut transaction, user, Purpose::Verification).await?;
        events::append(&mut transaction, user, &Fact::EmailVerified).await?;
    }
    let email = Email::parse(&one.email).map_err(|error| Failure::internal(&error))?;
    throttles::lift(&mut transaction, Scope::Login, &guard::key(&app, &email)).await?;
    sessions::end_all(&mut transaction, user, None, "password_reset").await?;
    audit::append(&mut transaction, None, user, "password_reset", json!({})).await?;
    events::append(&mut transaction, user, &Fact::PasswordChanged { how: "reset" }).await?;
    transaction.commit().await?;
    app.wake.wake();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What was begun with the password until now, or by whoever has the old one, is good no longer.
async fn retire(transaction: &mut Transaction<'_>, user: Uuid) -> Result<(), sqlx::Error> {
    for purpose in [Purpose::PasswordReset, Purpose::SecondFactor, Purpose::EmailChange] {
        mails::retire(&mut *transaction, user, purpose).await?;
    }
    Ok(())
}

fn check(sent: &Secret<String>, account: &Account, pointer: &str) -> Result<(), Failure> {
    let email = Email::parse(&account.email).map_err(|error| Failure::internal(&error))?;
    let mut violations = Violations::new();
    violations.check(pointer, password::check(sent, &email, &account.name));
    violations.into_result()
}
