//! One-time passwords (RFC 6238) as a second factor, and codes of recovery for whoever has lost their telephone.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
};
use flotilla_kit::{
    Secret,
    database::Transaction,
    http::{Json, Problem as Failure},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Answer, login::may_log_in, private, shape::Confirmation, tokens};
use crate::{
    actions::Principal,
    app::App,
    crypto::{Purpose as Sealed, Token, Unable, recovery_code, shared_secret},
    domain::{email::Email, totp},
    guard,
    store::{
        accounts::{self, Account},
        audit,
        mails::{self, Purpose},
        second_factors::{self, SecondFactor},
        throttles::{self, Scope},
    },
};

/// Codes of recovery that somebody gets.
const CODES: usize = 10;

/// Wrong codes after which a login begins anew.
const FAILURES: i32 = 5;

/// What an app is told.
#[derive(Serialize, ToSchema)]
pub(super) struct Enrolled {
    /// For whoever types it (base32).
    secret: String,
    /// For whoever shows it as a picture.
    uri: String,
}

/// A code of an app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    /// Six digits.
    #[schema(value_type = String, min_length = 6, max_length = 6)]
    code: Secret<String>,
}

/// Codes that are shown once.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    /// Each logs in once.
    recovery_codes: Vec<String>,
}

/// A code for a login that waits for one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondStep {
    /// What the login gave.
    #[schema(value_type = String)]
    mfa_token: Secret<String>,
    /// Six digits of an app, or a code of recovery.
    #[schema(value_type = String)]
    code: Secret<String>,
}

/// Begins with one-time passwords. They are asked for once a code has confirmed it.
#[utoipa::path(post, path = "/v1/auth/mfa/totp/enroll", tag = "mfa", request_body = Confirmation, security(("bearer" = [])), responses(
    (status = 200, description = "What an app is told", body = Enrolled),
    (status = 409, description = "There is one"),
    (status = 429),
))]
pub(super) async fn enroll(
    State(app): State<App>,
    principal: Principal,
    Json(sent): Json<Confirmation>,
) -> Answer {
    let account = principal.account(&app).await?;
    let confirmed = guard::confirm(&app, &account, &sent.password).await?;
    let secret = shared_secret()?;
    let sealed = app.master.seal(Sealed::SecondFactor, account.id.as_bytes(), secret.expose())?;
    let mut transaction = app.pool.begin().await?;
    let account = confirmed.lock(&mut transaction).await?;
    if !second_factors::enroll(&mut transaction, account.id, &sealed).await? {
        let detail = "there is a second factor already; remove it first";
        return Err(Failure::new(StatusCode::CONFLICT, "second_factor_exists", detail));
    }
    transaction.commit().await?;
    let uri = totp::uri(&secret, &app.config.identity.shop_name, &account.email);
    Ok(private(Json(Enrolled { secret: totp::text(&secret), uri }).into_response()))
}

/// Confirms one-time passwords by the first of them.
#[utoipa::path(post, path = "/v1/auth/mfa/totp/confirm", tag = "mfa", request_body = Code, security(("bearer" = [])), responses(
    (status = 200, description = "Codes for whoever loses their telephone, shown once", body = RecoveryCodes),
    (status = 409, description = "There is none to confirm"),
    (status = 429),
))]
pub(super) async fn confirm(State(app): State<App>, principal: Principal, Json(sent): Json<Code>) -> Answer {
    let user = principal.user;
    let mut transaction = app.pool.begin().await?;
    let account = principal.lock(&mut transaction).await?;
    let key = unblocked(&app, &mut transaction, &account).await?;
    let factor = second_factors::get(&mut *transaction, user).await?.filter(|factor| !factor.is_confirmed);
    let Some(factor) = factor else {
        let detail = "there is no second factor that waits to be confirmed; begin with one";
        return Err(Failure::new(StatusCode::CONFLICT, "second_factor_missing", detail));
    };
    if !take_code(&app, &mut transaction, user, &factor, &sent.code).await? {
        guard::count_failure(&app, &mut transaction, &key, Some(user), "second_factor_failed").await?;
        transaction.commit().await?;
        app.wake.wake();
        return Err(wrong_code(StatusCode::UNPROCESSABLE_ENTITY));
    }
    second_factors::confirm(&mut transaction, user).await?;
    let codes = (0..CODES).map(|_| recovery_code()).collect::<Result<Vec<_>, _>>()?;
    let hashes: Vec<_> = codes.iter().map(|code| hash(&app, user, code)).collect();
    second_factors::set_codes(&mut transaction, user, &hashes).await?;
    audit::append(&mut transaction, Some(user), user, "second_factor_added", json!({})).await?;
    transaction.commit().await?;
    Ok(private(Json(RecoveryCodes { recovery_codes: codes }).into_response()))
}

