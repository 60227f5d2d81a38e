//! What this service tells others. Events say whom they are about by an id alone; what is secret in a mail they only refer to.
//!
//! The schema of each one's data is in `events/`, and a test holds them to it.

use flotilla_bus::{Error, Event, EventType, InvalidType, outbox};
use flotilla_kit::{correlation::CorrelationId, database::Transaction, http::Problem, trace};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::crypto::Token;

/// Where the schemas are.
const SCHEMAS: &str = "https://flotilla.dev/events/";

/// Why an event was not appended.
#[derive(Debug, thiserror::Error)]
pub enum NotAppended {
    /// Its type is none.
    #[error(transparent)]
    Type(#[from] InvalidType),
    /// The outbox does not take it.
    #[error(transparent)]
    Outbox(#[from] Error),
}

impl From<NotAppended> for Problem {
    fn from(error: NotAppended) -> Self {
        Self::internal(&error)
    }
}

/// Something that has happened to an account.
#[derive(Clone, Debug)]
pub enum Fact {
    /// Somebody has made it.
    Registered {
        /// The language.
        locale: String,
    },
    /// Somebody tried to make it again.
    RegistrationRepeated,
    /// The address is to be shown to be theirs.
    VerificationRequested(Mail),
    /// It was.
    EmailVerified,
    /// Another address is to be shown to be theirs.
    EmailChangeRequested(Mail),
    /// It was, and is the address now.
    EmailChanged,
    /// Another password is asked for.
    PasswordResetRequested(Mail),
    /// There is another password.
    PasswordChanged {
        /// `change` by whoever knew the old one, `reset` by mail.
        how: &'static str,
    },
    /// Nobody may log in.
    Locked {
        /// `failures`, or `operator`.
        reason: &'static str,
        /// Until when. Nothing: until somebody unlocks it.
        until: Option<Timestamp>,
    },
    /// Somebody else had its tokens as well.
    SessionCompromised {
        /// Which.
        session: Uuid,
    },
    /// It is nobody's any more. Whoever knows something of them forgets it.
    Erased,
}

/// A mail that is to be sent.
#[derive(Clone, Debug)]
pub struct Mail {
    /// What its secret is had for, once, from this service.
    pub reference: Token,
    /// When that ends.
    pub expires_at: Timestamp,
}

impl Mail {
    fn data(&self, user: Uuid) -> Value {
        json!({ "user_id": user, "reference": self.reference.expose(), "expires_at": self.expires_at })
    }
}

impl Fact {
    fn kind(&self) -> &'static str {
        match self {
            Self::Registered { .. } => "shop.user.registered.v1",
            Self::RegistrationRepeated => "shop.user.registration_repeated.v1",
            Self::VerificationRequested(_) => "shop.user.verification_requested.v1",
            Self::EmailVerified => "shop.user.email_verified.v1",
            Self::EmailChangeRequested(_) => "shop.user.email_change_requested.v1",
            Self::EmailChanged => "shop.user.email_changed.v1",
            Self::PasswordResetRequested(_) => "shop.user.password_reset_requested.v1",
            Self::PasswordChanged { .. } => "shop.user.password_changed.v1",
            Self::Locked { .. } => "shop.user.locked.v1",
            Self::SessionCompromised { .. } => "shop.user.session.compromised.v1",
            Self::Erased => "shop.user.erased.v1",
        }
    }

    fn data(&self, user: Uuid) -> Value {
        match self {
            Self::Registered { locale } => json!({ "user_id": user, "locale": locale }),
            Self::VerificationRequested(mail)
            | Self::EmailChangeRequested(mail)
            | Self::PasswordResetRequested(mail) => mail.data(user),
            Self::PasswordChanged { how } => json!({ "user_id": user, "how": how }),
            Self::Locked { reason, until } => json!({ "user_id": user, "reason": reason, "until": until }),
            Self::SessionCompromised { session } => json!({ "user_id": user, "session_id": session }),
            Self::RegistrationRepeated | Self::EmailVerified | Self::EmailChanged | Self::Erased => {
                json!({ "user_id": user })
            }
        }
    }
}

/// Tells others what has happened, once the transaction is committed.
pub async fn append(transaction: &mut Transaction<'_>, user: Uuid, fact: &Fact) -> Result<(), NotAppended> {
    let kind = fact.kind();
    let mut event = Event::new(
        format!("/{}", crate::app::NAME),
        EventType::try_from(kind)?,
        user.to_string(),
        fact.data(user),
    );
    event.schema = Some(format!("{SCHEMAS}{kind}.json"));
    event.correlation_id = CorrelationId::current().map(|id| id.to_string());
    event.traceparent = trace::traceparent();
    Ok(outbox::append(transaction, &event).await?)
}
