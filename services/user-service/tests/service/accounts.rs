//! What whoever is logged in does with their account.

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::Row;
use tokio::time::{Duration, sleep};
use uuid::Uuid;

use crate::harness::{Member, PASSWORD, Shop};

fn address() -> Value {
    json!({
        "recipient": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "postal_code": "SW1Y 4JH",
        "country": "GB", "phone": "+442079460000",
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_is_changed_in_the_version_that_was_read() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let read = shop.get(&ada, "/v1/users/me").await.is(200);
    let etag = read.etag();
    let known = [("if-none-match", etag.as_str())];
    assert_eq!(shop.by(&ada, Method::GET, "/v1/users/me", &known, None).await.is(304).text, "");
    let patch = async |headers: &[(&str, &str)], body| {
        shop.by(&ada, Method::PATCH, "/v1/users/me", headers, Some(body)).await
    };
    assert_eq!(patch(&[], json!({ "name": "Ada L." })).await.is(428).code(), "precondition_required");
    let changed =
        patch(&[("if-match", &etag)], json!({ "name": " Ada L. ", "locale": "de-AT" })).await.is(200);
    assert_eq!((&changed.body["name"], &changed.body["locale"]), (&json!("Ada L."), &json!("de-AT")));
    assert_eq!(patch(&[("if-match", &etag)], json!({ "name": "Eve" })).await.is(412).code(), "stale");
    let bad =
        patch(&[("if-match", &changed.etag())], json!({ "name": "", "locale": "nowhere!" })).await.is(422);
    let pointers: Vec<_> = bad.body["errors"].as_array().unwrap().iter().map(|one| &one["pointer"]).collect();
    assert_eq!(pointers, ["#/name", "#/locale"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_of_one_person_and_one_is_the_default() {
    let shop = Shop::start().await;
    let (ada, eve) = (shop.member("ada@example.org").await, shop.member("eve@example.org").await);
    let path = "/v1/users/me/addresses";
    let first = shop.by(&ada, Method::POST, path, &[], Some(address())).await.is(201);
    assert_eq!(first.body["is_default"], true);
    let one = first.headers["location"].to_str().unwrap().to_owned();
    let mut other = address();
    other["line1"] = json!("Ockham Park");
    other["is_default"] = json!(true);
    let second = shop.by(&ada, Method::POST, path, &[], Some(other)).await.is(201);
    assert_eq!(second.body["is_default"], true);
    let read = shop.get(&ada, &one).await.is(200);
    assert_eq!(read.body["is_default"], false);
    assert_ne!(read.etag(), first.etag());
    // To others it is not there.
    shop.get(&eve, &one).await.is(404);
    let stale = [("if-match", first.etag())];
    let stale = [(stale[0].0, stale[0].1.as_str())];
    shop.by(&eve, Method::DELETE, &one, &stale, None).await.is(404);
    shop.by(&eve, Method::PUT, &one, &stale, Some(address())).await.is(404);
    assert_eq!(shop.get(&eve, path).await.is(200).body, json!({ "items": [] }));
    shop.by(&ada, Method::PUT, &one, &stale, Some(address())).await.is(412);
    shop.by(&ada, Method::PUT, &one, &[], Some(address())).await.is(428);
    let etag = read.etag();
    let mut changed = address();
    changed["city"] = json!("Ockham");
    let changed = shop.by(&ada, Method::PUT, &one, &[("if-match", &etag)], Some(changed)).await.is(200);
    assert_eq!(changed.body["city"], "Ockham");
    let etag = changed.etag();
    shop.by(&ada, Method::DELETE, &one, &[("if-match", &etag)], None).await.is(204);
    shop.get(&ada, &one).await.is(404);
    let mut bad = address();
    bad["country"] = json!("Britain");
    bad["recipient"] = json!("a\nb");
    assert_eq!(shop.by(&ada, Method::POST, path, &[], Some(bad)).await.is(422).code(), "invalid_body");
    for _ in 1..50 {
        shop.by(&ada, Method::POST, path, &[], Some(address())).await.is(201);
    }
    assert_eq!(
        shop.by(&ada, Method::POST, path, &[], Some(address())).await.is(409).code(),
        "too_many_addresses"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_password_ends_all_other_sessions() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let other = shop.session("ada@example.org", PASSWORD).await;
    let change =
        async |body: Value| shop.by(&ada, Method::POST, "/v1/users/me/password", &[], Some(body)).await;
    let body = json!({ "password": "not the password", "new_password": "a new long password" });
    assert_eq!(change(body).await.is(403).code(), "password_wrong");
    let body = json!({ "password": PASSWORD, "new_password": "ada@example.org" });
    assert_eq!(change(body).await.is(422).body["errors"][0]["pointer"], "#/new_password");
    change(json!({ "password": PASSWORD, "new_password": "a new long password" })).await.is(204);
    shop.get(&other, "/v1/users/me").await.is(401);
    shop.refresh(&other.refresh).await.is(401);
    shop.get(&ada, "/v1/users/me").await.is(200);
    shop.log_in("ada@example.org", PASSWORD).await.is(401);
    shop.log_in("ada@example.org", "a new long password").await.is(200);
    assert_eq!(shop.events("shop.user.password_changed.v1").await[0]["how"], "change");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_password_is_set_by_mail_once() {
    const REQUESTED: &str = "shop.user.password_reset_requested.v1";
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let forgot =
        async || shop.post("/v1/auth/forgot-password", json!({ "email": "ADA@example.org" })).await.is(202);
    forgot().await;
    let old = shop.mail_token(REQUESTED).await;
    forgot().await;
    let token = shop.mail_token(REQUESTED).await;
    let reset = async |token: &str, password: &str| {
        shop.post("/v1/auth/reset-password", json!({ "token": token, "password": password })).await
    };
    reset(&old, "a new long password").await.is(400);
    reset(&token, "short").await.is(422);
    // Whoever is locked out for failures gets in by it.
    for _ in 0..5 {
        shop.log_in("ada@example.org", "not the password").await.is(401);
    }
    shop.log_in("ada@example.org", PASSWORD).await.is(429);
    reset(&token, "a new long password").await.is(204);
    reset(&token, "another long password").await.is(400);
    shop.get(&ada, "/v1/users/me").await.is(401);
    shop.log_in("ada@example.org", "a new long password").await.is(200);
    // Nor is what was begun with the old one good any longer.
    let ada = shop.session("ada@example.org", "a new long password").await;
    let body = json!({ "email": "thief@example.org", "password": "a new long password" });
    shop.by(&ada, Method::POST, "/v1/users/me/email", &[], Some(body)).await.is(202);
    let thief = shop.mail_token("shop.user.email_change_requested.v1").await;
    forgot().await;
    let token = shop.mail_token(REQUESTED).await;
    reset(&token, "another long password").await.is(204);
    shop.post("/v1/auth/verify-email", json!({ "token": thief })).await.is(400);
    // A token of one kind is none of another.
    forgot().await;
    let token = shop.mail_token(REQUESTED).await;
    shop.post("/v1/auth/verify-email", json!({ "token": token })).await.is(400);
    shop.sql("update users.one_time_tokens set expires_at = now()").await;
    reset(&token, "yet another long password").await.is(400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_is_taken_once_a_mail_to_it_was_read() {
    const REQUESTED: &str = "shop.user.email_change_requested.v1";
    let shop = Shop::start().await;
    let (ada, _eve) = (shop.member("ada@example.org").await, shop.member("eve@example.org").await);
    let change = async |email: &str, password: &str| {
        let body = json!({ "email": email, "password": password });
        shop.by(&ada, Method::POST, "/v1/users/me/email", &[], Some(body)).await
    };
    change("ada@new.example.org", "not the password").await.is(403);
    let answer = change("ada@new.example.org", PASSWORD).await.is(202);
    let event = shop.events(REQUESTED).await.pop().unwrap();
    let redeemed = shop.redeem(event["reference"].as_str().unwrap()).await.unwrap();
    assert_eq!((redeemed.purpose.as_str(), redeemed.email.as_str()), ("email_change", "ada@new.example.org"));
    assert_eq!(shop.get(&ada, "/v1/users/me").await.body["email"], "ada@example.org");
    // Nobody hears that an address is somebody's, and nobody gets a mail.
    assert_eq!(change("EVE@example.org", PASSWORD).await.is(202).body, answer.body);
    assert_eq!(shop.events(REQUESTED).await.len(), 1);
    shop.post("/v1/auth/verify-email", json!({ "token": redeemed.token })).await.is(204);
    assert_eq!(shop.get(&ada, "/v1/users/me").await.body["email"], "ada@new.example.org");
    assert_eq!(shop.events("shop.user.email_changed.v1").await.len(), 1);
    shop.log_in("ada@example.org", PASSWORD).await.is(401);
    shop.log_in("ada@new.example.org", PASSWORD).await.is(200);
    // Somebody else takes it between the mail and its answer.
    change("ada@third.example.org", PASSWORD).await.is(202);
    let token = shop.mail_token(REQUESTED).await;
    shop.member("ada@third.example.org").await;
    let late = shop.post("/v1/auth/verify-email", json!({ "token": token })).await.is(409);
    assert_eq!(late.code(), "email_taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_erased_is_nobody_and_others_are_told() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    shop.by(&ada, Method::POST, "/v1/users/me/addresses", &[], Some(address())).await.is(201);
    let erase = async |password: &str| {
        shop.by(&ada, Method::DELETE, "/v1/users/me", &[], Some(json!({ "password": password }))).await
    };
    erase("not the password").await.is(403);
    erase(PASSWORD).await.is(204);
    assert_eq!(shop.events("shop.user.erased.v1").await, [json!({ "user_id": ada.id })]);
    shop.get(&ada, "/v1/users/me").await.is(401);
    shop.refresh(&ada.refresh).await.is(401);
    shop.log_in("ada@example.org", PASSWORD).await.is(401);
    // Nothing in any table of this service says who it was.
    let tables = sqlx::query(
        "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'users'",
    );
    for table in tables.fetch_all(&shop.pool).await.unwrap() {
        let table: String = table.get(0);
        let query = format!("select count(*) from {table} t where t::text ~ 'ada@|Ada|Lovelace|Square'");
        let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&shop.pool).await.unwrap();
        assert_eq!(found, 0, "{table}");
    }
    // What was done stays, and cannot be changed.
    let lines: i64 =
        sqlx::query_scalar("select count(*) from users.audit_log where subject = $1 and action = 'erased'")
            .bind(ada.id)
            .fetch_one(&shop.pool)
            .await
            .unwrap();
    assert_eq!(lines, 1);
    for change in ["delete from users.audit_log", "update users.audit_log set action = 'nothing'"] {
        let error = sqlx::query(change).execute(&shop.pool).await.unwrap_err().to_string();
        assert!(error.contains("only ever added to"), "{error}");
    }
    // The address is free for somebody new.
    let new = shop.member("ada@example.org").await;
    assert_ne!(new.id, ada.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_no_easier_to_guess_with_a_stolen_token() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let erase = async |member: &Member, password: &str| {
        shop.by(member, Method::DELETE, "/v1/users/me", &[], Some(json!({ "password": password }))).await
    };
    for _ in 0..5 {
        erase(&ada, "not the password").await.is(403);
    }
    erase(&ada, PASSWORD).await.is(429);
    let unknown = Member { access: format!("{}x", ada.access), id: Uuid::nil(), ..ada.clone() };
    assert_eq!(erase(&unknown, PASSWORD).await.is(401).code(), "token_invalid");
    shop.get(&ada, "/v1/users/me").await.is(200);
}

/// Somebody is erased while something of them is being written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_whoever_is_erased_at_that_moment() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let mut erasing = shop.pool.begin().await.unwrap();
    flotilla_user_service::store::accounts::lock(&mut erasing, ada.id).await.unwrap();
    let (post, get) = (Method::POST, Some(json!({ "email": "ada@example.org" })));
    let requests = async {
        tokio::join!(
            shop.by(&ada, post.clone(), "/v1/users/me/addresses", &[], Some(address())),
            shop.by(&ada, post.clone(), "/v1/users/me/export", &[], None),
            shop.ask(post.clone(), "/v1/auth/forgot-password", &[], get),
            shop.log_in("ada@example.org", PASSWORD),
        )
    };
    let erase = async {
        sleep(Duration::from_millis(1_000)).await;
        flotilla_user_service::store::accounts::erase(&mut erasing, ada.id).await.unwrap();
        erasing.commit().await.unwrap();
    };
    let ((added, asked, forgotten, login), ()) = tokio::join!(requests, erase);
    assert_eq!([added.status, asked.status, login.status].map(|status| status.as_u16()), [401; 3]);
    forgotten.is(202);
    for query in [
        "select count(*) from users.addresses",
        "select count(*) from users.exports",
        "select count(*) from users.sessions",
        "select count(*) from users.one_time_tokens",
    ] {
        assert_eq!(shop.count(query).await, 0, "{query}");
    }
}
