//! Addresses of mail: that one is theirs, and another one.

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
    Answer, floor, private,
    problems::bad_token,
    shape::{ACCEPTED, Accepted, Address, MailToken},
};
use crate::{
    actions::Principal,
    app::App,
    crypto::Token,
    domain::email::Email,
    events::{self, Fact},
    guard,
    mailing::{self, Occasion},
    store::{
        accounts, audit, credentials,
        mails::{self, Purpose},
        registrations::{self, Kept},
    },
};

/// Shows that an address is theirs, by the token of a mail: the first one, or another one.
#[utoipa::path(post, path = "/v1/auth/verify-email", tag = "auth", request_body = MailToken, responses(
    (status = 204, description = "The address is known to be theirs"),
    (status = 409, description = "Another account has the address"),
))]
pub(super) async fn verify(State(app): State<App>, Json(sent): Json<MailToken>) -> Answer {
    let token = Token::parse(&sent.token).ok_or_else(bad_token)?.hash();
    let mut transaction = app.pool.begin().await?;
    if let Some(one) = mails::lock(&mut transaction, Purpose::Verification, &token).await? {
        mails::used(&mut transaction, one.id).await?;
        if accounts::verify_email(&mut transaction, one.user_id, &one.email).await? {
            if let Some(registration) = registrations::take(&mut transaction, one.id).await? {
                take_over(&mut transaction, one.user_id, &registration).await?;
            }
            mails::retire(&mut transaction, one.user_id, Purpose::Verification).await?;
            audit::append(&mut transaction, None, one.user_id, "email_verified", json!({})).await?;
            events::append(&mut transaction, one.user_id, &Fact::EmailVerified).await?;
        }
    } else if let Some(one) = mails::lock(&mut transaction, Purpose::EmailChange, &token).await? {
        let email = Email::parse(&one.email).map_err(|error| Failure::internal(&error))?;
        mails::used(&mut transaction, one.id).await?;
        if !accounts::change_email(&mut transaction, one.user_id, &email).await? {
            let detail = "another account has this address by now";
            return Err(Failure::new(StatusCode::CONFLICT, "email_taken", detail));
        }
        // A mail that went to the old address gets nobody in any more.
        mails::retire(&mut transaction, one.user_id, Purpose::PasswordReset).await?;
        mails::retire(&mut transaction, one.user_id, Purpose::Verification).await?;
        audit::append(&mut transaction, None, one.user_id, "email_changed", json!({})).await?;
        events::append(&mut transaction, one.user_id, &Fact::EmailChanged).await?;
    } else {
        return Err(bad_token());
    }
    transaction.commit().await?;
    app.wake.wake();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An account that somebody had made with an address of somebody else becomes that of whoever has the address.
async fn take_over(
    transaction: &mut Transaction<'_>,
    user: Uuid,
    registration: &Kept,
) -> Result<(), Failure> {
    accounts::clear(&mut *transaction, user).await?;
    mails::retire(&mut *transaction, user, Purpose::SecondFactor).await?;
    mails::retire(&mut *transaction, user, Purpose::EmailChange).await?;
    credentials::set(&mut *transaction, user, &registration.password_hash).await?;
    accounts::update(&mut *transaction, user, &registration.name, &registration.locale).await?;
    audit::append(&mut *transaction, None, user, "taken_over", json!({})).await?;
    Ok(())
}

/// Has the mail of the last registration be sent again.
#[utoipa::path(post, path = "/v1/auth/resend-verification", tag = "auth", request_body = Address, responses(
    (status = 202, description = "A mail comes if somebody has this address and has not shown that it is theirs", body = Accepted),
))]
pub(super) async fn resend(State(app): State<App>, Json(sent): Json<Address>) -> Answer {
    let began = Instant::now();
    let email = checked(&sent.email)?;
    let mut transaction = app.pool.begin().await?;
    let may_send = mailing::may_send(&app, &mut transaction, &email).await?;
    let waiting = mailing::whose(&mut transaction, &email).await?;
    if let Some(account) = waiting.filter(|account| may_send && account.email_verified_at.is_none()) {
        let registration = registrations::last(&mut transaction, account.id).await?;
        let (user, occasion) = (account.id, Occasion::Verification);
        let token = mailing::send(&app, &mut transaction, user, occasion, &account.email).await?;
        if let Some(registration) = registration {
            registrations::insert(&mut transaction, token, &registration).await?;
        }
    }
    transaction.commit().await?;
    app.wake.wake();
    floor(began).await;
    Ok(private((StatusCode::ACCEPTED, Json(ACCEPTED)).into_response()))
}

/// Another address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailChange {
    /// The new one.
    #[schema(format = "email")]
    email: String,
    /// To show that it is them.
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
}

/// Asks for another address, which a mail to it has to confirm.
#[utoipa::path(post, path = "/v1/users/me/email", tag = "me", operation_id = "change_email", request_body = EmailChange, security(("bearer" = [])), responses(
    (status = 202, description = "A mail comes to the new address, unless it is somebody else's", body = Accepted),
    (status = 429),
))]
pub(super) async fn change(
    State(app): State<App>,
    principal: Principal,
    Json(sent): Json<EmailChange>,
) -> Answer {
    let email = checked(&sent.email)?;
    let account = principal.account(&app).await?;
    let confirmed = guard::confirm(&app, &account, &sent.password).await?;
    let began = Instant::now();
    let mut transaction = app.pool.begin().await?;
    let account = confirmed.lock(&mut transaction).await?;
    let may_send = mailing::may_send(&app, &mut transaction, &email).await?;
    // Whose it is besides is nobody's business.
    let is_free =
        accounts::by_email(&mut *transaction, &email).await?.is_none_or(|other| other.id == account.id);
    audit::append(&mut transaction, Some(account.id), account.id, "email_change_requested", json!({}))
        .await?;
    if may_send && is_free {
        mailing::send(&app, &mut transaction, account.id, Occasion::EmailChange, email.as_str()).await?;
    }
    transaction.commit().await?;
    app.wake.wake();
    floor(began).await;
    Ok(private((StatusCode::ACCEPTED, Json(ACCEPTED)).into_response()))
}

/// An address that somebody sent as `email`.
pub(super) fn checked(text: &str) -> Result<Email, Failure> {
    let mut violations = Violations::new();
    let email = violations.check("/email", Email::parse(text));
    violations.into_result()?;
    email.ok_or_else(|| Failure::internal(&std::io::Error::other("a violation was lost")))
}
