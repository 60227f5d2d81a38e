//! Accounts of others.

use axum::http::Method;
use flotilla_user_service::{domain::role::Role, grant::grant};
use serde_json::{Value, json};

use crate::harness::{Member, PASSWORD, Reply, Shop};

async fn with_role(shop: &Shop, email: &str, role: Role) -> Member {
    let member = shop.member(email).await;
    grant(&shop.pool, email, role).await.unwrap();
    member
}

async fn post(shop: &Shop, member: &Member, path: &str, body: Option<Value>) -> Reply {
    shop.by(member, Method::POST, path, &[], body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_those_who_may_not_see_them_accounts_of_others_are_not_there() {
    let shop = Shop::start().await;
    let (ada, eve) = (shop.member("ada@example.org").await, shop.member("eve@example.org").await);
    assert_eq!(shop.get(&eve, "/v1/users").await.is(403).code(), "role_missing");
    let path = format!("/v1/users/{}", ada.id);
    shop.get(&eve, &path).await.is(404);
    shop.get(&eve, &format!("{path}/audit")).await.is(404);
    let any = [("if-match", "*")];
    shop.by(&eve, Method::PATCH, &path, &any, Some(json!({ "name": "Eve" }))).await.is(404);
    let roles = Some(json!({ "roles": ["admin"] }));
    shop.by(&eve, Method::PUT, &format!("/v1/users/{}/roles", eve.id), &any, roles).await.is(404);
    post(&shop, &eve, &format!("{path}/lock"), Some(json!({ "reason": "spite" }))).await.is(404);
    post(&shop, &eve, &format!("{path}/unlock"), None).await.is(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_locked_is_out_until_they_are_unlocked() {
    let shop = Shop::start().await;
    let support = with_role(&shop, "support@example.org", Role::Support).await;
    let admin = with_role(&shop, "root@example.org", Role::Admin).await;
    let ada = shop.member("ada@example.org").await;
    let path = format!("/v1/users/{}", ada.id);
    post(&shop, &support, &format!("{path}/lock"), Some(json!({ "reason": "" }))).await.is(422);
    post(&shop, &support, &format!("{path}/lock"), Some(json!({ "reason": "stolen card" }))).await.is(204);
    shop.get(&ada, "/v1/users/me").await.is(401);
    shop.refresh(&ada.refresh).await.is(401);
    assert_eq!(shop.log_in("ada@example.org", PASSWORD).await.is(403).code(), "account_locked");
    // Whoever does not know the password does not hear of it.
    shop.log_in("ada@example.org", "not the password").await.is(401);
    let locked = shop.events("shop.user.locked.v1").await;
    assert_eq!(locked, [json!({ "user_id": ada.id, "reason": "operator", "until": null })]);
    let found = shop.get(&support, "/v1/users?status=locked").await.is(200);
    assert_eq!(found.body["items"][0]["id"], json!(ada.id));
    post(&shop, &support, &format!("{path}/unlock"), None).await.is(204);
    shop.log_in("ada@example.org", PASSWORD).await.is(200);
    // Nobody locks their betters, or themselves.
    let lock = async |by: &Member, whom: &Member| {
        post(&shop, by, &format!("/v1/users/{}/lock", whom.id), Some(json!({ "reason": "spite" }))).await
    };
    lock(&support, &admin).await.is(403);
    assert_eq!(lock(&admin, &admin).await.is(409).code(), "not_oneself");
    lock(&admin, &support).await.is(204);
    shop.get(&support, "/v1/users").await.is(401);

    let audit = shop.get(&admin, &format!("{path}/audit?limit=2")).await.is(200);
    let actions = |reply: &Reply| -> Vec<String> {
        let items = reply.body["items"].as_array().unwrap();
        items.iter().map(|item| item["action"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(actions(&audit), ["logged_in", "unlocked"]);
    assert_eq!(audit.body["items"][1]["actor"], json!(support.id));
    let next = format!("{path}/audit?limit=2&cursor={}", audit.text_of("next_cursor"));
    assert_eq!(actions(&shop.get(&admin, &next).await.is(200)), ["login_failed", "locked"]);
    let own = shop.session("ada@example.org", PASSWORD).await;
    assert_eq!(actions(&shop.get(&own, "/v1/users/me/audit?limit=1").await.is(200)), ["logged_in"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_are_given_by_admins_and_are_those_of_now() {
    let shop = Shop::start().await;
    let admin = with_role(&shop, "root@example.org", Role::Admin).await;
    let ada = shop.member("ada@example.org").await;
    let path = format!("/v1/users/{}", ada.id);
    let etag = shop.get(&admin, &path).await.is(200).etag();
    let set = async |by: &Member, whom: &str, etag: &str, roles: Value| {
        shop.by(
            by,
            Method::PUT,
            &format!("{whom}/roles"),
            &[("if-match", etag)],
            Some(json!({ "roles": roles })),
        )
        .await
    };
    let bad = set(&admin, &path, &etag, json!(["support", "root"])).await.is(422);
    assert_eq!(bad.body["errors"][0]["pointer"], "#/roles/1");
    let changed = set(&admin, &path, &etag, json!(["support"])).await.is(200);
    assert_eq!(changed.body["roles"], json!(["customer", "support"]));
    set(&admin, &path, &etag, json!([])).await.is(412);
    // Her token is of before, and her roles are of now.
    shop.get(&ada, "/v1/users").await.is(200);
    set(&ada, &path, "*", json!(["admin"])).await.is(403);
    shop.by(&ada, Method::PATCH, &path, &[("if-match", "*")], Some(json!({ "name": "Eve" }))).await.is(403);
    set(&admin, &format!("/v1/users/{}", admin.id), "*", json!([])).await.is(409);
    set(&admin, &path, "*", json!([])).await.is(200);
    shop.get(&ada, "/v1/users").await.is(403);
    assert!(grant(&shop.pool, "nobody@example.org", Role::Admin).await.is_err());
    shop.register("new@example.org").await.is(202);
    let error = grant(&shop.pool, "new@example.org", Role::Admin).await.unwrap_err().to_string();
    assert!(error.contains("has not shown"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_goes_on_where_its_page_ended() {
    let shop = Shop::start_with(&["--unverified-login=true"]).await;
    for name in ["a", "b", "c", "d", "e"] {
        shop.register(&format!("{name}.list@example.org")).await.is(202);
    }
    let admin = with_role(&shop, "root@example.org", Role::Admin).await;
    let mut emails = Vec::new();
    let mut path = "/v1/users?limit=2&role=customer".to_owned();
    loop {
        let page = shop.get(&admin, &path).await.is(200);
        emails.extend(page.body["items"].as_array().unwrap().iter().map(|item| item["email"].clone()));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        let link = page.headers["link"].to_str().unwrap().to_owned();
        path = link.trim_start_matches('<').split('>').next().unwrap().to_owned();
        assert!(path.contains(cursor) && path.starts_with("/v1/users?"), "{link}");
    }
    let expected: Vec<_> = ["root", "e.list", "d.list", "c.list", "b.list", "a.list"]
        .map(|name| format!("{name}@example.org"))
        .into();
    assert_eq!(emails, expected);
    let found = shop.get(&admin, "/v1/users?email=C.LIST").await.is(200);
    assert_eq!(found.body["items"].as_array().unwrap().len(), 1);
    // One of another list is none.
    let cursor = shop.get(&admin, "/v1/users?limit=2").await.text_of("next_cursor");
    let other = shop.get(&admin, &format!("/v1/users?limit=2&status=active&cursor={cursor}")).await.is(400);
    assert_eq!(other.code(), "invalid_cursor");
    // Somebody whose address is not shown to be theirs logs in when the shop says so.
    shop.log_in("a.list@example.org", PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_admins_do_not_leave_the_shop_with_none() {
    let shop = Shop::start().await;
    let one = with_role(&shop, "one@example.org", Role::Admin).await;
    let other = with_role(&shop, "other@example.org", Role::Admin).await;
    for _ in 0..10 {
        let demote = async |by: &Member, whom: &Member| {
            let path = format!("/v1/users/{}/roles", whom.id);
            shop.by(by, Method::PUT, &path, &[("if-match", "*")], Some(json!({ "roles": [] })))
                .await
                .status
                .as_u16()
        };
        let mut statuses: [u16; 2] = tokio::join!(demote(&one, &other), demote(&other, &one)).into();
        statuses.sort_unstable();
        assert!(matches!(statuses, [200, 403 | 404]), "{statuses:?}");
        for email in ["one@example.org", "other@example.org"] {
            grant(&shop.pool, email, Role::Admin).await.unwrap();
        }
    }
}
