//! The subgraph of notifications.

use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, order};

async fn ask(world: &World, token: Option<&str>, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables });
    let answer = world.ask("POST", "/graphql", token, &[], Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
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
    (extensions["code"].as_str().unwrap(), extensions["status"].as_u64().unwrap_or_default())
}

const PAGE: &str = "query($first: Int!, $after: String) {
    notifications(first: $first, after: $after) {
        edges { cursor node { id template status deliveries { channel state attempts { number outcome } } } }
        pageInfo { hasNextPage endCursor }
    } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_reads_what_they_were_told_page_by_page() {
    let world = World::start().await;
    let (ann, ben) = (world.people.add("Ann", "en"), world.people.add("Ben", "en"));
    for _order in 0..3 {
        let id = Uuid::now_v7();
        world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    }
    let sent = "select count(*) = 3 from notification.deliveries where state = 'sent'";
    world.until("not all are sent", sent).await;
    let (anns, bens) = (world.token(ann, &[]), world.token(ben, &[]));
    let first = is_good(ask(&world, Some(&anns), PAGE, json!({ "first": 2 })).await);
    let page = &first["notifications"];
    assert_eq!(
        (page["edges"].as_array().unwrap().len(), &page["pageInfo"]["hasNextPage"]),
        (2, &json!(true))
    );
    let node = &page["edges"][0]["node"];
    assert_eq!((&node["template"], &node["status"]), (&json!("order_confirmation"), &json!("SENT")));
    let delivery =
        json!({ "channel": "EMAIL", "state": "SENT", "attempts": [{ "number": 1, "outcome": "sent" }] });
    assert_eq!(node["deliveries"], json!([delivery]));
    let after = &page["pageInfo"]["endCursor"];
    let rest = is_good(ask(&world, Some(&anns), PAGE, json!({ "first": 2, "after": after })).await);
    let edges = rest["notifications"]["edges"].as_array().unwrap();
    assert_eq!((edges.len(), &rest["notifications"]["pageInfo"]["hasNextPage"]), (1, &json!(false)));

    // What is somebody else's is not there: not by a cursor, not by an id, and not as an entity.
    assert_eq!(error(&ask(&world, Some(&bens), PAGE, json!({ "first": 2, "after": after })).await).1, 400);
    assert_eq!(
        error(&ask(&world, Some(&anns), PAGE, json!({ "first": 0 })).await),
        ("invalid_parameter", 400)
    );
    let one = "query($id: ID!) { notification(id: $id) { id subject kind } }";
    let of = json!({ "id": node["id"] });
    assert_eq!(is_good(ask(&world, Some(&anns), one, of.clone()).await)["notification"]["id"], node["id"]);
    assert_eq!(is_good(ask(&world, Some(&bens), one, of.clone()).await)["notification"], Value::Null);
    assert_eq!(
        is_good(ask(&world, Some(&world.admin()), one, of.clone()).await)["notification"]["id"],
        node["id"]
    );
    assert_eq!(error(&ask(&world, None, one, of).await).1, 401);
    let entities = "query($all: [_Any!]!) { _entities(representations: $all) {
        ... on Notification { id } ... on User { id notifications(first: 1) { edges { node { id } } }
            notificationPreferences { version } } } }";
    let all = json!({ "all": [
        { "__typename": "Notification", "id": node["id"] }, { "__typename": "User", "id": ann },
    ] });
    let seen = is_good(ask(&world, Some(&anns), entities, all.clone()).await);
    assert_eq!(seen["_entities"][0]["id"], node["id"]);
    assert_eq!(seen["_entities"][1]["notifications"]["edges"][0]["node"]["id"], node["id"]);
    assert_eq!(seen["_entities"][1]["notificationPreferences"]["version"], 0);
    for token in [Some(bens.as_str()), None] {
        let unseen = is_good(ask(&world, token, entities, all.clone()).await);
        let user = json!({ "id": ann, "notifications": null, "notificationPreferences": null });
        assert_eq!(unseen["_entities"], json!([null, user]));
    }
    let costly = "{ notifications(first: 100) { edges { node { deliveries { attempts { number } } } } } }";
    assert_eq!(error(&ask(&world, Some(&anns), costly, Value::Null).await).0, "invalid_query");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preferences_are_replaced_in_the_version_that_was_read() {
    let world = World::start().await;
    let token = world.token(Uuid::now_v7(), &[]);
    let replace = "mutation($version: Int!, $preferences: [NotificationPreferenceInput!]!) {
        replaceNotificationPreferences(version: $version, preferences: $preferences) {
            version all { category channel enabled optional } } }";
    let off = |category: &str| json!([{ "category": category, "channel": "EMAIL", "enabled": false }]);
    let change = |version: u32, preferences: Value| {
        ask(&world, Some(&token), replace, json!({ "version": version, "preferences": preferences }))
    };
    let written = is_good(change(0, off("UPDATES")).await);
    let written = &written["replaceNotificationPreferences"];
    assert_eq!(written["version"], 1);
    let is_off = |one: &&Value| one["enabled"] == false;
    let offs: Vec<_> = written["all"].as_array().unwrap().iter().filter(is_off).collect();
    assert_eq!(
        offs,
        [&json!({ "category": "UPDATES", "channel": "EMAIL", "enabled": false, "optional": true })]
    );
    assert_eq!(error(&change(0, off("UPDATES")).await), ("stale", 412));
    let mandatory = change(1, off("SECURITY")).await;
    assert_eq!(error(&mandatory).1, 422);
    assert_eq!(mandatory["errors"][0]["extensions"]["errors"][0]["pointer"], "#/preferences/0/enabled");
    let read = "{ notificationPreferences { version } }";
    assert_eq!(
        is_good(ask(&world, Some(&token), read, Value::Null).await)["notificationPreferences"]["version"],
        1
    );
    assert_eq!(error(&ask(&world, None, read, Value::Null).await).1, 401);
}
