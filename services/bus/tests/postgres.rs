//! The adapter of Postgres, held by the conformance suite and by what only it promises.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[macro_use]
mod conformance;

use std::sync::OnceLock;

use flotilla_bus::Lost;
use flotilla_testbed::Postgres;
use sqlx::{Connection, PgConnection};

use self::conformance::Case;

/// One for all tests; it goes with this process.
fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(|| Postgres::start().unwrap())
}

async fn url() -> String {
    postgres().url("postgres")
}

suite!(url);
suite!(url; what_is_published_twice_comes_once_to_whoever_is_new,);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_comes_too_late_changes_nothing() {
    let case = Case::new(url().await, "late").await;
    let mut deliveries = case.subscribe(&case.consumer()).await;
    case.publish(&[case.event("a", 1)]).await;
    let late = conformance::next(&mut deliveries).await;
    // As if the lease had ended and somebody else had taken it.
    let mut connection = PgConnection::connect(&case.url).await.unwrap();
    let taken =
        sqlx::query("update bus.deliveries set attempt = attempt + 1 where key = 'a' and consumer like $1")
            .bind(format!("{}-%", case.all().as_str().trim_end_matches(".*")))
            .execute(&mut connection)
            .await
            .unwrap();
    assert_eq!(taken.rows_affected(), 1);
    assert_eq!(late.ack().await, Err(Lost));
    let again = conformance::next(&mut deliveries).await;
    assert_eq!(again.attempt, 3);
    again.ack().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_comes_back_has_lost_nothing() {
    let mut server = Postgres::start().unwrap();
    let case = conformance::Case::new(server.url("postgres"), "restart").await;
    conformance::a_broker_that_is_killed_and_comes_back_has_lost_nothing(&case, |is_up| {
        if is_up { server.start_again().unwrap() } else { server.stop().unwrap() }
    })
    .await;
}
