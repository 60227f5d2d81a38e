//! Gives somebody a role from the command line: the first admin has nobody else to ask.

use flotilla_kit::database::Pool;
use serde_json::json;

use crate::{
    domain::{
        email::{Email, InvalidEmail},
        role::Role,
    },
    store::{accounts, audit},
};

/// Why nobody got it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none.
    #[error("--email: {0}")]
    Email(#[from] InvalidEmail),
    /// Nobody has it.
    #[error("--email: there is no account with this address; its owner has to register first")]
    Nobody,
    /// Anybody could have registered with it.
    #[error(
        "--email: its owner has not shown that the address is theirs; they have to follow the link in their mail"
    )]
    Unverified,
    /// The database.
    #[error("the role cannot be given")]
    Database(#[from] sqlx::Error),
}

/// Gives a role.
pub async fn grant(pool: &Pool, email: &str, role: Role) -> Result<(), Error> {
    let email = Email::parse(email)?;
    let mut transaction = pool.begin().await?;
    let known = accounts::by_email(&mut *transaction, &email).await?.ok_or(Error::Nobody)?;
    let account = accounts::lock(&mut transaction, known.id).await?.ok_or(Error::Nobody)?;
    if account.email_verified_at.is_none() {
        return Err(Error::Unverified);
    }
    let mut roles = account.roles.clone();
    roles.push(role);
    accounts::set_roles(&mut transaction, account.id, &roles).await?;
    let detail = json!({ "before": account.role_names(), "granted": role.as_str(), "by": "command line" });
    audit::append(&mut transaction, None, account.id, "roles_changed", detail).await?;
    Ok(transaction.commit().await?)
}
