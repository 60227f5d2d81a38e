//! Login, and what it does not tell.

use std::time::Duration;

use axum::http::Method;
use flotilla_kit::Secret;
use flotilla_user_service::crypto::{Cost, Passwords};
use serde_json::{Value, json};
use sqlx::Row;
use tokio::time::{Instant, sleep};

use crate::harness::{PASSWORD, Reply, Shop};

fn without_id(reply: &Reply) -> Value {
    let mut body = reply.body.clone();
    body.as_object_mut().unwrap().remove("correlationId");
    body
}

/// A hash takes most of a second.
const SLOW: [&str; 3] = ["--argon2-kib=131072", "--argon2-passes=4", "--hashes=1"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_address_and_a_wrong_password_are_answered_alike() {
    let shop = Shop::start_with(&[&SLOW[..], &["--lockout-failures=1000"]].concat()).await;
    shop.verified("ada@example.org").await;
    let names = |reply: &Reply| reply.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    // The hash is what takes long: without it the second would be a fraction of the first.
    let are_alike = |[known, unknown]: [Duration; 2]| unknown > known / 2 && unknown < known * 2;
    let mut times = [Duration::MAX; 2];
    for round in 1..=10 {
        let mut replies = Vec::new();
        for (time, email) in times.iter_mut().zip(["ada@example.org", "nobody@example.org"]) {
            let began = Instant::now();
            replies.push(shop.log_in(email, "not the password").await.is(401));
            *time = began.elapsed().min(*time);
        }
        assert_eq!(without_id(&replies[0]), without_id(&replies[1]));
        assert_eq!(names(&replies[0]), names(&replies[1]));
        assert_eq!(replies[0].code(), "credentials_wrong");
        // A busy machine makes some of them longer, so that more have to be tried.
        if round >= 3 && are_alike(times) {
            break;
        }
    }
    assert!(times[0] > Duration::from_millis(200) && are_alike(times), "{times:?}");
    let forgotten =
        async |email: &str| shop.post("/v1/auth/forgot-password", json!({ "email": email })).await.is(202);
    assert_eq!(forgotten("ada@example.org").await.body, forgotten("nobody@example.org").await.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_while_a_hash_is_made_counts() {
    const BLOCK: &str = "update users.throttles set blocked_until = now() + interval '1 minute'";
    let shop = Shop::start_with(&SLOW).await;
    let ada = shop.member("ada@example.org").await;
    shop.register("new@example.org").await.is(202);
    for email in ["ada@example.org", "new@example.org"] {
        shop.log_in(email, "not the password").await.is(401);
    }
    shop.sql("delete from users.sessions").await;
    let meanwhile = async |email: &'static str, sql: &'static str| {
        let login = async { shop.log_in(email, PASSWORD).await };
        let change = async {
            sleep(Duration::from_millis(150)).await;
            shop.sql(sql).await;
        };
        tokio::join!(login, change).0
    };
    // Others have failed: whoever guessed right with them does not hear of it.
    assert_eq!(meanwhile("ada@example.org", BLOCK).await.is(429).code(), "too_many_failures");
    shop.sql("update users.throttles set blocked_until = null").await;
    assert_eq!(meanwhile("new@example.org", BLOCK).await.is(429).code(), "too_many_failures");
    shop.sql("update users.throttles set blocked_until = null").await;
    shop.sql(
        "insert into users.second_factors (user_id, secret, confirmed_at)
              select id, '', now() from users.accounts where email = 'ada@example.org'",
    )
    .await;
    meanwhile("ada@example.org", BLOCK).await.is(429);
    shop.sql("update users.throttles set blocked_until = null").await;
    shop.sql("delete from users.second_factors").await;
    // There is another password by now.
    meanwhile("ada@example.org", "update users.credentials set password_hash = password_hash || 'x'")
        .await
        .is(401);
    shop.sql("update users.credentials set password_hash = rtrim(password_hash, 'x')").await;
    let lock = "update users.accounts set status = 'locked' where email = 'ada@example.org'";
    assert_eq!(meanwhile("ada@example.org", lock).await.is(403).code(), "account_locked");
    shop.sql("update users.accounts set status = 'active'").await;
    assert_eq!(shop.count("select count(*) from users.sessions").await, 0);
    let again = shop.session("ada@example.org", PASSWORD).await;
    assert_eq!(again.id, ada.id);
    // A mail has changed the password, while whoever stole the old one changes it. What it left may be
    // read already, and has to be a hash.
    let cheap = Passwords::new(Cost { memory_kib: 32, passes: 3, lanes: 1 }, 1, 1).unwrap();
    let by_mail = cheap.hash(&Secret::new("the password by mail".to_owned())).await.unwrap();
    let change = async {
        let body = json!({ "password": PASSWORD, "new_password": "the password of a thief" });
        shop.by(&again, Method::POST, "/v1/users/me/password", &[], Some(body)).await
    };
    let reset = async {
        sleep(Duration::from_millis(150)).await;
        sqlx::query("update users.credentials set password_hash = $1")
            .bind(&by_mail)
            .execute(&shop.pool)
            .await
            .unwrap();
    };
    assert_eq!(tokio::join!(change, reset).0.is(403).code(), "password_wrong");
    let kept: Vec<String> = sqlx::query_scalar("select password_hash from users.credentials")
        .fetch_all(&shop.pool)
        .await
        .unwrap();
    assert_eq!(kept, [by_mail.as_str(); 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_some_failures_none_is_tried_for_a_while_whether_there_is_an_account_or_not() {
    let shop = Shop::start().await;
    shop.verified("ada@example.org").await;
    for email in ["ada@example.org", "nobody@example.org"] {
        for _ in 0..5 {
            shop.log_in(email, "not the password").await.is(401);
        }
        let blocked = shop.log_in(email, PASSWORD).await.is(429);
        assert_eq!(blocked.code(), "too_many_failures");
        let after: u64 = blocked.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((20..=30).contains(&after), "{after}");
    }
    let locked = shop.events("shop.user.locked.v1").await;
    assert_eq!((locked.len(), &locked[0]["reason"]), (1, &json!("failures")));
    // The next failure makes it longer.
    shop.sql("update users.throttles set blocked_until = now()").await;
    shop.log_in("ada@example.org", "not the password").await.is(401);
    let after: u64 = shop.log_in("ada@example.org", PASSWORD).await.is(429).headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((50..=60).contains(&after), "{after}");
    assert_eq!(shop.events("shop.user.locked.v1").await.len(), 1);
    // Who knows it begins anew.
    shop.sql("update users.throttles set blocked_until = now()").await;
    shop.log_in("ada@example.org", PASSWORD).await.is(200);
    for _ in 0..4 {
        shop.log_in("ada@example.org", "not the password").await.is(401);
    }
    shop.log_in("ada@example.org", PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hash_at_an_old_cost_is_renewed_when_its_password_is_known() {
    let shop = Shop::start().await;
    shop.verified("ada@example.org").await;
    let old = Passwords::new(Cost { memory_kib: 32, passes: 3, lanes: 1 }, 1, 1).unwrap();
    let hash = old.hash(&Secret::new(PASSWORD.to_owned())).await.unwrap();
    sqlx::query("update users.credentials set password_hash = $1")
        .bind(&hash)
        .execute(&shop.pool)
        .await
        .unwrap();
    let kept = async || -> String {
        let query = sqlx::query("select password_hash from users.credentials");
        query.fetch_one(&shop.pool).await.unwrap().get(0)
    };
    shop.log_in("ada@example.org", "not the password").await.is(401);
    assert_eq!(kept().await, hash);
    shop.log_in("ada@example.org", PASSWORD).await.is(200);
    assert!(kept().await.contains("$m=64,t=1,p=1$"), "{}", kept().await);
    shop.log_in("ada@example.org", PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_are_too_many_are_told_to_come_again() {
    let shop =
        Shop::start_with(&["--hashes=1", "--hash-queue=2", "--argon2-kib=19456", "--argon2-passes=2"]).await;
    let logins = (0..20).map(|at| {
        let shop = &shop;
        async move { shop.log_in(&format!("nobody{at}@example.org"), "not the password").await }
    });
    let replies = futures::future::join_all(logins).await;
    let busy: Vec<_> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(!busy.is_empty() && busy.len() < 20, "{}", busy.len());
    assert_eq!((busy[0].code(), busy[0].headers["retry-after"].to_str().unwrap()), ("unavailable", "2"));
    assert!(replies.iter().all(|reply| reply.status == 503 || reply.status == 401));
}
