//! Registration, and that an address is theirs.

use axum::http::Method;
use flotilla_bus::{Consumer, Pattern, Subscription};
use flotilla_kit::auth::Subject;
use flotilla_proto::user::{GetContactRequest, RedeemReferenceRequest};
use serde_json::{Value, json};
use tokio::time::timeout;
use tonic::{Code, Request};

use crate::harness::{PASSWORD, PATIENCE, Shop};

const REQUESTED: &str = "shop.user.verification_requested.v1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_registers_hears_by_mail_and_logs_in() {
    let shop = Shop::start().await;
    let consumer = Consumer::try_from("notification-service").unwrap();
    let types = [Pattern::try_from("shop.user.*").unwrap()];
    let mut deliveries = shop.bus.subscribe(Subscription::new(consumer, types)).await.unwrap();
    let reply = shop.register("Ada@Example.org").await.is(202);
    assert_eq!(reply.body, json!({ "status": "accepted" }));
    assert_eq!(shop.log_in("ada@example.org", PASSWORD).await.is(403).code(), "email_not_verified");

    let mut heard = Vec::new();
    while heard.len() < 2 {
        let delivery = timeout(PATIENCE, deliveries.next()).await.unwrap().unwrap();
        heard.push(delivery.event.clone());
        delivery.ack().await.unwrap();
    }
    assert_eq!(heard[0].kind.as_str(), "shop.user.registered.v1");
    let event = &heard[1];
    assert_eq!(event.kind.as_str(), REQUESTED);
    assert_eq!(event.correlation_id.as_deref(), reply.headers["x-correlation-id"].to_str().ok());
    let redeemed = shop.redeem(event.data["reference"].as_str().unwrap()).await.unwrap();
    assert_eq!((redeemed.purpose.as_str(), redeemed.email.as_str()), ("verification", "Ada@Example.org"));
    assert_eq!(event.subject, redeemed.user_id);
    // What the broker has is of no use to whoever reads it.
    assert!(!event.to_json().unwrap().contains(&redeemed.token));
    shop.post("/v1/auth/verify-email", json!({ "token": event.data["reference"] })).await.is(400);

    shop.post("/v1/auth/verify-email", json!({ "token": redeemed.token })).await.is(204);
    assert_eq!(
        shop.post("/v1/auth/verify-email", json!({ "token": redeemed.token })).await.is(400).code(),
        "token_invalid"
    );
    assert_eq!(shop.events("shop.user.email_verified.v1").await.len(), 1);
    let member = shop.session("ADA@example.org", PASSWORD).await;
    let me = shop.get(&member, "/v1/users/me").await.is(200);
    assert_eq!(
        (me.body["email_verified"].clone(), me.body["roles"].clone()),
        (Value::Bool(true), json!(["customer"]))
    );
    let contact = shop.by_notification(GetContactRequest { user_id: member.id.to_string() });
    let contact = shop.users().await.get_contact(contact).await.unwrap().into_inner();
    assert_eq!((contact.email.as_str(), contact.name.as_str()), ("Ada@Example.org", "Ada"));
}

const OTHER: &str = "another long password";

