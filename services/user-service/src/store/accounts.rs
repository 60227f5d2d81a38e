//! Accounts and what they may do.

use flotilla_kit::database::of_ten;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor, error::DatabaseError};
use uuid::Uuid;

use crate::domain::{email::Email, role::Role};

/// How an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it should be.
    Active,
    /// Locked by somebody who may.
    Locked,
    /// Nobody any more.
    Erased,
}

impl Status {
    /// As text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Erased => "erased",
        }
    }

    fn of(text: &str) -> Self {
        match text {
            "active" => Self::Active,
            "locked" => Self::Locked,
            _ => Self::Erased,
        }
    }
}

/// An account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: Uuid,
    /// The address of mail.
    pub email: String,
    /// Since when that is known to be theirs.
    pub email_verified_at: Option<Timestamp>,
    /// Since when mail comes back from it.
    pub email_bounced_at: Option<Timestamp>,
    /// The name.
    pub name: String,
    /// The language.
    pub locale: String,
    /// How it is.
    pub status: Status,
    /// How often it has changed.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What its user may do.
    pub roles: Vec<Role>,
}

impl Account {
    /// The roles, as text.
    pub fn role_names(&self) -> Vec<String> {
        self.roles.iter().map(|role| role.as_str().to_owned()).collect()
    }
}

struct Row {
    id: Uuid,
    email: String,
    email_verified_at: Option<jiff_sqlx::Timestamp>,
    email_bounced_at: Option<jiff_sqlx::Timestamp>,
    name: String,
    locale: String,
    status: String,
    version: i64,
    created_at: jiff_sqlx::Timestamp,
    updated_at: jiff_sqlx::Timestamp,
    roles: Vec<String>,
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            email: row.email,
            email_verified_at: row.email_verified_at.map(jiff_sqlx::Timestamp::to_jiff),
            email_bounced_at: row.email_bounced_at.map(jiff_sqlx::Timestamp::to_jiff),
            name: row.name,
            locale: row.locale,
            status: Status::of(&row.status),
            version: row.version.unsigned_abs(),
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
            roles: row.roles.iter().filter_map(|role| Role::parse(role).ok()).collect(),
        }
    }
}

macro_rules! accounts {
    ($tail:literal, $($parameter:expr),*) => {
        sqlx::query_as!(
            Row,
            r#"select id, email, email_verified_at as "email_verified_at: _", email_bounced_at as "email_bounced_at: _",
                   name, locale, status, version, created_at as "created_at: _", updated_at as "updated_at: _",
                   array(select role from users.user_roles where user_id = accounts.id order by role) as "roles!"
               from users.accounts "# + $tail,
            $($parameter),*
        )
    };
}

/// The account with an id, unless it was erased.
pub async fn get(executor: impl PgExecutor<'_>, id: Uuid) -> Result<Option<Account>, sqlx::Error> {
    let row = accounts!("where id = $1 and status <> 'erased'", id).fetch_optional(executor).await?;
    Ok(row.map(Account::from))
}

/// Nobody else changes these accounts until the end of the transaction. All lock them in this order.
pub async fn hold(connection: &mut PgConnection, ids: &[Uuid]) -> Result<(), sqlx::Error> {
    sqlx::query!("select id from users.accounts where id = any ($1) order by id for update", ids)
        .fetch_all(connection)
        .await?;
    Ok(())
}

/// The account with an id, which nobody else changes until the end of the transaction. It is read after the lock was had: roles
/// that were read with it would be those of before.
pub async fn lock(connection: &mut PgConnection, id: Uuid) -> Result<Option<Account>, sqlx::Error> {
    hold(&mut *connection, &[id]).await?;
    get(connection, id).await
}

/// The same, which others may hold so as well.
pub async fn share(connection: &mut PgConnection, id: Uuid) -> Result<Option<Account>, sqlx::Error> {
    sqlx::query!("select id from users.accounts where id = $1 for share", id)
        .fetch_optional(&mut *connection)
        .await?;
    get(connection, id).await
}

/// The account with an address.
pub async fn by_email(executor: impl PgExecutor<'_>, email: &Email) -> Result<Option<Account>, sqlx::Error> {
    let row = accounts!("where email_key = $1", email.key()).fetch_optional(executor).await?;
    Ok(row.map(Account::from))
}

