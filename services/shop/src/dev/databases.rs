//! One database and one role for each service, and the bus's.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Instant, sleep};

use super::{Error, secrets::Secrets};
use crate::name::Name;

/// The roles, each of which owns the database of its name and may see no other.
pub const ROLES: [&str; 5] = ["users", "products", "orders", "notifications", BUS];

/// The one that all services share.
pub const BUS: &str = "bus";

/// Those who want events.
const CONSUMERS: [Name; 3] = [Name::UserService, Name::OrderService, Name::NotificationService];

/// How often it is looked whether they say so.
const PAUSE: Duration = Duration::from_millis(50);

/// The role and the database of a service.
pub fn role(name: Name) -> Option<&'static str> {
    match name {
        Name::UserService => Some("users"),
        Name::ProductService => Some("products"),
        Name::OrderService => Some("orders"),
        Name::NotificationService => Some("notifications"),
        Name::Paysim | Name::Sink | Name::ApiGateway => None,
    }
}

/// Makes those that are not there yet.
pub async fn prepare(url: &str, secrets: &Secrets) -> Result<(), Error> {
    let mut connection = PgConnection::connect(url).await?;
    run(&mut connection, "revoke connect on database postgres, template1 from public".to_owned()).await?;
    for role in ROLES {
        let password = secrets.passwords.get(role).map(String::as_str).unwrap_or_default();
        if !exists(&mut connection, "select exists (select from pg_roles where rolname = $1)", role).await? {
            run(&mut connection, format!("create role {role} login")).await?;
        }
        run(&mut connection, format!("alter role {role} password '{password}'")).await?;
        let database = "select exists (select from pg_database where datname = $1)";
        if !exists(&mut connection, database, role).await? {
            run(&mut connection, format!("create database {role} owner {role}")).await?;
        }
        run(&mut connection, format!("revoke connect on database {role} from public")).await?;
    }
    Ok(connection.close().await?)
}

async fn exists(connection: &mut PgConnection, sql: &'static str, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(sql).bind(name).fetch_one(connection).await
}

/// Names of roles and databases are no parameters; these, and passwords of hexadecimal digits, come from this program.
async fn run(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// Waits until all who want events have said so, but not for ever: then mail is late, and nothing is lost.
pub async fn subscribed(url: &str, patience: Duration) -> Result<(), Error> {
    let until = Instant::now() + patience;
    let mut connection = PgConnection::connect(url).await?;
    loop {
        let known: Vec<String> =
            sqlx::query_scalar("select name from bus.consumers").fetch_all(&mut connection).await?;
        let is_known = |name: &Name| known.iter().any(|known| known == name.as_str());
        if CONSUMERS.iter().all(is_known) || Instant::now() > until {
            return Ok(connection.close().await?);
        }
        sleep(PAUSE).await;
    }
}
