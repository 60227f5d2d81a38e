//! Registration. The answer is the same when there is an account already: only its owner hears of it, by mail.

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use flotilla_kit::{
    Secret,
    database::Transaction,
    http::{Json, Problem, Violations},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Answer, floor, private,
    shape::{ACCEPTED, Accepted},
};
use crate::{
    app::App,
    domain::{email::Email, password, profile},
    events::{self, Fact},
    mailing::{self, Occasion},
    store::{
        accounts, audit, credentials,
        registrations::{self, Kept},
    },
};

/// Who somebody is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Registration {
    #[schema(format = "email")]
    email: String,
    /// At least 10 characters, and none of the first that are tried.
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
    /// From 1 to 100 characters.
    name: String,
    /// A language tag (RFC 5646). Left out: `en`.
    locale: Option<String>,
}

/// Makes an account.
#[utoipa::path(post, path = "/v1/auth/register", tag = "auth", request_body = Registration, responses(
    (status = 202, description = "A mail comes to the address, whether it is new here or not", body = Accepted),
))]
pub(super) async fn register(State(app): State<App>, Json(sent): Json<Registration>) -> Answer {
    let began = Instant::now();
    let mut violations = Violations::new();
    let email = violations.check("/email", Email::parse(&sent.email));
    let name = violations.check("/name", profile::name(&sent.name));
    let locale = violations.check("/locale", profile::locale(sent.locale.as_deref().unwrap_or("en")));
    if let Some(email) = &email {
        violations.check("/password", password::check(&sent.password, email, &sent.name));
    }
    violations.into_result()?;
    let (Some(email), Some(name), Some(locale)) = (email, name, locale) else {
        return Err(Problem::internal(&std::io::Error::other("a violation was lost")));
    };
    // Before it is known whether it is needed, so that the time does not tell.
    let hash = app.passwords.hash(&sent.password).await?;
    let mut transaction = app.pool.begin().await?;
    let may_send = mailing::may_send(&app, &mut transaction, &email).await?;
    let id = Uuid::now_v7();
    if accounts::insert(&mut transaction, id, &email, &name, &locale).await? {
        credentials::set(&mut transaction, id, &hash).await?;
        audit::append(&mut transaction, Some(id), id, "registered", json!({})).await?;
        events::append(&mut transaction, id, &Fact::Registered { locale }).await?;
        mailing::send(&app, &mut transaction, id, Occasion::Verification, email.as_str()).await?;
    } else if may_send {
        let registration = Kept { password_hash: hash, name, locale };
        repeat(&app, &mut transaction, &email, &registration).await?;
    }
    transaction.commit().await?;
    app.wake.wake();
    floor(began).await;
    Ok(private((StatusCode::ACCEPTED, Json(ACCEPTED)).into_response()))
}

/// Somebody registers with an address that there is an account with. It changes nothing: it may be somebody else.
async fn repeat(
    app: &App,
    transaction: &mut Transaction<'_>,
    email: &Email,
    registration: &Kept,
) -> Result<(), Problem> {
    let Some(account) = mailing::whose(transaction, email).await? else { return Ok(()) };
    if account.email_verified_at.is_some() {
        events::append(transaction, account.id, &Fact::RegistrationRepeated).await?;
        return Ok(());
    }
    // Nor is it known whose the account is. It becomes that of whoever gets their mail.
    let token = mailing::send(app, transaction, account.id, Occasion::Verification, &account.email).await?;
    registrations::insert(&mut *transaction, token, registration).await?;
    Ok(())
}
