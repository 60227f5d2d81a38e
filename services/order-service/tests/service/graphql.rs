//! The subgraph: orders and carts of whoever asks, over real connections.

use flotilla_paysim::ledger::Movement;
use serde_json::{Value, json};

use crate::{
    person::Person,
    shop::{Shop, TOTAL},
};

async fn ask(person: &Person<'_>, query: &str, variables: Value) -> Value {
    let answer = person.post("/graphql", None, json!({ "query": query, "variables": variables })).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn code(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]["code"]
}

const PLACE: &str = "mutation($key: String!, $order: OrderInput!) {
    placeOrder(idempotencyKey: $key, order: $order) { id status totalMinor lines { sku quantity totalMinor product { id } } }
}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_is_filled_ordered_once_and_called_off() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let made = ask(
        &customer,
        "mutation { createCart(currency: \"EUR\") { id totalMinor items { sku } } }",
        Value::Null,
    )
    .await;
    let cart = &made["data"]["createCart"];
    assert_eq!((&cart["totalMinor"], &cart["items"]), (&Value::Null, &json!([])), "{made}");
    let put = "mutation($cart: ID!, $sku: String!, $quantity: Int!) {
        putInCart(id: $cart, sku: $sku, quantity: $quantity) { version totalMinor items { sku quantity unitMinor name } }
    }";
    for (sku, quantity) in [("SHOE", 2), ("SOCK", 3), ("SOCK", 1)] {
        let variables = json!({ "cart": cart["id"], "sku": sku, "quantity": quantity });
        let answer = ask(&customer, put, variables).await;
        assert!(answer["errors"].is_null(), "{answer}");
    }
    let wrong = ask(&customer, put, json!({ "cart": cart["id"], "sku": "SOCK", "quantity": 0 })).await;
    assert_eq!(code(&wrong), "invalid_body", "{wrong}");
    let remove = "mutation($cart: ID!) { removeFromCart(id: $cart, sku: \"HAT\") { id } }";
    assert_eq!(code(&ask(&customer, remove, json!({ "cart": cart["id"] })).await), "not_found");
    let read = "query($cart: ID!) { cart(id: $cart) { totalMinor orderId } }";
    let filled = ask(&customer, read, json!({ "cart": cart["id"] })).await;
    assert_eq!(filled["data"]["cart"], json!({ "totalMinor": TOTAL, "orderId": null }), "{filled}");
    // To others it is not there.
    let hidden = ask(&shop.customer(), read, json!({ "cart": cart["id"] })).await;
    assert_eq!(hidden, json!({ "data": { "cart": null } }));

    let order = json!({ "cartId": cart["id"], "paymentMethod": "pm_card_visa", "expectedTotalMinor": TOTAL });
    let first = ask(&customer, PLACE, json!({ "key": "graph", "order": order })).await;
    let placed = &first["data"]["placeOrder"];
    assert_eq!((&placed["status"], &placed["totalMinor"]), (&json!("PENDING"), &json!(TOTAL)), "{first}");
    let id = placed["id"].as_str().unwrap();
    let again = ask(&customer, PLACE, json!({ "key": "graph", "order": order })).await;
    assert_eq!(again["data"]["placeOrder"]["id"], placed["id"], "{again}");
    let other = json!({ "cartId": cart["id"], "paymentMethod": "pm_card_other" });
    let other = ask(&customer, PLACE, json!({ "key": "graph", "order": other })).await;
    assert_eq!(code(&other), "idempotency_key_reused", "{other}");
    shop.until(id, "paid").await;
    shop.settled().await;

    let query = "query($id: ID!) { order(id: $id) {
        status paymentStatus stock currency totalMinor refundedMinor cancelRequested version user { id }
        lines { sku name quantity unitMinor product { id __typename } } payments { status amountMinor capturedMinor reference }
    } }";
    let read = ask(&customer, query, json!({ "id": id })).await;
    let order = &read["data"]["order"];
    let over_rest = customer.get(&format!("/v1/orders/{id}")).await.json();
    assert_eq!(
        (&order["status"], &order["paymentStatus"], &order["stock"]),
        (&json!("PAID"), &json!("CAPTURED"), &json!("COMMITTED")),
        "{read}"
    );
    for (name, over_graph) in
        [("total_minor", "totalMinor"), ("refunded_minor", "refundedMinor"), ("version", "version")]
    {
        assert_eq!(over_rest[name], order[over_graph], "{name}");
    }
    assert_eq!(over_rest["user_id"], order["user"]["id"]);
    assert_eq!(over_rest["lines"][0]["product_id"], order["lines"][0]["product"]["id"]);
    assert_eq!(
        (&order["lines"][0]["sku"], &order["payments"][0]["capturedMinor"]),
        (&json!("SHOE"), &json!(TOTAL))
    );

    let cancel = "mutation($id: ID!) { cancelOrder(id: $id) { cancelRequested } }";
    assert_eq!(code(&ask(&shop.customer(), cancel, json!({ "id": id })).await), "not_found");
    let cancelled = ask(&customer, cancel, json!({ "id": id })).await;
    assert_eq!(cancelled["data"]["cancelOrder"]["cancelRequested"], true, "{cancelled}");
    shop.until(id, "cancelled").await;
    shop.audit().await;
    assert_eq!(shop.moved(Movement::Refund), [TOTAL]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_seen_by_their_owner_and_by_those_who_run_the_shop() {
    let shop = Shop::start().await;
    let (customer, stranger, admin) = (shop.customer(), shop.customer(), shop.admin());
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(customer.order("pm_card_visa").await);
    }
    ids.reverse();
    let list = "query($after: String) { orders(first: 2, after: $after) {
        edges { cursor node { id } } pageInfo { hasNextPage endCursor }
    } }";
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let answer = ask(&customer, list, json!({ "after": after })).await;
        let page = &answer["data"]["orders"];
        let edges = page["edges"].as_array().unwrap_or_else(|| panic!("{answer}"));
        seen.extend(edges.iter().map(|edge| edge["node"]["id"].as_str().unwrap().to_owned()));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(seen, ids);
    // A cursor is of its owner, whichever way it was had.
    let stolen = ask(&stranger, list, json!({ "after": after })).await;
    assert_eq!(code(&stolen), "invalid_cursor", "{stolen}");
    let over_rest = customer.get("/v1/orders?limit=2").await.json()["next_cursor"].clone();
    let rest = ask(&customer, list, json!({ "after": over_rest })).await;
    assert_eq!(rest["data"]["orders"]["edges"][0]["node"]["id"], json!(ids[2]), "{rest}");

    let one = "query($id: ID!) { order(id: $id) { id } }";
    for (person, is_seen) in [(&customer, true), (&stranger, false), (&admin, true)] {
        let answer = ask(person, one, json!({ "id": ids[0] })).await;
        assert_eq!(answer["data"]["order"]["id"] == json!(ids[0]), is_seen, "{answer}");
        assert!(answer["errors"].is_null(), "{answer}");
    }
    let owner = customer.get(&format!("/v1/orders/{}", ids[0])).await.json()["user_id"].clone();
    let entities = "query($of: [_Any!]!) { _entities(representations: $of) {
        ... on Order { id totalMinor paymentStatus lines { sku } }
        ... on User { orders(first: 3) { edges { node { id } } } }
    } }";
    let of = json!({ "of": [
        { "__typename": "Order", "id": ids[1] },
        { "__typename": "Order", "id": uuid::Uuid::now_v7() },
        { "__typename": "Order", "id": "twelve" },
        { "__typename": "User", "id": owner },
    ] });
    let answer = ask(&customer, entities, of.clone()).await;
    let found = answer["data"]["_entities"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!((&found[0]["id"], &found[0]["totalMinor"]), (&json!(ids[1]), &json!(TOTAL)), "{answer}");
    assert_eq!((&found[1], &found[2]), (&Value::Null, &Value::Null));
    assert_eq!(found[3]["orders"]["edges"].as_array().unwrap().len(), 3, "{answer}");
    let hidden = ask(&stranger, entities, of).await;
    assert_eq!(hidden["data"]["_entities"], json!([null, null, null, { "orders": null }]), "{hidden}");
    shop.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_query_is_said_as_rest_says_it() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let body = json!({ "query": "{ orders { edges { node { id } } } }" }).to_string();
    let headers = [("content-type", "application/json")];
    let nobody = shop.send("POST", "/graphql", None, &headers, body.clone()).await;
    assert_eq!((nobody.status, code(&nobody.json())), (200, &json!("token_missing")), "{}", nobody.text);
    let forged = shop.send("POST", "/graphql", Some("a.b.c"), &headers, body).await;
    assert_eq!((forged.status, &forged.json()["code"]), (401, &json!("token_invalid")));
    for (query, expected) in [
        ("{ orders(first: 0) { edges { cursor } } }", "invalid_parameter"),
        ("{ orders(first: 101) { edges { cursor } } }", "invalid_parameter"),
        ("{ orders(after: \"forged\") { edges { cursor } } }", "invalid_cursor"),
        ("{ order(id: \"twelve\") { id } }", "invalid_parameter"),
        ("mutation { cancelOrder(id: \"twelve\") { id } }", "invalid_parameter"),
        ("mutation { createCart(currency: \"EURO\") { id } }", "invalid_body"),
        (
            "mutation { placeOrder(idempotencyKey: \"\", order: { paymentMethod: \"pm\" }) { id } }",
            "invalid_parameter",
        ),
        (
            "mutation { placeOrder(idempotencyKey: \"k\", order: { paymentMethod: \"pm\" }) { id } }",
            "invalid_body",
        ),
        (
            "mutation { placeOrder(idempotencyKey: \"k\", order: { paymentMethod: \"pm\", cartId: \"c\" }) { id } }",
            "invalid_parameter",
        ),
    ] {
        let answer = ask(&customer, query, Value::Null).await;
        assert_eq!(code(&answer), expected, "{query}: {answer}");
    }
    let lines = json!([{ "sku": "SHOE", "quantity": -1 }, { "sku": "a b", "quantity": 1 }]);
    let order = json!({ "currency": "EUR", "paymentMethod": "pm", "lines": lines });
    let answer = ask(&customer, PLACE, json!({ "key": "bad", "order": order })).await;
    let errors = &answer["errors"][0]["extensions"]["errors"];
    assert_eq!(
        (&errors[0]["pointer"], &errors[1]["pointer"]),
        (&json!("#/lines/0/quantity"), &json!("#/lines/1/sku")),
        "{answer}"
    );
    let none: i64 =
        sqlx::query_scalar("select count(*) from orders.orders").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(none, 0);
}