/// Those of these ids that there are.
pub async fn batch(executor: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<Account>, sqlx::Error> {
    let rows = accounts!("where id = any ($1) and status <> 'erased' order by id", &of_ten(ids))
        .fetch_all(executor)
        .await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// What somebody looks for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// What the address begins with.
    pub email: Option<String>,
    /// How it is.
    pub status: Option<&'static str>,
    /// What its user is.
    pub role: Option<Role>,
}

/// The newest accounts that fit, before a position.
pub async fn list(
    executor: impl PgExecutor<'_>,
    filter: &Filter,
    before: Option<(Timestamp, Uuid)>,
    limit: u32,
) -> Result<Vec<Account>, sqlx::Error> {
    let (time, id) = before.unzip();
    let rows = accounts!(
        "where ($1::text is null or starts_with(email_key, lower($1)))
           and (case when $2::text is null then status <> 'erased' else status = $2 end)
           and ($3::text is null or exists (
               select from users.user_roles where user_id = accounts.id and role = $3
           ))
           and ($4::timestamptz is null or (created_at, id) < ($4, $5))
         order by created_at desc, id desc limit $6",
        filter.email.as_deref(),
        filter.status,
        filter.role.map(Role::as_str),
        time.map(ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
        id,
        i64::from(limit)
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// Makes an account. False when there is one with this address.
pub async fn insert(
    connection: &mut PgConnection,
    id: Uuid,
    email: &Email,
    name: &str,
    locale: &str,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "insert into users.accounts (id, email, email_key, name, locale) values ($1, $2, $3, $4, $5)
         on conflict (email_key) do nothing",
        id,
        email.as_str(),
        email.key(),
        name,
        locale,
    )
    .execute(&mut *connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!("insert into users.user_roles (user_id, role) values ($1, 'customer')", id)
        .execute(connection)
        .await?;
    Ok(true)
}

/// Changes what somebody says of themselves.
pub async fn update(
    connection: &mut PgConnection,
    id: Uuid,
    name: &str,
    locale: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users.accounts set name = $2, locale = $3, version = version + 1, updated_at = now() where id = $1",
        id,
        name,
        locale,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The address is theirs. False when that was known.
pub async fn verify_email(connection: &mut PgConnection, id: Uuid, email: &str) -> Result<bool, sqlx::Error> {
    let verified = sqlx::query!(
        "update users.accounts
         set email_verified_at = now(), email_bounced_at = null, version = version + 1, updated_at = now()
         where id = $1 and email = $2 and email_verified_at is null",
        id,
        email,
    )
    .execute(connection)
    .await?;
    Ok(verified.rows_affected() == 1)
}

/// Gives an account another address, which is known to be theirs. False when somebody else has it.
pub async fn change_email(
    connection: &mut PgConnection,
    id: Uuid,
    email: &Email,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "update users.accounts
         set email = $2, email_key = $3, email_verified_at = now(), email_bounced_at = null, version = version + 1,
             updated_at = now()
         where id = $1 and not exists (select from users.accounts where email_key = $3 and id <> $1)",
        id,
        email.as_str(),
        email.key(),
    )
    .execute(connection)
    .await;
    match changed {
        Ok(changed) => Ok(changed.rows_affected() == 1),
        // Somebody else took it just now.
        Err(error) if error.as_database_error().is_some_and(DatabaseError::is_unique_violation) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Mail came back from an address. False when it is not theirs any more.
pub async fn bounced(connection: &mut PgConnection, id: Uuid, email: &Email) -> Result<bool, sqlx::Error> {
    let bounced = sqlx::query!(
        "update users.accounts set email_bounced_at = now(), version = version + 1, updated_at = now()
         where id = $1 and email_key = $2",
        id,
        email.key(),
    )
    .execute(connection)
    .await?;
    Ok(bounced.rows_affected() == 1)
}

/// Locks or unlocks an account. False when it was so before.
pub async fn set_status(
    connection: &mut PgConnection,
    id: Uuid,
    status: Status,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "update users.accounts set status = $2, version = version + 1, updated_at = now()
         where id = $1 and status <> $2 and status <> 'erased'",
        id,
        status.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Gives an account these roles and no others.
pub async fn set_roles(connection: &mut PgConnection, id: Uuid, roles: &[Role]) -> Result<(), sqlx::Error> {
    let names: Vec<_> = roles.iter().map(|role| role.as_str().to_owned()).collect();
    sqlx::query!("delete from users.user_roles where user_id = $1 and role <> all ($2)", id, &names)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "insert into users.user_roles (user_id, role) select $1, unnest($2::text[]) on conflict do nothing",
        id,
        &names,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("update users.accounts set version = version + 1, updated_at = now() where id = $1", id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes what somebody has made of an account whose address has turned out to be somebody else's.
pub async fn clear(connection: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with sessions as (delete from users.sessions where user_id = $1),
              factors as (delete from users.second_factors where user_id = $1),
              codes as (delete from users.recovery_codes where user_id = $1),
              exports as (delete from users.exports where user_id = $1)
         delete from users.addresses where user_id = $1",
        id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes an account nobody's: what it had is gone, and its row says only that there was one.
pub async fn erase(connection: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with credentials as (delete from users.credentials where user_id = $1),
              sessions as (delete from users.sessions where user_id = $1),
              tokens as (delete from users.one_time_tokens where user_id = $1),
              factors as (delete from users.second_factors where user_id = $1),
              codes as (delete from users.recovery_codes where user_id = $1),
              addresses as (delete from users.addresses where user_id = $1),
              exports as (delete from users.exports where user_id = $1),
              roles as (delete from users.user_roles where user_id = $1)
         update users.accounts
         set email = '', email_key = 'erased:' || id, email_verified_at = null, email_bounced_at = null, name = '',
             locale = 'en', status = 'erased', version = version + 1, updated_at = now()
         where id = $1",
        id,
    )
    .execute(connection)
    .await?;
    Ok(())
}
