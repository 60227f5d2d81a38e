//! Login. What is answered to a wrong password is answered to an unknown address, after the same work.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use flotilla_kit::{
    Secret,
    http::{Json, Problem as Failure},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{Answer, email::checked, floor, private, tokens};
use crate::{
    app::App,
    crypto::Token,
    guard,
    store::{
        accounts::{self, Account, Status},
        credentials,
        mails::{self, New, Purpose},
        second_factors,
        throttles::{self, Scope},
    },
};

/// How long whoever has shown a password has for the second factor.
const SECOND_FACTOR: Duration = Duration::from_secs(300);

/// Who somebody says they are.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    #[schema(format = "email")]
    email: String,
    #[schema(value_type = String, format = Password)]
    password: Secret<String>,
}

/// The password is right, and a second factor is asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct SecondFactorNeeded {
    /// What is sent with the code, for five minutes.
    mfa_token: String,
    /// What is taken: `totp`, and `recovery` while codes are left.
    methods: Vec<&'static str>,
}

/// Logs in.
#[utoipa::path(post, path = "/v1/auth/login", tag = "auth", request_body = Credentials, responses(
    (status = 200, description = "The tokens of a new session", body = tokens::Tokens),
    (status = 202, description = "A second factor is asked for", body = SecondFactorNeeded),
    (status = 401, description = "There is no such account, or the password is wrong"),
    (status = 403, description = "The account is locked, or its address is not shown to be theirs"),
    (status = 429),
))]
pub(super) async fn login(
    State(app): State<App>,
    headers: HeaderMap,
    Json(sent): Json<Credentials>,
) -> Answer {
    let began = Instant::now();
    let email = checked(&sent.email)?;
    let key = guard::key(&app, &email);
    let id = accounts::by_email(&app.pool, &email).await?.map(|account| account.id);
    let hash = guard::check(&app, &key, id, &sent.password).await?;
    let (Some(id), Some(hash)) = (id, hash) else {
        guard::failed(&app, &key, id, "login_failed").await?;
        floor(began).await;
        return Err(wrong());
    };
    // Until the end nobody locks or erases it, or gives it another password: that ends the sessions that there are by then.
    let mut transaction = app.pool.begin().await?;
    let account = accounts::share(&mut transaction, id).await?.ok_or_else(wrong)?;
    if credentials::get(&mut *transaction, id).await?.as_ref() != Some(&hash) {
        return Err(wrong());
    }
    // From here on it is them, so they may hear how it is.
    may_log_in(&app, &account)?;
    let factor = second_factors::get(&mut *transaction, account.id).await?;
    if factor.is_some_and(|factor| factor.is_confirmed) {
        let left = second_factors::codes_left(&mut *transaction, account.id).await?;
        let token = Token::random()?;
        let new = New {
            purpose: Purpose::SecondFactor,
            reference: None,
            token: &token.hash(),
            email: &account.email,
            lifetime: SECOND_FACTOR,
        };
        mails::insert(&mut transaction, account.id, &new).await?;
        transaction.commit().await?;
        return Ok(second_factor_needed(&token, left));
    }
    // The last ones to have failed may have done so just now.
    if let Some(until) = throttles::clear(&mut transaction, Scope::Login, &key).await? {
        return Err(guard::blocked(until));
    }
    let agent = tokens::user_agent(&headers);
    let (session, refresh) = tokens::begin(&app, &mut transaction, &account, &agent, false).await?;
    transaction.commit().await?;
    tokens::answer(&app, account.id, account.role_names(), session, &refresh)
}

fn second_factor_needed(token: &Token, codes_left: u64) -> Response {
    let mut methods = vec!["totp"];
    if codes_left > 0 {
        methods.push("recovery");
    }
    let needed = SecondFactorNeeded { mfa_token: token.expose().to_owned(), methods };
    private((StatusCode::ACCEPTED, Json(needed)).into_response())
}

/// Neither says which of both is wrong.
fn wrong() -> Failure {
    let detail = "there is no account with this address and this password";
    Failure::new(StatusCode::UNAUTHORIZED, "credentials_wrong", detail)
}

/// That somebody whose password is right may log in.
pub(super) fn may_log_in(app: &App, account: &Account) -> Result<(), Failure> {
    if account.status != Status::Active {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "account_locked",
            "this account is locked; ask the shop",
        ));
    }
    if account.email_verified_at.is_none() && !app.config.identity.unverified_login {
        let detail = "follow the link in the mail that came when you registered, or ask for another one";
        return Err(Failure::new(StatusCode::FORBIDDEN, "email_not_verified", detail));
    }
    Ok(())
}
