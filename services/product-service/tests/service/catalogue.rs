//! Products, variants and categories.

use serde_json::{Value, json};
use uuid::Uuid;

use super::shop::start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_is_made_read_changed_and_taken_away() {
    let shop = start().await;
    let input = json!({
        "slug": "mug", "name": "Mug", "description": "For tea.", "status": "active",
        "attributes": { "material": "clay" }, "images": [{ "url": "https://img.example/mug.jpg", "alt": "A mug" }],
        "variants": [
            { "sku": "MUG-B", "name": "Blue", "attributes": { "color": "blue" }, "low_at": 2, "stock": 5,
              "prices": [{ "currency": "USD", "minor": 1100 }, { "currency": "EUR", "minor": 990 }] },
            { "sku": "MUG-A", "name": "Amber" },
        ],
    });
    let made = shop.keep("POST", "/v1/products", &[], input.clone()).await.is(201);
    assert_eq!(
        (made.header("etag"), made.header("location")),
        ("\"v1\"".to_owned(), format!("/v1/products/{}", made.id()))
    );
    let path = format!("/v1/products/{}", made.id());
    let read = shop.get(&path).await.is(200);
    assert_eq!(read.body, made.body);
    assert_eq!(read.body["variants"][0]["sku"], "MUG-B");
    assert_eq!(read.body["variants"][0]["prices"][0], json!({ "currency": "EUR", "minor": 990 }));
    assert_eq!(read.body["variants"][0].get("stock"), None);
    assert_eq!(shop.send("GET", &path, &[("if-none-match", "\"v1\"")], "").await.is(304).body, Value::Null);
    assert_eq!(shop.stock("MUG-B").await, (5, 0));

    // A part of it.
    let tag = [("if-match", "\"v1\"")];
    let part = json!({ "name": "Big mug", "attributes": { "material": null, "size": "l" } });
    shop.keep("PATCH", &path, &[], part.clone()).await.problem(428, "precondition_required");
    let patched = shop.keep("PATCH", &path, &tag, part.clone()).await.is(200);
    assert_eq!(
        (patched.header("etag").as_str(), &patched.body["attributes"]),
        ("\"v2\"", &json!({ "size": "l" }))
    );
    let stale = shop.keep("PATCH", &path, &tag, part).await;
    stale.problem(412, "stale");
    assert_eq!(stale.header("etag"), "\"v2\"");
    let nothing = shop.keep("PATCH", &path, &[("if-match", "\"v2\"")], json!({})).await.is(200);
    assert_eq!(nothing.header("etag"), "\"v2\"", "nothing has changed");

    // All of it; a variant that is left out is not sold any more, and what is there of another stays.
    let mut put = input;
    put["variants"] = json!([{ "sku": "MUG-B", "name": "Blue", "stock": 1000, "prices": [{ "currency": "EUR", "minor": 890 }] }]);
    let replaced = shop.keep("PUT", &path, &[("if-match", "\"v2\"")], put).await.is(200);
    assert_eq!(replaced.body["variants"].as_array().unwrap().len(), 1);
    shop.get("/v1/variants/MUG-A/stock").await.problem(404, "not_found");
    assert_eq!(shop.stock("MUG-B").await, (5, 0));

    shop.keep("DELETE", &path, &[("if-match", "\"v2\"")], Value::Null).await.problem(412, "stale");
    shop.keep("DELETE", &path, &[("if-match", "\"v3\"")], Value::Null).await.is(204);
    shop.get(&path).await.problem(404, "not_found");
    shop.get("/v1/variants/MUG-B/stock").await.problem(404, "not_found");
    // Its slug is free, its SKUs are not.
    shop.keep("POST", "/v1/products", &[], json!({ "slug": "mug", "name": "Mug" })).await.is(201);
    let taken = json!({ "slug": "mug-2", "name": "Mug", "variants": [{ "sku": "X", "name": "X" }, { "sku": "MUG-B", "name": "Blue" }] });
    let taken = shop.keep("POST", "/v1/products", &[], taken).await;
    taken.problem(409, "conflict");
    assert_eq!(taken.places(), ["#/variants/1/sku"]);
    shop.check_stock().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_catalogue_is_for_everybody_to_read_and_for_its_keepers_to_change() {
    let shop = start().await;
    let draft =
        shop.keep("POST", "/v1/products", &[], json!({ "slug": "draft", "name": "Draft" })).await.is(201);
    let path = format!("/v1/products/{}", draft.id());
    shop.get(&path).await.problem(404, "not_found");
    shop.keep("GET", &path, &[], Value::Null).await.is(200);
    shop.get("/v1/products?status=draft").await.problem(400, "invalid_parameter");
    let drafts = shop.keep("GET", "/v1/products?status=draft", &[], Value::Null).await.is(200);
    assert_eq!(drafts.body["items"].as_array().unwrap().len(), 1);

    let customer = shop.customer_token();
    let bearer = [("authorization", customer.as_str()), ("content-type", "application/json")];
    shop.send("GET", &path, &bearer, "").await.problem(404, "not_found");
    shop.send("POST", "/v1/products", &bearer, "{}").await.problem(403, "role_missing");
    shop.send("POST", "/v1/products", &bearer[1..], "{}").await.problem(401, "token_missing");
    let forged = format!("{}x", shop.admin_token());
    for (method, path) in [("POST", "/v1/products"), ("GET", "/v1/products")] {
        shop.send(method, path, &[("authorization", &forged)], "").await.problem(401, "token_invalid");
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_changes_to_one_version_one_is_made() {
    let shop = start().await;
    let made = shop.sell("mug", "Mug", &[("MUG", 100, 1)]).await;
    let path = format!("/v1/products/{}", made.id());
    let change = |number: usize| {
        let (shop, path) = (&shop, &path);
        async move {
            let part = json!({ "name": format!("Mug {number}") });
            shop.keep("PATCH", path, &[("if-match", "\"v1\"")], part).await.status
        }
    };
    let mut statuses = futures::future::join_all((0..12).map(change)).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [&[200][..], &[412; 11]].concat());
    assert_eq!(shop.get(&path).await.header("etag"), "\"v2\"");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variants_come_and_go_by_themselves() {
    let shop = start().await;
    let made = shop.sell("mug", "Mug", &[("MUG-A", 100, 1)]).await;
    let path = format!("/v1/products/{}/variants", made.id());
    let new = json!({ "sku": "MUG-B", "name": "Blue", "stock": 3, "prices": [{ "currency": "EUR", "minor": 120 }] });
    shop.keep("POST", &path, &[], new.clone()).await.problem(428, "precondition_required");
    let added = shop.keep("POST", &path, &[("if-match", "\"v1\"")], new.clone()).await.is(201);
    assert_eq!((added.header("etag").as_str(), &added.body["sku"]), ("\"v2\"", &json!("MUG-B")));
    assert_eq!(shop.stock("MUG-B").await, (3, 0));
    let twice = shop.keep("POST", &path, &[("if-match", "\"v2\"")], new.clone()).await;
    twice.problem(422, "invalid_body");
    let bad = shop.keep("POST", &path, &[("if-match", "\"v2\"")], json!({ "sku": "b", "name": "" })).await;
    assert_eq!(bad.places(), ["#/sku", "#/name"]);
    let at = format!("{path}/MUG-B");
    let other = json!({ "sku": "MUG-C", "name": "Blue" });
    assert_eq!(shop.keep("PUT", &at, &[("if-match", "\"v2\"")], other).await.places(), ["#/sku"]);
    shop.keep("PUT", &at, &[("if-match", "\"v2\"")], json!({ "sku": "MUG-B", "name": "Azure" }))
        .await
        .is(200);
    assert_eq!(shop.get(&path).await.is(200).body["items"][1]["name"], "Azure");
    shop.keep("DELETE", &at, &[("if-match", "\"v3\"")], Value::Null).await.is(204);
    shop.keep("DELETE", &at, &[("if-match", "\"v4\"")], Value::Null).await.problem(404, "not_found");
    // It may come back, with the stock that it had.
    shop.keep("POST", &path, &[("if-match", "\"v4\"")], new).await.is(201);
    assert_eq!(shop.stock("MUG-B").await, (3, 0));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_are_written_by_themselves() {
    let shop = start().await;
    let made = shop.sell("mug", "Mug", &[("MUG", 100, 1)]).await;
    let product = format!("/v1/products/{}", made.id());
    let path = format!("{product}/images");
    assert_eq!(shop.get(&path).await.is(200).body, json!({ "items": [] }));
    let image = |name: &str| json!({ "url": format!("https://img.example/{name}.jpg"), "alt": name });
    let two = json!({ "items": [image("front"), image("back")] });
    shop.keep("PUT", &path, &[], two.clone()).await.problem(428, "precondition_required");
    let put = shop.keep("PUT", &path, &[("if-match", "\"v1\"")], two.clone()).await.is(200);
    assert_eq!((put.header("etag").as_str(), &put.body), ("\"v2\"", &two));
    shop.keep("PUT", &path, &[("if-match", "\"v1\"")], two.clone()).await.problem(412, "stale");
    assert_eq!(shop.get(&path).await.is(200).body, two);
    assert_eq!(shop.send("GET", &path, &[("if-none-match", "\"v2\"")], "").await.is(304).body, Value::Null);
    let read = shop.get(&product).await.is(200).body;
    assert_eq!((&read["images"], &read["variants"][0]["sku"]), (&two["items"], &json!("MUG")));
    let list = shop.get("/v1/products").await.is(200).body;
    assert_eq!(list["items"][0]["image"], image("front"));
    let bad = json!({ "items": [image("front"), { "url": "javascript:alert(1)", "alt": "a\u{0}" }] });
    let bad = shop.keep("PUT", &path, &[("if-match", "*")], bad).await;
    bad.problem(422, "invalid_body");
    assert_eq!(bad.places(), ["#/items/1/url", "#/items/1/alt"]);
    let customer = shop.customer_token();
    shop.send("PUT", &path, &[("authorization", &customer)], "{}").await.problem(403, "role_missing");
    shop.get(&format!("/v1/products/{}/images", Uuid::now_v7())).await.problem(404, "not_found");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn categories_are_a_tree_without_circles() {
    let shop = start().await;
    let make = async |slug: &str, parent: Option<Uuid>| {
        let input = json!({ "slug": slug, "name": slug, "parent": parent });
        shop.keep("POST", "/v1/categories", &[], input).await.is(201).id()
    };
    let home = make("home", None).await;
    let kitchen = make("kitchen", Some(home)).await;
    let cups = make("cups", Some(kitchen)).await;
    let tree = shop.get("/v1/categories").await.is(200).body;
    assert_eq!(tree["items"][0]["children"][0]["children"][0]["slug"], "cups");

    // Into itself, by way of one below it.
    let at = format!("/v1/categories/{home}");
    let circle = json!({ "slug": "home", "name": "Home", "parent": cups });
    let refused = shop.keep("PUT", &at, &[("if-match", "\"v1\"")], circle).await;
    refused.problem(422, "invalid_body");
    assert_eq!(refused.places(), ["#/parent"]);
    let unknown = json!({ "slug": "x", "name": "x", "parent": Uuid::now_v7() });
    assert_eq!(shop.keep("POST", "/v1/categories", &[], unknown).await.places(), ["#/parent"]);
    shop.keep("POST", "/v1/categories", &[], json!({ "slug": "cups", "name": "Cups" }))
        .await
        .problem(409, "conflict");
    let mut parent = cups;
    for depth in 4..=8 {
        parent = make(&format!("deep-{depth}"), Some(parent)).await;
    }
    let deep = json!({ "slug": "deep-9", "name": "x", "parent": parent });
    assert_eq!(shop.keep("POST", "/v1/categories", &[], deep).await.is(422).places(), ["#/parent"]);

    // What is in one keeps it, and a product is in those above as well.
    let product = json!({ "slug": "mug", "name": "Mug", "status": "active", "categories": [cups] });
    shop.keep("POST", "/v1/products", &[], product).await.is(201);
    let of = async |id: Uuid| {
        let list = shop.get(&format!("/v1/products?category={id}")).await.is(200).body;
        list["items"].as_array().unwrap().len()
    };
    assert_eq!((of(home).await, of(cups).await, of(parent).await), (1, 1, 0));
    let at = format!("/v1/categories/{cups}");
    shop.keep("DELETE", &at, &[("if-match", "\"v1\"")], Value::Null).await.problem(409, "conflict");
    let moved = json!({ "slug": "cups", "name": "Cups", "parent": null });
    shop.keep("PUT", &at, &[("if-match", "\"v1\"")], moved).await.is(200);
    assert_eq!((of(home).await, of(cups).await), (0, 1));
    let lost = json!({ "slug": "lost", "name": "Lost", "categories": [Uuid::now_v7()] });
    assert_eq!(shop.keep("POST", "/v1/products", &[], lost).await.is(422).places(), ["#/categories/0"]);
    let leaf = format!("/v1/categories/{parent}");
    shop.keep("DELETE", &leaf, &[("if-match", "*")], Value::Null).await.is(204);
    shop.get(&leaf).await.problem(404, "not_found");
    shop.stop().await;
}
