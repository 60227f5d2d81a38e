//! Mails that somebody asked for. This service sends none: it tells of each by an event with a reference, which
//! notification-service redeems for what is secret in it.

use std::time::Duration;

use flotilla_kit::http::Problem;
use sqlx::PgTransaction;
use uuid::Uuid;

use crate::{
    app::App,
    crypto,
    crypto::Token,
    domain::email::Email,
    events::{self, Fact, Mail},
    store::{
        mails::{self, Purpose},
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
    transaction: &mut PgTransaction<'_>,
    email: &Email,
) -> Result<bool, sqlx::Error> {
    let key = app.master.mac(crypto::Purpose::Throttle, b"mail", &email.key());
    let count = throttles::count(&mut *transaction, Scope::Mail, &key, HOUR).await?;
    Ok(count <= app.config.passwords.mails_per_hour)
}

/// Has a mail be sent, once the transaction is committed. Those of the same kind that came before are good no longer.
pub async fn send(
    app: &App,
    transaction: &mut PgTransaction<'_>,
    user: Uuid,
    purpose: Purpose,
    email: &str,
) -> Result<(), Problem> {
    let reference = Token::random()?;
    let token = app.master.mail_token(&reference);
    let lifetime = if purpose == Purpose::PasswordReset { RESET } else { VERIFICATION };
    let (reference_hash, token_hash) = (reference.hash(), token.hash());
    let expires_at =
        mails::insert(&mut *transaction, user, purpose, Some(&reference_hash), &token_hash, email, lifetime)
            .await?;
    let mail = Mail { reference, expires_at };
    let fact = match purpose {
        Purpose::PasswordReset => Fact::PasswordResetRequested(mail),
        Purpose::EmailChange => Fact::EmailChangeRequested(mail),
        Purpose::Verification | Purpose::SecondFactor => Fact::VerificationRequested(mail),
    };
    Ok(events::append(transaction, user, &fact).await?)
}
