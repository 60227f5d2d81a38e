//! Passwords that somebody sends, checked so that nobody can guess many, and so that whether there is an account shows neither
//! in the answer nor in the time that it takes.

use std::time::Duration;

use axum::http::StatusCode;
use flotilla_kit::{Secret, http::Problem};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::{
    app::App,
    crypto::{Purpose, Verdict},
    domain::{email::Email, password},
    events::{self, Fact},
    store::{
        accounts::Account,
        audit, credentials,
        throttles::{self, Scope},
    },
};

/// Too many have failed: none is tried.
pub fn blocked(until: Timestamp) -> Problem {
    let seconds = until.duration_since(Timestamp::now()).as_secs().max(1).unsigned_abs();
    let detail =
        "too many logins with this address have failed; try again later, or ask for another password";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail)
        .retry_after(Duration::from_secs(seconds))
}

/// What failures of an address are counted by.
pub fn key(app: &App, email: &Email) -> Vec<u8> {
    app.master.mac(Purpose::Throttle, b"login", &email.key())
}

/// That none is tried now, if it is so.
pub async fn check_blocked(app: &App, key: &[u8]) -> Result<(), Problem> {
    match throttles::blocked_until(&app.pool, Scope::Login, key).await? {
        Some(until) => Err(blocked(until)),
        None => Ok(()),
    }
}

/// Whether a password is that of an account. With no account it is not, which takes as long. One that is right is kept at
/// today's cost.
pub async fn verify(app: &App, account: Option<Uuid>, sent: &Secret<String>) -> Result<bool, Problem> {
    if !password::is_possible(sent) {
        return Ok(false);
    }
    // Asked for nobody as well, so that both take the same way.
    let known = credentials::get(&app.pool, account.unwrap_or_default()).await?;
    match app.passwords.verify(sent, known.as_deref()).await? {
        Verdict::Wrong => Ok(false),
        Verdict::Right { is_outdated } => {
            if let (true, Some(user), Some(old)) = (is_outdated, account, known) {
                let new = app.passwords.hash(sent).await?;
                credentials::rehash(&app.pool, user, &old, &new).await?;
            }
            Ok(true)
        }
    }
}

/// Counts a failure. After some, nothing is tried for a while.
pub async fn failed(app: &App, key: &[u8], account: Option<Uuid>, action: &str) -> Result<(), Problem> {
    let lockout = app.config.passwords.lockout();
    let mut transaction = app.pool.begin().await?;
    let failures = throttles::count(&mut transaction, Scope::Login, key, lockout.memory).await?;
    let time = lockout.after(failures);
    if let Some(time) = time {
        throttles::block(&mut transaction, Scope::Login, key, time).await?;
    }
    if let Some(user) = account {
        audit::append(&mut transaction, None, user, action, json!({ "failures": failures })).await?;
        // Whose account it is hears of the first lockout, not of each that follows.
        if let Some(time) = time.filter(|_| failures == lockout.failures) {
            let until = Timestamp::now().checked_add(time).ok();
            events::append(&mut transaction, user, &Fact::Locked { reason: "failures", until }).await?;
        }
    }
    transaction.commit().await?;
    app.wake.wake();
    Ok(())
}

/// That whoever is logged in knows the password, or 403. It is guessed no more often than at a login.
pub async fn confirm(app: &App, account: &Account, sent: &Secret<String>) -> Result<(), Problem> {
    let email = Email::parse(&account.email).map_err(|error| Problem::internal(&error))?;
    let key = key(app, &email);
    check_blocked(app, &key).await?;
    if verify(app, Some(account.id), sent).await? {
        return Ok(());
    }
    failed(app, &key, Some(account.id), "password_wrong").await?;
    Err(Problem::new(StatusCode::FORBIDDEN, "password_wrong", "the password is wrong")
        .at("/password", "is wrong"))
}
