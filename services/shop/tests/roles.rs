//! Each service has a database and a role of its own, and no way into another's: on one machine, and as the chart's Postgres makes
//! them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{path::Path, time::Duration};

use flotilla_kit::{Secret, database};
use flotilla_shop::{
    dev::{
        databases::{ROLES, prepare, role},
        folder::Folder,
        secrets::Secrets,
    },
    name::Name,
};
use flotilla_testbed::Postgres;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, migrate::Migrator};

/// How long a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Somebody did not have the right (SQLSTATE).
const REFUSED: &str = "42501";

fn migrations(name: Name) -> [Migrator; 3] {
    match name {
        Name::UserService => flotilla_user_service::store::all_migrations(),
        Name::ProductService => flotilla_product_service::store::all_migrations(),
        Name::OrderService => flotilla_order_service::store::all_migrations(),
        Name::NotificationService => flotilla_notification_service::store::all_migrations(),
        other => panic!("{other} has no database"),
    }
}

/// A role with its database, which has its name.
struct Owner {
    name: String,
    password: String,
    /// Whose it is. Nothing: the bus's.
    service: Option<Name>,
}

impl Owner {
    /// The address of a database, as this role.
    fn url(&self, postgres: &Postgres, database: &str) -> String {
        postgres.url_of(&self.name, &self.password, database)
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// That each role can make and use its own tables, can do nothing else, and nothing with those of others.
async fn hold(postgres: &Postgres, owners: &[Owner]) {
    for owner in owners {
        if let Some(service) = owner.service {
            let url = Secret::new(owner.url(postgres, &owner.name));
            database::migrate(&url, migrations(service), PATIENCE).await.unwrap();
        }
    }
    let mut all = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    let names: Vec<_> = owners.iter().map(|owner| owner.name.clone()).collect();
    let mighty: Vec<String> = sqlx::query_scalar(
        "select rolname::text from pg_roles where rolname = any ($1)
             and (rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication)
         union select rolname::text from pg_auth_members join pg_roles on pg_roles.oid = member where rolname = any ($1)",
    )
    .bind(&names)
    .fetch_all(&mut all)
    .await
    .unwrap();
    assert_eq!(mighty, Vec::<String>::new(), "they may do more than is theirs");

    let mut tried = 0;
    for of in owners {
        let mut within = PgConnection::connect(&postgres.url(&of.name)).await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "select format('%I.%I', schemaname, tablename) from pg_tables
             where schemaname not in ('pg_catalog', 'information_schema') order by 1",
        )
        .fetch_all(&mut within)
        .await
        .unwrap();
        assert!(tables.len() > 5 || of.service.is_none(), "{} has no tables", of.name);
        for other in owners.iter().filter(|other| other.name != of.name) {
            let refused = PgConnection::connect(&other.url(postgres, &of.name)).await.unwrap_err();
            assert_eq!(code(&refused).as_deref(), Some(REFUSED), "{} in {}: {refused}", other.name, of.name);
            // Even let in by mistake it reads nothing.
            all.execute(AssertSqlSafe(format!("grant connect on database {} to {}", of.name, other.name)))
                .await
                .unwrap();
            let mut inside = PgConnection::connect(&other.url(postgres, &of.name)).await.unwrap();
            for table in &tables {
                for sql in [format!("select from {table}"), format!("delete from {table}")] {
                    let refused = inside.execute(AssertSqlSafe(sql.clone())).await.unwrap_err();
                    assert_eq!(code(&refused).as_deref(), Some(REFUSED), "{}: {sql}: {refused}", other.name);
                    tried += 1;
                }
            }
            let made = inside.execute("create schema mine").await.unwrap_err();
            assert_eq!(code(&made).as_deref(), Some(REFUSED), "{} makes a schema in {}", other.name, of.name);
        }
    }
    assert!(tried > 200, "{tried}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_one_machine_no_service_gets_at_what_is_anothers() {
    let postgres = tokio::task::spawn_blocking(|| Postgres::start().unwrap()).await.unwrap();
    let secrets = Secrets::of(&Folder::new(postgres.folder()).unwrap()).unwrap();
    prepare(&postgres.url("postgres"), &secrets).await.unwrap();
    let owner = |name: &str| Owner {
        name: name.to_owned(),
        password: secrets.passwords[name].clone(),
        service: Name::WITH_DATABASE.into_iter().find(|service| role(*service) == Some(name)),
    };
    hold(&postgres, &ROLES.map(owner)).await;
}

/// The chart's Postgres runs a script when it has no data yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_no_service_gets_at_what_is_anothers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/shop/templates/postgres.yaml");
    let template = std::fs::read_to_string(path).unwrap();
    let script: Vec<_> = template
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("roles.sh:"))
        .map(str::trim)
        .take_while(|line| *line != "done")
        .collect();
    let loops =
        script.iter().find_map(|line| line.strip_prefix("for name in ")?.strip_suffix("; do")).unwrap();
    let names: Vec<_> = loops.split(' ').collect();
    let sql: Vec<_> = script
        .iter()
        .skip_while(|line| !line.ends_with("<<'SQL'"))
        .skip(1)
        .take_while(|line| **line != "SQL")
        .collect();
    assert!(names.len() == 5 && sql.len() >= 3, "{script:?}");

    let postgres = tokio::task::spawn_blocking(|| Postgres::start().unwrap()).await.unwrap();
    let mut connection = PgConnection::connect(&postgres.url("postgres")).await.unwrap();
    let owner = |name: &str| Owner {
        name: name.to_owned(),
        password: format!("of-{name}"),
        service: Name::WITH_DATABASE.into_iter().find(|service| service.as_str().replace('-', "_") == name),
    };
    let owners: Vec<_> = names.iter().map(|name| owner(name)).collect();
    assert_eq!(owners.iter().filter(|owner| owner.service.is_some()).count(), 4);
    for owner in &owners {
        for statement in &sql {
            let statement = statement
                .replace(":\"name\"", &owner.name)
                .replace(":'password'", &format!("'{}'", owner.password));
            connection.execute(AssertSqlSafe(statement)).await.unwrap();
        }
    }
    hold(&postgres, &owners).await;
}
