//! Migrations and Idempotency-Key, on a real Postgres.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{future::pending, sync::OnceLock, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{Method, StatusCode, header},
};
use bytes::Bytes;
use clap::Parser;
use flotilla_kit::{
    Secret, config,
    database::{self, Error, Pool, Readers},
    drain::{Announcement, Phase},
    http::{
        Problem,
        idempotency::{self, Begun, IdempotencyKey, Request},
    },
    metrics::Metrics,
};
use flotilla_testbed::Postgres;
use http_body_util::BodyExt;
use sqlx::{Connection, Executor, PgConnection, Row, migrate::Migrator};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(|| Postgres::start().unwrap())
}

#[derive(Parser)]
struct Service {
    #[command(flatten)]
    database: config::Database,
}

/// An empty database of its own.
async fn database() -> Secret<String> {
    let name = format!("d{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&postgres().url("postgres")).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(format!("create database {name}"))).await.unwrap();
    Secret::new(postgres().url(&name))
}

fn pool(url: &Secret<String>) -> Pool {
    pool_of(url, "16")
}

fn pool_of(url: &Secret<String>, connections: &str) -> Pool {
    let arguments = ["service", "--database-url", url.expose(), "--database-connections", connections];
    let service = Service::try_parse_from(arguments).unwrap();
    database::pool(&service.database, "test-service").unwrap()
}

/// Which server process a connection has.
async fn process(connection: &mut PgConnection) -> i32 {
    sqlx::query("select pg_backend_pid()").fetch_one(connection).await.unwrap().get(0)
}

async fn migrated() -> Pool {
    let url = database().await;
    database::migrate(&url, [database::migrations()], Duration::from_secs(30)).await.unwrap();
    let pool = pool(&url);
    pool.execute("create table effects (name text not null)").await.unwrap();
    pool
}

async fn effects(pool: &Pool) -> i64 {
    sqlx::query("select count(*) from effects").fetch_one(pool).await.unwrap().get(0)
}

fn migrations() -> [Migrator; 1] {
    [database::migrations()]
}

#[tokio::test]
async fn many_who_migrate_at_once_do_it_once() {
    let url = database().await;
    let pool = pool(&url);
    assert_eq!(database::pending(&pool, migrations()).await.unwrap(), [1]);
    assert!(database::ping(&pool).await && !database::is_ready(&pool, migrations()).await);
    let all = (0..6).map(|_| database::migrate(&url, migrations(), Duration::from_secs(30)));
    for result in futures::future::join_all(all).await {
        result.unwrap();
    }
    assert_eq!(database::pending(&pool, migrations()).await.unwrap(), Vec::<i64>::new());
    assert!(database::is_ready(&pool, migrations()).await);
}

#[tokio::test]
async fn connections_are_measured_as_they_are() {
    let pool = migrated().await;
    let metrics = Metrics::new("test-service", "0");
    metrics.collect(database::PoolMetrics(pool.clone()));
    let _first = pool.acquire().await.unwrap();
    let _second = pool.acquire().await.unwrap();
    pool.acquire().await.unwrap().done();
    let open = usize::try_from(pool.sqlx().size()).unwrap();
    assert!(open >= 3);
    let text = metrics.encode().unwrap();
    for (name, value) in [("connections", open), ("idle_connections", pool.sqlx().num_idle() + 1)] {
        let line = format!(r#"flotilla_shop_database_{name}{{service="test-service"}} {value}"#);
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}

/// Clients go whenever they like, also while a transaction begins.
#[tokio::test]
async fn nobody_gets_a_connection_within_a_transaction_of_somebody_who_has_gone() {
    let url = database().await;
    let pool = pool(&url);
    drop(pool.acquire().await.unwrap());
    let mut observer = PgConnection::connect(url.expose()).await.unwrap();
    for turns in 0..60 {
        let going = async {
            for _ in 0..turns {
                yield_now().await;
            }
        };
        tokio::select! {
            biased;
            begun = pool.begin() => drop(begun),
            () = going => {}
        }
        let quiet = async {
            let left = "select count(*) from pg_stat_activity where datname = current_database()
                and (state like 'idle in transaction%' or query = 'BEGIN')";
            while sqlx::query(left).fetch_one(&mut observer).await.unwrap().get::<i64, _>(0) > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(5), quiet)
            .await
            .expect("a connection stays in a transaction that nobody has");
    }
}

#[tokio::test]
async fn what_is_done_leaves_its_connection_to_the_next() {
    let pool = pool_of(&database().await, "6");
    let mut first = pool.acquire().await.unwrap();
    let known = process(&mut first).await;
    first.done();
    // It waits for the next use, and is not idle for the pool of sqlx, which would ask it whether it is there.
    assert_eq!((pool.sqlx().size(), pool.sqlx().num_idle()), (1, 0));
    let mut transaction = pool.begin().await.unwrap();
    assert_eq!(process(&mut transaction).await, known);
    transaction.commit().await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    assert_eq!(process(&mut transaction).await, known);
    transaction.rollback().await.unwrap();
    for _ in 0..2 {
        let process: i32 = sqlx::query("select pg_backend_pid()").fetch_one(&pool).await.unwrap().get(0);
        assert_eq!(process, known);
        let rows =
            sqlx::query("select pg_backend_pid() from generate_series(1, 3)").fetch_all(&pool).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>(), [known; 3]);
    }
    assert_eq!((pool.sqlx().size(), pool.sqlx().num_idle()), (1, 0));
}

#[tokio::test]
async fn a_transaction_that_is_dropped_has_never_been_nor_what_is_taken_back_within_one() {
    let pool = migrated().await;
    let insert = "insert into effects values ('one')";
    let mut dropped = pool.begin().await.unwrap();
    dropped.execute(insert).await.unwrap();
    drop(dropped);
    assert_eq!(effects(&pool).await, 0);
    let mut outer = pool.begin().await.unwrap();
    outer.execute(insert).await.unwrap();
    let mut dropped = outer.begin().await.unwrap();
    dropped.execute(insert).await.unwrap();
    drop(dropped);
    let mut taken_back = outer.begin().await.unwrap();
    taken_back.execute(insert).await.unwrap();
    taken_back.rollback().await.unwrap();
    let mut kept = outer.begin().await.unwrap();
    kept.execute(insert).await.unwrap();
    kept.commit().await.unwrap();
    outer.commit().await.unwrap();
    assert_eq!(effects(&pool).await, 2);
    assert!(!pool.acquire().await.unwrap().is_in_transaction());
}

#[tokio::test]
async fn a_transaction_that_has_ended_before_cannot_be_committed() {
    let pool = migrated().await;
    let mut outer = pool.begin().await.unwrap();
    outer.execute("insert into effects values ('one')").await.unwrap();
    outer.execute("select no_such_column").await.unwrap_err();
    // With a savepoint that cannot be made, sqlx takes back all of it.
    outer.begin().await.unwrap_err();
    let error = outer.commit().await.unwrap_err();
    assert!(error.to_string().contains("rolled back already"), "{error}");
    assert_eq!(effects(&pool).await, 0);
}

#[tokio::test]
async fn what_is_said_to_be_done_and_is_not_is_in_nobodys_way() {
    let url = database().await;
    let pool = pool(&url);
    let mut observer = PgConnection::connect(url.expose()).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    // Nobody but the pool of sqlx would send what takes it back.
    drop(Connection::begin(&mut *connection).await.unwrap());
    connection.done();
    let open = "select count(*) from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%'";
    let quiet = async {
        while sqlx::query(open).fetch_one(&mut observer).await.unwrap().get::<i64, _>(0) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), quiet).await.expect("it stays in a transaction");
}

#[tokio::test]
async fn a_connection_is_left_to_those_who_know_the_pool_of_sqlx_only() {
    let pool = pool_of(&database().await, "3");
    let mut held = vec![pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    assert!(timeout(Duration::from_millis(100), pool.acquire()).await.is_err(), "there are two places");
    let other = pool.sqlx().acquire().await.unwrap();
    held.drain(..).for_each(database::Connection::done);
    let _again = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(other);
    pool.sqlx().acquire().await.unwrap();
}

#[tokio::test]
async fn who_waits_for_a_new_connection_gets_one_that_is_done_before() {
    let pool = pool_of(&database().await, "3");
    let mut first = pool.acquire().await.unwrap();
    let known = process(&mut first).await;
    let others = [pool.sqlx().acquire().await.unwrap(), pool.sqlx().acquire().await.unwrap()];
    let waits = tokio::spawn({
        let pool = pool.clone();
        async move { pool.acquire().await.unwrap() }
    });
    sleep(Duration::from_millis(200)).await;
    assert!(!waits.is_finished());
    first.done();
    let mut second = timeout(Duration::from_secs(3), waits).await.expect("it waits for nothing").unwrap();
    assert_eq!(process(&mut second).await, known);
    // The new one is there for the next.
    drop(others);
    let mut third = timeout(Duration::from_secs(3), pool.acquire()).await.unwrap().unwrap();
    assert_ne!(process(&mut third).await, known);
}

#[tokio::test]
async fn connections_are_opened_also_while_others_are_handed_on() {
    let pool = pool_of(&database().await, "5");
    let busy = futures::future::join_all((0..40).map(|_| async {
        loop {
            sqlx::query("select 1").fetch_one(&pool).await.unwrap();
        }
    }));
    let opened = async {
        while pool.sqlx().size() < 4 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let opened = timeout(Duration::from_secs(5), opened);
    tokio::select! {
        _never = busy => unreachable!(),
        opened = opened => opened.expect("there are fewer than places"),
    }
}

#[tokio::test]
async fn connections_that_nobody_needs_go_back_to_the_pool_of_sqlx() {
    let of_sqlx = pool(&database().await).sqlx().clone();
    let pool = Pool::handed_on_for(Duration::from_secs(4), of_sqlx);
    let pass = async |milliseconds| sleep(Duration::from_millis(milliseconds)).await;
    let idle = async |count| {
        let given = async {
            while pool.sqlx().num_idle() < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(3), given).await.expect("they stay");
    };
    let old = pool.acquire().await.unwrap();
    pass(2_600).await;
    let mut young = pool.acquire().await.unwrap();
    let known = process(&mut young).await;
    old.done();
    young.done();
    pass(2_000).await;
    // The one that is used all the time is not asked for it, and the other is looked at although nobody wants it.
    let mut next = pool.acquire().await.unwrap();
    assert_eq!(process(&mut next).await, known);
    next.done();
    idle(1).await;
    pass(4_200).await;
    drop(pool.acquire().await.unwrap());
    idle(2).await;
}

#[tokio::test]
async fn readers_have_half_of_the_places() {
    let pool = pool_of(&database().await, "6");
    let readers = Readers::new(&pool);
    let (first, _second) = (readers.get().await.unwrap(), readers.get().await.unwrap());
    assert!(timeout(Duration::from_millis(100), readers.get()).await.is_err(), "there are two places");
    let _writers = futures::future::try_join_all([(); 3].map(|()| pool.acquire())).await.unwrap();
    first.done();
    readers.get().await.unwrap().done();
}

#[tokio::test]
async fn a_reader_that_is_not_done_gives_its_connection_back_to_the_pool() {
    let url = database().await;
    let readers = Readers::new(&pool(&url));
    let mut gone = readers.get().await.unwrap();
    let known = process(&mut gone).await;
    // It is asked something that takes long, and nobody waits for that.
    let slow = sqlx::query("select pg_sleep(8)").fetch_one(&mut *gone);
    timeout(Duration::from_millis(100), slow).await.unwrap_err();
    drop(gone);
    let mut next = timeout(Duration::from_secs(2), readers.get()).await.unwrap().unwrap();
    assert_ne!(process(&mut next).await, known);
}

#[tokio::test]
async fn readers_keep_the_only_connection_from_nobody() {
    let pool = pool_of(&database().await, "1");
    let readers = Readers::new(&pool);
    for _ in 0..2 {
        readers.get().await.unwrap().done();
        timeout(Duration::from_secs(2), pool.sqlx().acquire()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn old_answers_are_forgotten_until_the_end() {
    let pool = migrated().await;
    call(&pool, &CALL).await;
    pool.execute("update kit.idempotency_keys set created_at = now() - interval '25 hours'").await.unwrap();
    let announcement = Announcement::default();
    let sweep = tokio::spawn(database::sweep(pool.clone(), announcement.hear()));
    let count = async || {
        sqlx::query("select count(*) from kit.idempotency_keys")
            .fetch_one(&pool)
            .await
            .unwrap()
            .get::<i64, _>(0)
    };
    while count().await > 0 {
        sleep(Duration::from_millis(20)).await;
    }
    announcement.enter(Phase::Ending);
    sweep.await.unwrap();
}

#[tokio::test]
async fn who_cannot_migrate_in_time_says_so() {
    let url = database().await;
    let mut other = PgConnection::connect(url.expose()).await.unwrap();
    other.execute("select pg_advisory_lock(x'464C4F544D494752'::bigint)").await.unwrap();
    let error = database::migrate(&url, migrations(), Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, Error::Busy(..)), "{error:?}");
}

#[tokio::test]
async fn statements_and_waits_for_locks_have_an_end_and_plans_are_not_compiled() {
    let pool = migrated().await;
    let names = ["statement_timeout", "lock_timeout", "jit", "application_name"];
    let settings = sqlx::query("select array(select current_setting(name) from unnest($1::text[]) as name)")
        .bind(names)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(settings.get::<Vec<String>, _>(0), ["10s", "5s", "off", "test-service"]);
}

#[tokio::test]
async fn who_waits_for_too_long_may_try_again_and_a_mistake_may_not() {
    let pool = migrated().await;
    let problem = async |sql: &'static str| Problem::from(pool.execute(sql).await.unwrap_err()).status();
    let slow = "set statement_timeout = '50ms'; select pg_sleep(1)";
    assert_eq!(problem(slow).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem("select no_such_column").await, StatusCode::INTERNAL_SERVER_ERROR);
}

async fn key(text: &str) -> IdempotencyKey {
    let (mut parts, ()) =
        axum::http::Request::builder().header("idempotency-key", text).body(()).unwrap().into_parts();
    IdempotencyKey::from_request_parts(&mut parts, &()).await.unwrap()
}

struct Call<'a> {
    principal: &'a str,
    key: &'a str,
    path: &'a str,
    body: &'a str,
    /// How long the effect takes.
    time: Duration,
    fails: bool,
}

const CALL: Call<'_> =
    Call { principal: "ann", key: "k-1", path: "/v1/orders", body: "{}", time: Duration::ZERO, fails: false };

/// A handler as services write it. Gives status, body and the location.
async fn call(pool: &Pool, call: &Call<'_>) -> (u16, String, Option<String>) {
    let answer = async {
        let key = key(call.key).await;
        let request = Request {
            principal: call.principal,
            key: &key,
            method: &Method::POST,
            path: call.path,
            body: call.body.as_bytes(),
        };
        let mut transaction = pool.begin().await?;
        let pending = match idempotency::begin(&mut transaction, &request).await? {
            Begun::Repeated(response) => return Ok(response),
            Begun::First(pending) => pending,
        };
        let limit: String = sqlx::query_scalar("show lock_timeout").fetch_one(&mut *transaction).await?;
        assert_eq!(limit, "5s", "that of the pool again");
        sqlx::query("insert into effects values ('one')").execute(&mut *transaction).await?;
        sleep(call.time).await;
        if call.fails {
            return Err(Problem::not_found("on purpose"));
        }
        let headers = [(header::LOCATION, "/v1/orders/o-12".parse().unwrap())];
        let body = Bytes::from(format!("order {}", Uuid::now_v7()));
        let response = pending.store(&mut transaction, StatusCode::ACCEPTED, &headers, &body).await?;
        transaction.commit().await?;
        Ok(response)
    };
    let response = axum::response::IntoResponse::into_response(answer.await);
    let status = response.status().as_u16();
    let location = response.headers().get(header::LOCATION).map(|value| value.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap(), location)
}

#[tokio::test]
async fn a_request_that_is_repeated_is_answered_as_before_and_has_one_effect() {
    let pool = migrated().await;
    let first = call(&pool, &CALL).await;
    assert_eq!((first.0, first.2.as_deref()), (202, Some("/v1/orders/o-12")));
    assert_eq!(call(&pool, &CALL).await, first);
    assert_eq!(call(&pool, &Call { key: "\"k-1\"", ..CALL }).await, first);
    assert_eq!(effects(&pool).await, 1);
    // Others have keys of their own.
    assert_ne!(call(&pool, &Call { principal: "ben", ..CALL }).await, first);
    assert_ne!(call(&pool, &Call { key: "k-2", ..CALL }).await, first);
    assert_eq!(effects(&pool).await, 3);
}

#[tokio::test]
async fn a_key_is_for_one_request() {
    let pool = migrated().await;
    call(&pool, &CALL).await;
    for other in [Call { body: "{ }", ..CALL }, Call { path: "/v1/payments", ..CALL }] {
        let (status, body, _) = call(&pool, &other).await;
        assert_eq!(status, 422);
        assert!(body.contains("idempotency_key_reused"), "{body}");
    }
    assert_eq!(effects(&pool).await, 1);
}

#[tokio::test]
async fn who_comes_while_the_first_is_at_work_waits_and_is_answered_the_same() {
    let pool = migrated().await;
    let slow = Call { time: Duration::from_millis(500), ..CALL };
    let all = (0..8).map(|_| call(&pool, &slow));
    let answers = futures::future::join_all(all).await;
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 202), "{answers:?}");
    assert_eq!(effects(&pool).await, 1);
}

#[tokio::test]
async fn who_would_wait_for_too_long_is_told_to_come_again() {
    let pool = migrated().await;
    let slow = Call { time: Duration::from_secs(4), ..CALL };
    let second = async {
        sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        let answer = call(&pool, &CALL).await;
        (answer, began.elapsed())
    };
    let (first, (second, waited)) = tokio::join!(call(&pool, &slow), second);
    assert_eq!(first.0, 202);
    assert_eq!(second.0, 409);
    assert!(second.1.contains("idempotency_key_in_flight"), "{}", second.1);
    assert!(waited < Duration::from_millis(3_300), "{waited:?}");
    assert_eq!(call(&pool, &CALL).await, first);
}

#[tokio::test]
async fn what_failed_had_no_effect_and_may_be_tried_again() {
    let pool = migrated().await;
    assert_eq!(call(&pool, &Call { fails: true, ..CALL }).await.0, 404);
    assert_eq!(effects(&pool).await, 0);
    assert_eq!(call(&pool, &CALL).await.0, 202);
    assert_eq!(effects(&pool).await, 1);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day() {
    let pool = migrated().await;
    let first = call(&pool, &CALL).await;
    assert_eq!(idempotency::forget(&pool, 10).await.unwrap(), 0);
    pool.execute("update kit.idempotency_keys set created_at = now() - interval '25 hours'").await.unwrap();
    let second = call(&pool, &Call { body: "another", ..CALL }).await;
    assert_eq!(second.0, 202);
    assert_ne!(second, first);
    pool.execute("update kit.idempotency_keys set created_at = now() - interval '25 hours'").await.unwrap();
    assert_eq!(idempotency::forget(&pool, 10).await.unwrap(), 1);
}

/// A way to Postgres on which, from some moment, those who are under way hear nothing any more: nobody closes anything.
async fn way_that_falls_silent(silent: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let there = postgres().url("postgres").rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let (there, mut silent) = (there.clone(), silent.clone());
            tokio::spawn(async move {
                let mut server = TcpStream::connect(there).await.unwrap();
                let was_silent = *silent.borrow();
                tokio::select! {
                    _ended = copy_bidirectional(&mut client, &mut server) => return,
                    _ = silent.wait_for(|is_silent| *is_silent && !was_silent) => {}
                }
                pending::<()>().await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_connection_that_falls_silent_keeps_nobody_elses_place() {
    let silence = watch::Sender::new(false);
    let port = way_that_falls_silent(silence.subscribe()).await;
    let url = database().await;
    let (before, after) = url.expose().rsplit_once('@').unwrap();
    let url = format!("{before}@127.0.0.1:{port}/{}", after.split_once('/').unwrap().1);
    let arguments = ["service", "--database-url", &url, "--database-connections", "1"];
    let pool = database::pool(&Service::try_parse_from(arguments).unwrap().database, "test-service").unwrap();
    assert!(database::ping(&pool).await);
    silence.send_replace(true);
    // Whoever asks gives up; what they had is of no use to the next.
    assert!(timeout(Duration::from_millis(200), database::ping(&pool)).await.is_err());
    assert!(timeout(Duration::from_secs(20), database::ping(&pool)).await.unwrap());
}

#[tokio::test]
async fn a_list_of_ten_is_planned_once_for_all() {
    let pool = migrated().await;
    pool.execute("create table things as select generate_series(1, 10000) as id").await.unwrap();
    pool.execute("create unique index on things (id)").await.unwrap();
    pool.execute("analyze things").await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let mut generic = async |list: fn(&[i32]) -> Vec<i32>, name: &str| -> i64 {
        let statement = format!("select id, '{name}' from things where id = any ($1)");
        for id in 1..=20 {
            let found = sqlx::query(sqlx::AssertSqlSafe(statement.clone())).bind(list(&[id, id + 1]));
            assert_eq!(found.fetch_all(&mut *connection).await.unwrap().len(), 2);
        }
        let plans = "select generic_plans from pg_prepared_statements where statement = $1";
        sqlx::query(plans).bind(&statement).fetch_one(&mut *connection).await.unwrap().get(0)
    };
    assert!(generic(database::of_ten, "ten").await > 10);
    // Why there is such a list: when this is so no more, it can go.
    assert_eq!(generic(<[i32]>::to_vec, "two").await, 0);
}
