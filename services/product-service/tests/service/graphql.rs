//! The subgraph.

use serde_json::{Value, json};

use super::shop::{Shop, start};

/// What a query is answered, to somebody with these headers.
async fn ask_as(shop: &Shop, headers: &[(&str, &str)], query: &str, variables: Value) -> Value {
    let all = [headers, &[("content-type", "application/json")]].concat();
    let body = json!({ "query": query, "variables": variables });
    shop.send("POST", "/graphql", &all, body.to_string()).await.is(200).body
}

/// What anybody is told, without an error.
async fn ask(shop: &Shop, query: &str, variables: Value) -> Value {
    let answer = ask_as(shop, &[], query, variables).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    answer["data"].clone()
}

async fn sell(shop: &Shop, slug: &str, minor: i64, stock: i64, category: Option<&str>) -> String {
    let variant = json!({
        "sku": slug.to_uppercase(), "name": "One", "stock": stock, "attributes": { "color": "blue" },
        "prices": [{ "currency": "EUR", "minor": minor }],
    });
    let product = json!({
        "slug": slug, "name": slug, "status": "active", "variants": [variant], "categories": category.map_or(vec![], |id| vec![id]),
        "images": [{ "url": "https://img.example/a.jpg", "alt": "A" }],
    });
    shop.keep("POST", "/v1/products", &[], product).await.is(201).id().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sold_is_found_with_all_that_belongs_to_it() {
    let shop = start().await;
    let category = |slug: &str, parent: Value| {
        let input = json!({ "slug": slug, "name": slug, "parent": parent });
        let shop = &shop;
        async move { shop.keep("POST", "/v1/categories", &[], input).await.is(201).id().to_string() }
    };
    let kitchen = category("kitchen", Value::Null).await;
    let cups = category("cups", json!(kitchen)).await;
    // More than an Int may be.
    let dear = 900_000_000_000_i64;
    let mug = sell(&shop, "mug", dear, 5, Some(&cups)).await;
    sell(&shop, "cup", 700, 0, None).await;
    let whole = "query($id: ID!) { product(id: $id) {
        id slug status version attributes { name value } images { url alt } price { currency minor } inStock
        usd: price(currency: \"USD\") { minor }
        categories { slug parent { slug children { slug } } }
        variants { sku name available attributes { name value } prices { currency minor } product { slug } }
    } }";
    let found = ask(&shop, whole, json!({ "id": mug })).await;
    let price = json!({ "currency": "EUR", "minor": dear });
    assert_eq!(
        found["product"],
        json!({
            "id": mug, "slug": "mug", "status": "ACTIVE", "version": 1, "attributes": [], "price": price, "inStock": true,
            "usd": null, "images": [{ "url": "https://img.example/a.jpg", "alt": "A" }],
            "categories": [{ "slug": "cups", "parent": { "slug": "kitchen", "children": [{ "slug": "cups" }] } }],
            "variants": [{
                "sku": "MUG", "name": "One", "available": 5, "attributes": [{ "name": "color", "value": "blue" }],
                "prices": [price], "product": { "slug": "mug" },
            }],
        })
    );
    let list = "query($filter: ProductFilter, $sort: ProductSort) {
        products(filter: $filter, sort: $sort) { edges { node { slug inStock } } }
    }";
    let slugs = async |filter: Value, sort: Value| {
        let found = ask(&shop, list, json!({ "filter": filter, "sort": sort })).await;
        let edges = found["products"]["edges"].as_array().unwrap().clone();
        edges.iter().map(|edge| edge["node"]["slug"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(slugs(Value::Null, Value::Null).await, ["cup", "mug"]);
    assert_eq!(slugs(Value::Null, json!("PRICE_DOWN")).await, ["mug", "cup"]);
    assert_eq!(slugs(json!({ "words": "mugs" }), Value::Null).await, ["mug"]);
    assert_eq!(slugs(json!({ "category": kitchen }), Value::Null).await, ["mug"]);
    assert_eq!(slugs(json!({ "inStock": false }), Value::Null).await, ["cup"]);
    assert_eq!(slugs(json!({ "priceMax": 5_000_000_000_i64 }), Value::Null).await, ["cup"]);
    assert_eq!(
        slugs(json!({ "attributes": [{ "name": "color", "value": "red" }] }), Value::Null).await,
        [""; 0]
    );
    let tree = ask(&shop, "{ categories { slug children { slug children { slug } } } }", Value::Null).await;
    assert_eq!(
        tree["categories"],
        json!([{ "slug": "kitchen", "children": [{ "slug": "cups", "children": [] }] }])
    );
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_lead_to_each_other() {
    let shop = start().await;
    for number in 0..7 {
        sell(&shop, &format!("mug-{number}"), 100, 1, None).await;
    }
    let query = "query($after: String) { products(first: 3, after: $after, sort: PRICE_UP) {
        edges { cursor node { slug } } pageInfo { hasNextPage endCursor }
    } }";
    let (mut seen, mut after, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let page = ask(&shop, query, json!({ "after": after })).await["products"].clone();
        pages += 1;
        seen.extend(page["edges"].as_array().unwrap().iter().map(|edge| edge["node"]["slug"].to_string()));
        // Each product has its own cursor, and the page that of its last.
        after = page["edges"].as_array().unwrap().last().unwrap()["cursor"].clone();
        assert_eq!(page["pageInfo"]["endCursor"], after);
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len(), pages), (7, 7, 3));
    let mistakes = [
        ("{ products(first: 0) { edges { cursor } } }", "invalid_parameter"),
        ("{ products(first: 101) { edges { cursor } } }", "invalid_parameter"),
        ("{ products(after: \"x\") { edges { cursor } } }", "invalid_cursor"),
        ("{ products(filter: { currency: \"XXX\" }) { edges { cursor } } }", "invalid_parameter"),
        ("{ products(filter: { status: DRAFT }) { edges { cursor } } }", "invalid_parameter"),
        ("{ products(filter: { words: \"a\\u0000\" }) { edges { cursor } } }", "invalid_parameter"),
        ("{ product(id: \"7\") { slug } }", "invalid_parameter"),
        ("{ category(id: \"7\") { slug } }", "invalid_parameter"),
        ("{ nothing }", "invalid_query"),
    ];
    for (query, code) in mistakes {
        let answer = ask_as(&shop, &[], query, Value::Null).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{query}: {answer}");
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_subgraphs_name_what_they_have_of_it_and_nobody_sees_more_than_over_rest() {
    let shop = start().await;
    let mug = sell(&shop, "mug", 100, 5, None).await;
    let draft = json!({ "slug": "draft", "name": "Draft", "variants": [{ "sku": "DRAFT", "name": "One" }] });
    let draft = shop.keep("POST", "/v1/products", &[], draft).await.is(201).id().to_string();
    let entities = "query($of: [_Any!]!) { _entities(representations: $of) {
        ... on Product { slug } ... on Variant { sku available product { slug } }
    } }";
    let of = json!({ "of": [
        { "__typename": "Product", "id": mug },
        { "__typename": "Variant", "sku": "MUG" },
        { "__typename": "Product", "id": draft },
        { "__typename": "Variant", "sku": "DRAFT" },
        { "__typename": "Variant", "sku": "NONE" },
        { "__typename": "Product", "id": "7" },
    ] });
    let found = ask(&shop, entities, of.clone()).await["_entities"].clone();
    let seen =
        [json!({ "slug": "mug" }), json!({ "sku": "MUG", "available": 5, "product": { "slug": "mug" } })];
    assert_eq!(found, json!([seen[0], seen[1], null, null, null, null]));
    let keeper = shop.admin_token();
    let answer = ask_as(&shop, &[("authorization", &keeper)], entities, of).await;
    let more = [
        json!({ "slug": "draft" }),
        json!({ "sku": "DRAFT", "available": 0, "product": { "slug": "draft" } }),
    ];
    assert_eq!(answer["data"]["_entities"], json!([seen[0], seen[1], more[0], more[1], null, null]));
    for query in ["product(id: $id) { slug }", "variant(sku: \"DRAFT\") { sku }"] {
        let found = ask(
            &shop,
            &format!("query($id: ID! = \"{draft}\") {{ found: {query} product(id: $id) {{ id }} }}"),
            Value::Null,
        )
        .await;
        assert_eq!(found["found"], Value::Null, "{query}");
    }
    let forged = format!("{keeper}x");
    let body = json!({ "query": "{ __typename }" }).to_string();
    let headers = [("authorization", forged.as_str()), ("content-type", "application/json")];
    shop.send("POST", "/graphql", &headers, body).await.problem(401, "token_invalid");
    // However much is asked for, it costs one query of each kind.
    let dear = "{ products(first: 100) { edges { node { variants { product { variants { sku } } } } } } }";
    let answer = ask_as(&shop, &[], dear, Value::Null).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "invalid_query", "{answer}");
    shop.stop().await;
}
