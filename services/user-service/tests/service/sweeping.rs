//! What is old goes, and what is of use stays.

use serde_json::json;

use crate::harness::{PASSWORD, Shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_needs_any_more_goes() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let mut old = Vec::new();
    for _ in 0..3 {
        old.push(shop.session("ada@example.org", PASSWORD).await);
    }
    shop.post("/v1/auth/logout", json!({ "refresh_token": old[0].refresh })).await.is(204);
    shop.post("/v1/auth/logout", json!({ "refresh_token": old[1].refresh })).await.is(204);
    let next = shop.refresh(&ada.refresh).await.is(200).text_of("refresh_token");
    shop.log_in("ada@example.org", "not the password").await.is(401);
    shop.post("/v1/auth/forgot-password", json!({ "email": ada.email })).await.is(202);
    let sweep = || flotilla_user_service::store::sweep::sweep(&shop.pool);
    let sessions = "select count(*) from users.sessions";
    let refresh = "select count(*) from users.refresh_tokens";
    let tokens = "select count(*) from users.one_time_tokens";
    let throttles = "select count(*) from users.throttles";
    sweep().await.unwrap();
    let counts = async || {
        [
            shop.count(sessions).await,
            shop.count(refresh).await,
            shop.count(tokens).await,
            shop.count(throttles).await,
        ]
    };
    assert_eq!(counts().await, [4, 5, 2, 2]);
    // One of those that were ended a month ago, one that was ended lately, and one that has ended by itself.
    shop.sql(
        "update users.sessions set ended_at = now() - interval '31 days'
              where id = (select id from users.sessions where ended_at is not null order by id limit 1)",
    )
    .await;
    shop.sql(
        "update users.sessions set expires_at = now() - interval '31 days'
              where id = (select id from users.sessions where ended_at is null order by id desc limit 1)",
    )
    .await;
    shop.sql("update users.refresh_tokens set expires_at = now() where used_at is not null").await;
    shop.sql(
        "update users.one_time_tokens set expires_at = now() - interval '25 hours' where used_at is not null",
    )
    .await;
    shop.sql("update users.throttles set since = now() - interval '49 hours' where scope = 'login'").await;
    sweep().await.unwrap();
    assert_eq!(counts().await, [2, 2, 1, 1]);
    shop.refresh(&next).await.is(200);
    shop.refresh(&ada.refresh).await.is(401);
}
