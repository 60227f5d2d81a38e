//! Passwords that somebody sends, checked so that nobody can guess many, and so that whether there is an account shows neither
//! in the answer nor in the time that it takes.

use std::time::Duration;

use axum::http::StatusCode;
use flotilla_kit::{Secret, database::Transaction, http::Problem};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::{
    app::App,
    crypto::{Purpose, Verdict},
    domain::{email::Email, password},
    events::{self, Fact},
    store::{
        accounts::{self, Account},
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
async fn check_blocked(app: &App, key: &[u8]) -> Result<(), Problem> {
    match throttles::blocked_until(&app.pool, Scope::Login, key).await? {
        Some(until) => Err(blocked(until)),
        None => Ok(()),
    }
}

/// The hash of the password of an account, if that is what somebody sent. With no account it never is, which takes as long.
pub async fn check(
    app: &App,
    key: &[u8],
    account: Option<Uuid>,
    sent: &Secret<String>,
) -> Result<Option<String>, Problem> {
    check_blocked(app, key).await?;
    let right = verify(app, account, sent).await?;
    if right.is_some() {
        // Of those who tried at once, enough may have failed by now: then this one is as good as they are.
        check_blocked(app, key).await?;
    }
    Ok(right)
}

/// One that is right is kept at today's cost from now on, when there is time for it.
async fn verify(app: &App, account: Option<Uuid>, sent: &Secret<String>) -> Result<Option<String>, Problem> {
    if !password::is_possible(sent) {
        return Ok(None);
    }
    // Asked for nobody as well, so that both take the same way.
    let known = credentials::get(&app.pool, account.unwrap_or_default()).await?;
    let verdict = app.passwords.verify(sent, known.as_deref()).await?;
    let (Verdict::Right { is_outdated }, Some(user), Some(known)) = (verdict, account, known) else {
        return Ok(None);
    };
    if is_outdated
        && let Ok(new) = app.passwords.hash(sent).await
        && credentials::rehash(&app.pool, user, &known, &new).await?
    {
        return Ok(Some(new));
    }
    Ok(Some(known))
}

/// Counts a failure, in a transaction. After some, nothing is tried for a while.
pub async fn count_failure(
    app: &App,
    transaction: &mut Transaction<'_>,
    key: &[u8],
    account: Option<Uuid>,
    action: &str,
) -> Result<(), Problem> {
    let lockout = app.config.passwords.lockout();
    let failures = throttles::count(&mut *transaction, Scope::Login, key, lockout.memory).await?;
    let time = lockout.after(failures);
    if let Some(time) = time {
        throttles::block(&mut *transaction, Scope::Login, key, time).await?;
    }
    if let Some(user) = account {
        audit::append(&mut *transaction, None, user, action, json!({ "failures": failures })).await?;
        // Whose account it is hears of the first lockout, not of each that follows.
        if let Some(time) = time.filter(|_| failures == lockout.failures) {
            let until = Timestamp::now().checked_add(time).ok();
            events::append(transaction, user, &Fact::Locked { reason: "failures", until }).await?;
        }
    }
    Ok(())
}

/// The same, by itself.
pub async fn failed(app: &App, key: &[u8], account: Option<Uuid>, action: &str) -> Result<(), Problem> {
    let mut transaction = app.pool.begin().await?;
    count_failure(app, &mut transaction, key, account, action).await?;
    transaction.commit().await?;
    app.wake.wake();
    Ok(())
}

/// A password that somebody who is logged in has shown to know.
#[must_use = "by the time of what it is asked for, there may be another password"]
pub struct Confirmed {
    user: Uuid,
    hash: String,
}

/// That whoever is logged in knows the password, or 403. It is guessed no more often than at a login.
pub async fn confirm(app: &App, account: &Account, sent: &Secret<String>) -> Result<Confirmed, Problem> {
    let email = Email::parse(&account.email).map_err(|error| Problem::internal(&error))?;
    let key = key(app, &email);
    if let Some(hash) = check(app, &key, Some(account.id), sent).await? {
        return Ok(Confirmed { user: account.id, hash });
    }
    failed(app, &key, Some(account.id), "password_wrong").await?;
    Err(wrong())
}

impl Confirmed {
    /// The account, which nobody else changes until the end of the transaction, if this is its password still.
    pub async fn lock(&self, transaction: &mut Transaction<'_>) -> Result<Account, Problem> {
        let account = accounts::lock(&mut *transaction, self.user).await?.ok_or_else(wrong)?;
        let known = credentials::get(&mut **transaction, self.user).await?;
        if known.as_deref() == Some(&self.hash) { Ok(account) } else { Err(wrong()) }
    }
}

fn wrong() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "password_wrong", "the password is wrong").at("/password", "is wrong")
}