/// Removes one-time passwords and codes of recovery.
#[utoipa::path(delete, path = "/v1/auth/mfa/totp", tag = "mfa", request_body = Confirmation, security(("bearer" = [])), responses(
    (status = 204, description = "A password is enough from now on"),
    (status = 404, description = "There is none"),
    (status = 429),
))]
pub(super) async fn remove(
    State(app): State<App>,
    principal: Principal,
    Json(sent): Json<Confirmation>,
) -> Answer {
    let account = principal.account(&app).await?;
    let confirmed = guard::confirm(&app, &account, &sent.password).await?;
    let mut transaction = app.pool.begin().await?;
    let account = confirmed.lock(&mut transaction).await?;
    if !second_factors::remove(&mut transaction, account.id).await? {
        return Err(Failure::not_found("there is no second factor"));
    }
    audit::append(&mut transaction, Some(account.id), account.id, "second_factor_removed", json!({})).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends a login with a one-time password.
#[utoipa::path(post, path = "/v1/auth/mfa/totp/verify", tag = "mfa", request_body = SecondStep, responses(
    (status = 200, description = "The tokens of a new session", body = tokens::Tokens),
    (status = 401, description = "The code is wrong, or the login has ended"),
    (status = 403, description = "The account is locked"),
    (status = 429),
))]
pub(super) async fn verify(
    State(app): State<App>,
    headers: HeaderMap,
    Json(sent): Json<SecondStep>,
) -> Answer {
    finish(&app, &headers, &sent, Method::Totp).await
}

/// Ends a login with a code of recovery.
#[utoipa::path(post, path = "/v1/auth/mfa/recovery", tag = "mfa", request_body = SecondStep, responses(
    (status = 200, description = "The tokens of a new session", body = tokens::Tokens),
    (status = 401, description = "The code is wrong, or the login has ended"),
    (status = 403, description = "The account is locked"),
    (status = 429),
))]
pub(super) async fn recover(
    State(app): State<App>,
    headers: HeaderMap,
    Json(sent): Json<SecondStep>,
) -> Answer {
    finish(&app, &headers, &sent, Method::Recovery).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Totp,
    Recovery,
}

async fn finish(app: &App, headers: &HeaderMap, sent: &SecondStep, method: Method) -> Answer {
    let token = Token::parse(&sent.mfa_token).ok_or_else(over)?.hash();
    let mut transaction = app.pool.begin().await?;
    // With it the account is locked: of codes that are tried at once, each is tried after the one before has been counted.
    let one = mails::lock(&mut transaction, Purpose::SecondFactor, &token).await?.ok_or_else(over)?;
    let account = accounts::get(&mut *transaction, one.user_id).await?.ok_or_else(over)?;
    may_log_in(app, &account)?;
    let key = unblocked(app, &mut transaction, &account).await?;
    let is_right = match method {
        Method::Totp => match second_factors::get(&mut *transaction, account.id).await? {
            Some(factor) if factor.is_confirmed => {
                take_code(app, &mut transaction, account.id, &factor, &sent.code).await?
            }
            _ => false,
        },
        Method::Recovery => {
            let hash = hash(app, account.id, sent.code.expose());
            second_factors::use_code(&mut transaction, account.id, &hash).await?
        }
    };
    if !is_right {
        mails::failed(&mut transaction, one.id, FAILURES).await?;
        // A password that is known is no way to guess codes for ever.
        guard::count_failure(app, &mut transaction, &key, Some(account.id), "second_factor_failed").await?;
        transaction.commit().await?;
        app.wake.wake();
        return Err(wrong_code(StatusCode::UNAUTHORIZED));
    }
    mails::used(&mut transaction, one.id).await?;
    if let Some(until) = throttles::clear(&mut transaction, Scope::Login, &key).await? {
        return Err(guard::blocked(until));
    }
    if method == Method::Recovery {
        audit::append(&mut transaction, Some(account.id), account.id, "recovery_code_used", json!({}))
            .await?;
    }
    let agent = tokens::user_agent(headers);
    let (session, refresh) = tokens::begin(app, &mut transaction, &account, &agent, true).await?;
    transaction.commit().await?;
    tokens::answer(app, account.id, account.role_names(), session, &refresh)
}

/// What failures of an account are counted by, unless there were too many.
async fn unblocked(
    app: &App,
    transaction: &mut Transaction<'_>,
    account: &Account,
) -> Result<Vec<u8>, Failure> {
    let email = Email::parse(&account.email).map_err(|error| Failure::internal(&error))?;
    let key = guard::key(app, &email);
    match throttles::blocked_until(&mut **transaction, Scope::Login, &key).await? {
        Some(until) => Err(guard::blocked(until)),
        None => Ok(key),
    }
}

/// Whether a code of an app is good. It is so once.
async fn take_code(
    app: &App,
    transaction: &mut Transaction<'_>,
    user: Uuid,
    factor: &SecondFactor,
    sent: &Secret<String>,
) -> Result<bool, Failure> {
    let opened = app.master.open(Sealed::SecondFactor, user.as_bytes(), &factor.secret)?;
    let secret = Secret::new(<[u8; totp::SECRET]>::try_from(opened.into_exposed()).map_err(|_| Unable)?);
    match totp::step_of(&secret, sent.expose(), Timestamp::now(), factor.last_step) {
        Some(step) => Ok(second_factors::take_step(&mut *transaction, user, step).await?),
        None => Ok(false),
    }
}

/// What is kept of a code of recovery, however it is written.
fn hash(app: &App, user: Uuid, code: &str) -> Vec<u8> {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    app.master.mac(Sealed::RecoveryCode, user.as_bytes(), &code.to_lowercase())
}

fn wrong_code(status: StatusCode) -> Failure {
    let detail = "the code is wrong, or was used already; wait for the next one";
    Failure::new(status, "code_wrong", detail).at("/code", "is wrong, or was used already")
}

/// The login has waited too long, or too many codes were wrong.
fn over() -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "mfa_token_invalid", "this login is over; begin it again")
        .at("/mfa_token", "is not valid, or no longer")
}
