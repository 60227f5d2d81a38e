//! The subgraph of people.

use axum::http::Method;
use flotilla_user_service::{domain::role::Role, grant::grant};
use serde_json::{Value, json};

use crate::harness::{Member, PASSWORD, Shop};

async fn ask(shop: &Shop, member: Option<&Member>, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables });
    let reply = match member {
        Some(member) => shop.by(member, Method::POST, "/graphql", &[], Some(body)).await,
        None => shop.post("/graphql", body).await,
    };
    reply.is(200).body
}

#[track_caller]
fn is_good(body: Value) -> Value {
    assert!(body.get("errors").is_none(), "{body}");
    body["data"].clone()
}

/// The code and the status of the only error.
#[track_caller]
fn error(body: &Value) -> (&str, u64) {
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{body}"));
    assert_eq!(errors.len(), 1, "{body}");
    let extensions = &errors[0]["extensions"];
    (extensions["code"].as_str().unwrap(), extensions["status"].as_u64().unwrap())
}

const ME: &str = "{ me { id email emailVerified name locale status roles version addresses { id } sessions { current } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_reads_and_changes_what_is_theirs() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let me = is_good(ask(&shop, Some(&ada), ME, Value::Null).await);
    let version = me["me"]["version"].clone();
    let expected = json!({ "me": {
        "id": ada.id, "email": "ada@example.org", "emailVerified": true, "name": "Ada", "locale": "en",
        "status": "ACTIVE", "roles": ["CUSTOMER"], "version": version, "addresses": [], "sessions": [{ "current": true }],
    }});
    assert_eq!(me, expected);
    let update = "mutation($version: Int!, $change: ProfileChange!) {
        updateProfile(version: $version, change: $change) { name locale version } }";
    let change = async |version: &Value, change: Value| {
        ask(&shop, Some(&ada), update, json!({ "version": version, "change": change })).await
    };
    let bad = change(&version, json!({ "name": "", "locale": "nowhere!" })).await;
    assert_eq!(error(&bad), ("invalid_body", 422));
    assert_eq!(bad["errors"][0]["extensions"]["errors"][1]["pointer"], "#/locale");
    let changed = is_good(change(&version, json!({ "name": "Ada L." })).await);
    assert_eq!(
        (&changed["updateProfile"]["name"], &changed["updateProfile"]["locale"]),
        (&json!("Ada L."), &json!("en"))
    );
    assert_eq!(error(&change(&version, json!({ "name": "Eve" })).await), ("stale", 412));
    assert_eq!(shop.get(&ada, "/v1/users/me").await.body["name"], "Ada L.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_those_of_rest() {
    let shop = Shop::start().await;
    let (ada, eve) = (shop.member("ada@example.org").await, shop.member("eve@example.org").await);
    let address = json!({ "recipient": "Ada", "line1": "Ockham Park", "city": "Ockham", "country": "GB" });
    let add = "mutation($address: NewAddress!) { addAddress(address: $address) { id isDefault version } }";
    let added = is_good(ask(&shop, Some(&ada), add, json!({ "address": address })).await);
    let (id, version) = (&added["addAddress"]["id"], &added["addAddress"]["version"]);
    assert_eq!(added["addAddress"]["isDefault"], true);
    let kept = shop.get(&ada, &format!("/v1/users/me/addresses/{}", id.as_str().unwrap())).await.is(200);
    assert_eq!((&kept.body["city"], &kept.body["phone"]), (&json!("Ockham"), &json!("")));
    let mut bad = address.clone();
    bad["country"] = json!("Britain");
    assert_eq!(error(&ask(&shop, Some(&ada), add, json!({ "address": bad })).await), ("invalid_body", 422));

    let replace = "mutation($id: ID!, $version: Int!, $address: NewAddress!) {
        replaceAddress(id: $id, version: $version, address: $address) { line1 version } }";
    let mut other = address.clone();
    other["line1"] = json!("St James's Square");
    let variables = json!({ "id": id, "version": version, "address": other });
    // To others it is not there.
    assert_eq!(error(&ask(&shop, Some(&eve), replace, variables.clone()).await), ("not_found", 404));
    let replaced = is_good(ask(&shop, Some(&ada), replace, variables.clone()).await);
    assert_eq!(replaced["replaceAddress"]["line1"], "St James's Square");
    assert_eq!(error(&ask(&shop, Some(&ada), replace, variables).await), ("stale", 412));
    let remove = "mutation($id: ID!, $version: Int!) { removeAddress(id: $id, version: $version) }";
    let remove_by = async |member: Option<&Member>, id: &Value, version: &Value| {
        ask(&shop, member, remove, json!({ "id": id, "version": version })).await
    };
    let version = &replaced["replaceAddress"]["version"];
    assert_eq!(error(&remove_by(Some(&eve), id, version).await), ("not_found", 404));
    assert_eq!(error(&remove_by(None, id, version).await), ("token_missing", 401));
    assert_eq!(error(&remove_by(Some(&ada), &json!("nonsense"), version).await), ("invalid_parameter", 400));
    is_good(remove_by(Some(&ada), id, version).await);
    assert_eq!(shop.get(&ada, "/v1/users/me/addresses").await.body["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_subgraphs_name_people_and_only_those_who_may_see_them_do() {
    let shop = Shop::start().await;
    let (ada, eve) = (shop.member("ada@example.org").await, shop.member("eve@example.org").await);
    let support = shop.member("support@example.org").await;
    grant(&shop.pool, "support@example.org", Role::Support).await.unwrap();
    let entities =
        "query($of: [_Any!]!) { _entities(representations: $of) { ... on User { email addresses { id } } } }";
    let of = |id: &str| json!({ "__typename": "User", "id": id });
    let all = json!({ "of": [of(&ada.id.to_string()), of(&eve.id.to_string()), of("nonsense"), of(&uuid::Uuid::nil().to_string())] });
    let seen = async |member: Option<&Member>| {
        is_good(ask(&shop, member, entities, all.clone()).await)["_entities"].clone()
    };
    let (ada_is, eve_is) = (
        json!({ "email": "ada@example.org", "addresses": null }),
        json!({ "email": "eve@example.org", "addresses": null }),
    );
    assert_eq!(seen(Some(&support)).await, json!([ada_is, eve_is, null, null]));
    assert_eq!(
        seen(Some(&ada)).await,
        json!([{ "email": "ada@example.org", "addresses": [] }, null, null, null])
    );
    assert_eq!(seen(None).await, json!([null, null, null, null]));
    let user = "query($id: ID!) { user(id: $id) { email sessions { id } } }";
    let one = async |member: Option<&Member>| ask(&shop, member, user, json!({ "id": eve.id })).await;
    assert_eq!(is_good(one(Some(&ada)).await), json!({ "user": null }));
    assert_eq!(
        is_good(one(Some(&support)).await),
        json!({ "user": { "email": "eve@example.org", "sessions": null } })
    );
    let nobody = one(None).await;
    assert_eq!((error(&nobody), &nobody["data"]), (("token_missing", 401), &json!({ "user": null })));
    // A session that has ended is none here either.
    shop.post("/v1/auth/logout", json!({ "refresh_token": eve.refresh })).await.is(204);
    let body = json!({ "query": "{ me { id } }" });
    assert_eq!(
        shop.by(&eve, Method::POST, "/graphql", &[], Some(body)).await.is(401).code(),
        "token_invalid"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_has_limits() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    // Each field of an address counts as often as there may be addresses.
    let fields =
        "id recipient line1 line2 city region postalCode country phone isDefault version createdAt updatedAt";
    let costly = |times: usize| {
        let all: Vec<_> = (0..times).map(|at| format!("a{at}: addresses {{ {fields} }}")).collect();
        format!("{{ me {{ {} }} }}", all.join(" "))
    };
    is_good(ask(&shop, Some(&ada), &costly(3), Value::Null).await);
    for (query, message) in [
        (costly(4), "too complex"),
        (format!("{{ me {{ {} }} }}", "id ".repeat(2_000)), "selections"),
        (format!("{{ me {} }}", "{ addresses ".repeat(100)), "brackets"),
        ("{ me { password } }".to_owned(), "Unknown field"),
    ] {
        let body = ask(&shop, Some(&ada), &query, Value::Null).await;
        let message_is = body["errors"][0]["message"].as_str().unwrap();
        assert!(message_is.contains(message) && body["data"].is_null(), "{query}: {body}");
        assert_eq!(body["errors"][0]["extensions"]["code"], "invalid_query");
    }
    let reply = shop.ask(Method::GET, "/graphql?query={me{id}}", &[], None).await.is(405);
    assert_eq!(reply.code(), "method_not_allowed");
    let secret = json!({ "query": format!("mutation {{ updateProfile(version: 1, change: {{ name: 5, locale: \"{PASSWORD}\" }}) {{ id }} }}") });
    let reply = shop.by(&ada, Method::POST, "/graphql", &[], Some(secret)).await.is(200);
    assert!(reply.body["data"].is_null(), "{reply:?}");
}