async fn register(shop: &Shop, email: &str, password: &str, name: &str) -> Value {
    let body = json!({ "email": email, "password": password, "name": name });
    shop.post("/v1/auth/register", body).await.is(202).body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_registers_again_is_answered_alike_and_changes_nothing() {
    let shop = Shop::start().await;
    let first = register(&shop, "ada@example.org", PASSWORD, "Ada").await;
    let second = register(&shop, "ADA@example.org", OTHER, "Eve").await;
    assert_eq!(first, second);
    let tokens = shop.mail_tokens(REQUESTED).await;
    shop.post("/v1/auth/verify-email", json!({ "token": tokens[0] })).await.is(204);
    // Whose address it is is known by now.
    shop.post("/v1/auth/verify-email", json!({ "token": tokens[1] })).await.is(400);
    assert_eq!(first, register(&shop, "ada@example.org", OTHER, "Eve").await);
    assert_eq!(shop.events("shop.user.registration_repeated.v1").await.len(), 1);
    assert_eq!(shop.events("shop.user.registered.v1").await.len(), 1);
    assert_eq!(shop.events(REQUESTED).await.len(), 2);
    shop.log_in("ada@example.org", OTHER).await.is(401);
    let member = shop.session("ada@example.org", PASSWORD).await;
    assert_eq!(shop.get(&member, "/v1/users/me").await.body["name"], "Ada");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_address_gets_the_account_and_nothing_of_whoever_had_it_before() {
    let shop = Shop::start_with(&["--unverified-login=true"]).await;
    register(&shop, "ada@example.org", OTHER, "Eve").await;
    let eve = shop.session("ada@example.org", OTHER).await;
    let address = json!({ "recipient": "Eve", "line1": "1 Lane", "city": "Ockham", "country": "GB" });
    shop.by(&eve, Method::POST, "/v1/users/me/addresses", &[], Some(address)).await.is(201);
    shop.by(&eve, Method::POST, "/v1/auth/mfa/totp/enroll", &[], Some(json!({ "password": OTHER })))
        .await
        .is(200);
    shop.sql("update users.second_factors set confirmed_at = now()").await;
    let waiting = shop.log_in("ada@example.org", OTHER).await.is(202);

    register(&shop, "ada@example.org", PASSWORD, "Ada").await;
    // Nothing has changed yet.
    shop.get(&eve, "/v1/users/me").await.is(200);
    // The mail is sent again, and is as good as the first.
    shop.post("/v1/auth/resend-verification", json!({ "email": "ada@example.org" })).await.is(202);
    let token = shop.mail_token(REQUESTED).await;
    shop.post("/v1/auth/verify-email", json!({ "token": token })).await.is(204);
    shop.get(&eve, "/v1/users/me").await.is(401);
    shop.refresh(&eve.refresh).await.is(401);
    shop.log_in("ada@example.org", OTHER).await.is(401);
    let body = json!({ "mfa_token": waiting.body["mfa_token"], "code": "000000" });
    assert_eq!(shop.post("/v1/auth/mfa/totp/verify", body).await.is(401).code(), "mfa_token_invalid");
    let ada = shop.session("ada@example.org", PASSWORD).await;
    assert_eq!(shop.get(&ada, "/v1/users/me").await.body["name"], "Ada");
    assert_eq!(shop.get(&ada, "/v1/users/me/addresses").await.body["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_the_address_gets_the_account_by_another_password_as_well() {
    let shop = Shop::start_with(&["--unverified-login=true"]).await;
    register(&shop, "ada@example.org", OTHER, "Eve").await;
    let eve = shop.session("ada@example.org", OTHER).await;
    shop.by(&eve, Method::POST, "/v1/auth/mfa/totp/enroll", &[], Some(json!({ "password": OTHER })))
        .await
        .is(200);
    shop.sql("update users.second_factors set confirmed_at = now()").await;
    shop.post("/v1/auth/forgot-password", json!({ "email": "ada@example.org" })).await.is(202);
    let token = shop.mail_token("shop.user.password_reset_requested.v1").await;
    shop.post("/v1/auth/reset-password", json!({ "token": token, "password": PASSWORD })).await.is(204);
    shop.get(&eve, "/v1/users/me").await.is(401);
    shop.log_in("ada@example.org", PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reference_is_redeemed_by_the_service_that_sends_mails_alone_and_for_a_while() {
    let shop = Shop::start().await;
    shop.register("ada@example.org").await.is(202);
    let reference = shop.events(REQUESTED).await[0]["reference"].as_str().unwrap().to_owned();
    let message = RedeemReferenceRequest { reference: reference.clone() };
    let mut users = shop.users().await;
    let code = users.redeem_reference(Request::new(message.clone())).await.unwrap_err().code();
    assert_eq!(code, Code::Unauthenticated);
    let other = shop.by_order(&Subject::default(), message.clone());
    assert_eq!(users.redeem_reference(other).await.unwrap_err().code(), Code::PermissionDenied);
    // Whoever failed after it asks again, and gets the same.
    let first = shop.redeem(&reference).await.unwrap();
    assert_eq!(shop.redeem(&reference).await.unwrap(), first);
    shop.sql("update users.one_time_tokens set redeemed_at = redeemed_at - interval '16 minutes'").await;
    assert_eq!(shop.redeem(&reference).await.unwrap_err().code(), Code::FailedPrecondition);
    for nonsense in ["", "a", &"b".repeat(43), &"c".repeat(5_000)] {
        let code = shop.redeem(nonsense).await.unwrap_err().code();
        assert!(matches!(code, Code::InvalidArgument | Code::FailedPrecondition), "{code:?}");
    }
    // Its token is as good as before.
    shop.sql("update users.one_time_tokens set expires_at = now()").await;
    shop.post("/v1/auth/verify-email", json!({ "token": first.token })).await.is(400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_gets_few_mails_an_hour_and_nobody_hears_which() {
    let shop = Shop::start_with(&["--mails-per-hour=3"]).await;
    shop.register("ada@example.org").await.is(202);
    let resend =
        async |email: &str| shop.post("/v1/auth/resend-verification", json!({ "email": email })).await;
    for _ in 0..5 {
        let known = resend("ada@example.org").await.is(202);
        let unknown = resend("nobody@example.org").await.is(202);
        assert_eq!(known.body, unknown.body);
    }
    assert_eq!(shop.events(REQUESTED).await.len(), 3);
    shop.sql("update users.throttles set since = since - interval '61 minutes'").await;
    resend("ada@example.org").await.is(202);
    assert_eq!(shop.events(REQUESTED).await.len(), 4);
}
