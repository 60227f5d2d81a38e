//! What accounts and other things look like in JSON.

use flotilla_kit::Secret;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::accounts::Account;

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct User {
    id: Uuid,
    /// The address of mail.
    email: String,
    /// Whether it is known to be theirs.
    email_verified: bool,
    /// Whether mail comes back from it.
    email_bounced: bool,
    name: String,
    /// A language tag (RFC 5646).
    locale: String,
    /// `active` or `locked`.
    status: &'static str,
    roles: Vec<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<&Account> for User {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id,
            email: account.email.clone(),
            email_verified: account.email_verified_at.is_some(),
            email_bounced: account.email_bounced_at.is_some(),
            name: account.name.clone(),
            locale: account.locale.clone(),
            status: account.status.as_str(),
            roles: account.role_names(),
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// An answer that is the same whether there is such an account or not.
#[derive(Serialize, ToSchema)]
pub(super) struct Accepted {
    /// `accepted`: a mail comes if there is somebody to get it.
    pub status: &'static str,
}

/// That something was asked for.
pub(super) const ACCEPTED: Accepted = Accepted { status: "accepted" };

/// A password, to show that it is them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirmation {
    #[schema(value_type = String, format = Password)]
    pub password: Secret<String>,
}

/// A token of a mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MailToken {
    #[schema(value_type = String, min_length = 43, max_length = 43)]
    pub token: Secret<String>,
}

/// An address of mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
// Addresses of houses have the other name.
#[schema(as = MailAddress)]
pub(super) struct Address {
    #[schema(format = "email")]
    pub email: String,
}
