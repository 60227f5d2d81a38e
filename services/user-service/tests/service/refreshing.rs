//! Refresh tokens, keys and sessions.

use axum::http::Method;
use flotilla_kit::auth::{Jwks, Verifier};
use flotilla_proto::user::IntrospectSessionRequest;
use flotilla_user_service::keys;
use serde_json::json;
use uuid::Uuid;

use crate::harness::{Member, PASSWORD, Shop};

const COMPROMISED: &str = "shop.user.session.compromised.v1";

async fn is_logged_in(shop: &Shop, access: &str, member: &Member) -> bool {
    let member = Member { access: access.to_owned(), ..member.clone() };
    shop.get(&member, "/v1/users/me").await.status == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_token_is_exchanged_once_and_a_lost_answer_given_again() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let first = shop.refresh(&ada.refresh).await.is(200);
    assert_eq!(first.headers["cache-control"], "no-store");
    assert_ne!(first.text_of("refresh_token"), ada.refresh);
    // The answer was lost.
    let again = shop.refresh(&ada.refresh).await.is(200);
    assert_eq!(again.text_of("refresh_token"), first.text_of("refresh_token"));
    assert!(is_logged_in(&shop, &again.text_of("access_token"), &ada).await);
    let second = shop.refresh(&first.text_of("refresh_token")).await.is(200);
    assert!(shop.events(COMPROMISED).await.is_empty());
    // Nothing of the successors is kept that is of no use any more.
    let sealed: i64 =
        sqlx::query_scalar("select count(*) from users.refresh_tokens where successor is not null")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
    assert_eq!(sealed, 1);
    shop.refresh(&second.text_of("refresh_token")).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_exchange_one_at_once_get_the_same() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let replies = futures::future::join_all((0..10).map(|_| shop.refresh(&ada.refresh))).await;
    let mut tokens: Vec<_> =
        replies.into_iter().map(|reply| reply.is(200).text_of("refresh_token")).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_used_again_after_the_grace_ends_its_family() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let other = shop.session("ada@example.org", PASSWORD).await;
    let next = shop.refresh(&ada.refresh).await.is(200);
    shop.sql("update users.refresh_tokens set used_at = used_at - interval '11 seconds'").await;
    assert_eq!(shop.refresh(&ada.refresh).await.is(401).code(), "refresh_token_invalid");
    let compromised = shop.events(COMPROMISED).await;
    assert_eq!((compromised.len(), &compromised[0]["session_id"]), (1, &next.body["session_id"]));
    // Neither whoever stole it nor whoever it was stolen from has anything left.
    shop.refresh(&next.text_of("refresh_token")).await.is(401);
    assert!(!is_logged_in(&shop, &ada.access, &ada).await);
    assert!(!is_logged_in(&shop, &next.text_of("access_token"), &ada).await);
    shop.refresh(&ada.refresh).await.is(401);
    assert_eq!(shop.events(COMPROMISED).await.len(), 1);
    // Other sessions go on.
    shop.refresh(&other.refresh).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_one_ends_its_family_also_within_the_grace() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let first = shop.refresh(&ada.refresh).await.is(200).text_of("refresh_token");
    let second = shop.refresh(&first).await.is(200).text_of("refresh_token");
    shop.refresh(&ada.refresh).await.is(401);
    assert_eq!(shop.events(COMPROMISED).await.len(), 1);
    shop.refresh(&second).await.is(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_end_with_their_time_and_their_session() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    for nonsense in ["", "a", &"b".repeat(43), &"c".repeat(5_000)] {
        shop.refresh(nonsense).await.is(401);
    }
    shop.sql("update users.refresh_tokens set expires_at = now()").await;
    shop.refresh(&ada.refresh).await.is(401);
    let (laptop, phone) =
        (shop.session("ada@example.org", PASSWORD).await, shop.session("ada@example.org", PASSWORD).await);
    shop.post("/v1/auth/logout", json!({ "refresh_token": laptop.refresh })).await.is(204);
    shop.post("/v1/auth/logout", json!({ "refresh_token": laptop.refresh })).await.is(204);
    shop.refresh(&laptop.refresh).await.is(401);
    assert!(!is_logged_in(&shop, &laptop.access, &ada).await);
    assert!(shop.events(COMPROMISED).await.is_empty());

    let list = shop.get(&phone, "/v1/users/me/sessions").await.is(200);
    let items = list.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!((items[0]["current"].as_bool(), items[1]["current"].as_bool()), (Some(true), Some(false)));
    let old = items[1]["id"].as_str().unwrap();
    // Nobody ends those of others.
    let eve = shop.member("eve@example.org").await;
    let path = format!("/v1/users/me/sessions/{old}");
    shop.by(&eve, Method::DELETE, &path, &[], None).await.is(404);
    let live = async |id: &str| {
        let request = shop.by_notification(IntrospectSessionRequest { session_id: id.to_owned() });
        shop.users().await.introspect_session(request).await.unwrap().into_inner()
    };
    assert_eq!((live(old).await.active, live(old).await.user_id), (true, ada.id.to_string()));
    shop.by(&phone, Method::DELETE, &path, &[], None).await.is(204);
    shop.by(&phone, Method::DELETE, &path, &[], None).await.is(404);
    assert!(!live(old).await.active && !live(&Uuid::now_v7().to_string()).await.active);
    shop.session("ada@example.org", PASSWORD).await;
    shop.by(&phone, Method::DELETE, "/v1/users/me/sessions", &[], None).await.is(204);
    let left = shop.get(&phone, "/v1/users/me/sessions").await.is(200);
    assert_eq!(left.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_check_tokens_with_keys_that_are_published_before_they_sign() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let verifier = || {
        let address = format!("http://{}/.well-known/jwks.json", shop.http);
        Verifier::new(Jwks::new(address.parse().unwrap()).unwrap(), "https://shop.example", "shop")
    };
    let claims = verifier().verify(&ada.access).await.unwrap();
    assert_eq!((claims.sub, claims.roles), (ada.id.to_string(), vec!["customer".to_owned()]));
    let replica = shop.replica();
    keys::rotate(&replica).await.unwrap();
    let ids = || {
        let jwks = replica.keyring.jwks();
        jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let before = ids();
    assert_eq!(before.len(), 2);
    // A month goes by.
    shop.sql("update users.signing_keys set signs_from = signs_from - interval '30 days'").await;
    keys::rotate(&replica).await.unwrap();
    assert_eq!((ids().len(), &ids()[..2]), (3, &before[..]));
    let token = replica.keyring.sign(ada.id, Uuid::now_v7(), Vec::new(), 60).unwrap();
    let head = token.expose().split('.').next().unwrap();
    let head = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, head).unwrap();
    assert!(String::from_utf8(head).unwrap().contains(&before[1]));
    // The first replica has published that key from the beginning; it has not even looked again.
    verifier().verify(token.expose()).await.unwrap();
    assert!(replica.keyring.verify(&ada.access).is_ok());
    // All that the old one has signed has ended.
    shop.sql("update users.signing_keys set signs_from = signs_from - interval '1 hour'").await;
    keys::rotate(&replica).await.unwrap();
    assert_eq!(ids()[0], before[1]);
    assert!(replica.keyring.verify(&ada.access).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_begin_at_once_make_one_key() {
    let shop = Shop::start().await;
    shop.sql("delete from users.signing_keys").await;
    let replicas: Vec<_> = (0..5).map(|_| shop.replica()).collect();
    let made = futures::future::join_all(replicas.iter().map(keys::rotate)).await;
    assert!(made.iter().all(Result::is_ok));
    assert_eq!(replicas[0].keyring.jwks()["keys"].as_array().unwrap().len(), 2);
    assert!(replicas.iter().all(|replica| replica.keyring.jwks() == replicas[0].keyring.jwks()));
}
