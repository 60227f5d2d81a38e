//! Mails that somebody asked for. This service sends none: it tells of each by an event with a reference, which
//! notification-service redeems for what is secret in it.

use std::time::Duration;

use flotilla_kit::{database::Transaction, http::Problem};
use uuid::Uuid;

use crate::{
    app::App,
    crypto,
    crypto::Token,
    domain::email::Email,
    events::{self, Fact, Mail},
    store::{
        accounts::{self, Account, Status},
        mails::{self, New, Purpose},
        throttles::{self, Scope},
    },
};

/// How long whoever reads a mail has.
const VERIFICATION: Duration = Duration::from_secs(24 * 3_600);

/// The same, when it is about a password.
const RESET: Duration = Duration::from_secs(3_600);

/// For how long mails are counted.
const HOUR: Duration = Duration::from_secs(3_600);

/// Whether an address gets another mail. It is counted, whether there is somebody with it or not.
pub async fn may_send(
    app: &App,
    transaction: &mut Transaction<'_>,
    email: &Email,
) -> Result<bool, sqlx::Error> {
    let key = app.master.mac(crypto::Purpose::Throttle, b"mail", &email.key());
    let count = throttles::count(&mut *transaction, Scope::Mail, &key, HOUR).await?;
    Ok(count <= app.config.passwords.mails_per_hour)
}

/// The account that has an address, if mail may be sent to it. Nobody else changes it until the end of the transaction.
pub async fn whose(transaction: &mut Transaction<'_>, email: &Email) -> Result<Option<Account>, sqlx::Error> {
    let Some(known) = accounts::by_email(&mut **transaction, email).await? else { return Ok(None) };
    let account = accounts::lock(&mut *transaction, known.id).await?;
    Ok(account.filter(|account| account.status == Status::Active && account.email == known.email))
}

/// Why a mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody is to show that an address is theirs. Mails of this kind are good beside each other: each may be of somebody else.
    Verification,
    /// Somebody wants another password.
    PasswordReset,
    /// Somebody wants another address.
    EmailChange,
}

/// Has a mail be sent, once the transaction is committed, and says the id of its token.
pub async fn send(
    app: &App,
    transaction: &mut Transaction<'_>,
    user: Uuid,
    occasion: Occasion,
    email: &str,
) -> Result<Uuid, Problem> {
    let (purpose, lifetime) = match occasion {
        Occasion::Verification => (Purpose::Verification, VERIFICATION),
        Occasion::PasswordReset => (Purpose::PasswordReset, RESET),
        Occasion::EmailChange => (Purpose::EmailChange, VERIFICATION),
    };
    if occasion != Occasion::Verification {
        mails::retire(&mut *transaction, user, purpose).await?;
    }
    let reference = Token::random()?;
    let token = app.master.mail_token(&reference).hash();
    let new = New { purpose, reference: Some(&reference.hash()), token: &token, email, lifetime };
    let (id, expires_at) = mails::insert(&mut *transaction, user, &new).await?;
    let mail = Mail { reference, expires_at };
    let fact = match occasion {
        Occasion::Verification => Fact::VerificationRequested(mail),
        Occasion::PasswordReset => Fact::PasswordResetRequested(mail),
        Occasion::EmailChange => Fact::EmailChangeRequested(mail),
    };
    events::append(transaction, user, &fact).await?;
    Ok(id)
}
