//! Lists and search.

use std::time::Duration;

use flotilla_product_service::{domain::Filter, store::listing};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::shop::{PATIENCE, Shop, start};

async fn slugs(shop: &Shop, query: &str) -> Vec<String> {
    let list = shop.get(&format!("/v1/products?{query}")).await.is(200).body;
    slugs_of(&list)
}

fn slugs_of(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|item| item["slug"].as_str().unwrap().to_owned()).collect()
}

async fn make(shop: &Shop, slug: &str, name: &str, description: &str, minor: i64, stock: i64, color: &str) {
    let variant = json!({
        "sku": slug.to_uppercase(), "name": "One", "stock": stock, "attributes": { "color": color },
        "prices": [{ "currency": "EUR", "minor": minor }],
    });
    let product = json!({
        "slug": slug, "name": name, "description": description, "status": "active", "variants": [variant],
        "attributes": { "brand": "acme" },
    });
    shop.keep("POST", "/v1/products", &[], product).await.is(201);
}

async fn filled() -> Shop {
    let shop = start().await;
    make(&shop, "kettle", "Kettle", "Boils water for running teas.", 4_000, 0, "steel").await;
    make(&shop, "mug", "Blue mug", "Holds tea.", 900, 5, "blue").await;
    make(&shop, "cup", "Teacup", "Holds less tea than a mug.", 700, 5, "white").await;
    make(&shop, "shoe", "Running shoe", "Light.", 9_000, 1, "blue").await;
    make(&shop, "percent", "100% wool_sock", "Warm.", 700, 1, "grey").await;
    shop
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_are_found_by_words_prices_stock_and_attributes() {
    let shop = filled().await;
    assert_eq!(slugs(&shop, "").await, ["percent", "shoe", "cup", "mug", "kettle"]);
    assert_eq!(slugs(&shop, "sort=name").await, ["percent", "mug", "kettle", "shoe", "cup"]);
    assert_eq!(slugs(&shop, "sort=price").await, ["cup", "percent", "mug", "kettle", "shoe"]);
    assert_eq!(slugs(&shop, "sort=-price").await, ["shoe", "kettle", "mug", "percent", "cup"]);
    assert_eq!(slugs(&shop, "sort=price&currency=USD").await, Vec::<String>::new());
    assert_eq!(slugs(&shop, "price_min=800&price_max=4000").await, ["mug", "kettle"]);
    assert_eq!(slugs(&shop, "in_stock=false").await, ["kettle"]);
    assert_eq!(slugs(&shop, "attr.color=blue").await, ["shoe", "mug"]);
    assert_eq!(slugs(&shop, "attr.color=blue&attr.brand=acme&price_max=1000").await, ["mug"]);
    // Words of the name count for more than those of the description, and other forms of them are found as well.
    assert_eq!(slugs(&shop, "q=mugs").await, ["mug", "cup"]);
    assert_eq!(slugs(&shop, "q=runs").await, ["shoe", "kettle"]);
    assert_eq!(slugs(&shop, "q=tea+-less&sort=price").await, ["mug", "kettle"]);
    // Not quite right.
    assert_eq!(slugs(&shop, "q=ketle").await, ["kettle"]);
    assert_eq!(slugs(&shop, "q=%22%27%3B%20%26%7C%21%28").await, Vec::<String>::new());
    let list = shop.get("/v1/products?q=blue+mug&limit=1").await.is(200).body;
    assert_eq!(list["items"][0]["price"], json!({ "currency": "EUR", "minor": 900 }));
    assert_eq!(list["items"][0]["in_stock"], true);
    shop.stop().await;
}

/// Rows of stock that were read one by one in search of some, and reads by SKU.
async fn reads_of_stock(shop: &Shop) -> (i64, i64) {
    let sql = "select seq_tup_read, idx_scan from pg_stat_user_tables where relname = 'stock'";
    sqlx::query_as(sql).fetch_one(&shop.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_reads_the_stock_of_its_products_only() {
    let shop = start().await;
    let sql = "
        insert into product.products (id, slug, name, status)
        select gen_random_uuid(), 'p' || n, 'Product ' || n, 'active' from generate_series(1, 5000) n;
        insert into product.variants (sku, product_id, name) select slug, id, 'One' from product.products;
        insert into product.stock (sku, on_hand) select sku, 1 from product.variants;
        analyze;
        select pg_stat_force_next_flush()";
    sqlx::raw_sql(sql).execute(&shop.pool).await.unwrap();
    let before = reads_of_stock(&shop).await;
    let deadline = Instant::now() + PATIENCE;
    let after = loop {
        for query in ["limit=20", "limit=20&q=product+4711", "limit=20&in_stock=true&sort=name"] {
            assert!(!slugs(&shop, query).await.is_empty(), "{query}");
        }
        let after = reads_of_stock(&shop).await;
        // Postgres counts with a delay.
        if after.1 > before.1 {
            break after;
        }
        assert!(Instant::now() < deadline, "nothing has been counted");
        sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(after.0, before.0);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_is_planned_once_for_all_words() {
    let shop = start().await;
    let sql = "
        insert into product.products (id, slug, name, status)
        select gen_random_uuid(), 'p' || n, 'Lamp' || n % 100 || ' number ' || n, 'active'
        from generate_series(1, 10000) n;
        analyze";
    sqlx::raw_sql(sql).execute(&shop.pool).await.unwrap();
    let mut connection = shop.pool.acquire().await.unwrap();
    for sort in ["relevance", "newest", "name"] {
        for n in 0..20 {
            let sent = [("q", format!("lamp{n}")), ("sort", sort.to_owned())];
            let filter = Filter::of(&sent.map(|(name, value)| (name.to_owned(), value))).unwrap();
            let page = listing::page(&mut *connection, &filter, None, 20).await.unwrap();
            assert_eq!(page.products().unwrap().len(), 20, "{sort}");
        }
    }
    let plans = "select generic_plans from pg_prepared_statements where statement like $1";
    let kept: Vec<i64> =
        sqlx::query_scalar(plans).bind("%product.found%").fetch_all(&mut *connection).await.unwrap();
    assert!(kept.len() == 3 && kept.iter().all(|kept| *kept > 10), "{kept:?}");
    drop(connection);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_are_counted_by_what_they_are_narrowed_to() {
    let shop = filled().await;
    let facets = async |query: &str| shop.get(&format!("/v1/search/facets?{query}")).await.is(200).body;
    let all = facets("").await;
    assert_eq!((&all["total"], &all["is_complete"], &all["in_stock"]), (&json!(5), &json!(true), &json!(4)));
    assert_eq!(all["price"], json!({ "currency": "EUR", "min": 700, "max": 9_000 }));
    let values = |facets: &Value, name: &str| {
        let attributes = facets["attributes"].as_array().unwrap();
        attributes.iter().find(|one| one["name"] == name).map(|one| one["values"].clone()).unwrap_or_default()
    };
    let count = |value: &str, count: i64| json!({ "value": value, "count": count });
    let colors = json!([count("blue", 2), count("grey", 1), count("steel", 1), count("white", 1)]);
    assert_eq!((values(&all, "color"), values(&all, "brand")), (colors.clone(), json!([count("acme", 5)])));
    // What is narrowed to does not narrow what it is counted by, but all else.
    let blue = facets("attr.color=blue&in_stock=true&price_max=1000").await;
    assert_eq!((&blue["total"], &blue["in_stock"]), (&json!(1), &json!(1)));
    assert_eq!(values(&blue, "color"), json!([count("blue", 1), count("grey", 1), count("white", 1)]));
    assert_eq!(values(&blue, "brand"), json!([count("acme", 1)]));
    assert_eq!(blue["price"], json!({ "currency": "EUR", "min": 900, "max": 9_000 }));
    assert_eq!(values(&facets("attr.color=blue").await, "color"), colors);
    assert_eq!(values(&facets("q=tea&attr.color=white").await, "color").as_array().unwrap().len(), 3);
    let none = facets("currency=USD&q=nothing+of+that").await;
    assert_eq!(
        none,
        json!({ "total": 0, "is_complete": true, "categories": [], "attributes": [], "price": null, "in_stock": 0 })
    );
    for (query, name) in [("sort=x", "sort"), ("status=draft", "status"), ("colour=blue", "colour")] {
        let refused = shop.get(&format!("/v1/search/facets?{query}")).await;
        refused.problem(400, "invalid_parameter");
        assert_eq!(refused.places(), [name]);
    }
    shop.stop().await;
}

/// The ids of categories: home, kitchen and cups each in the one before, bath in home, and one with nothing in it.
async fn rooms(shop: &Shop) -> [Value; 5] {
    let category = async |slug: &str, parent: Value| {
        let input = json!({ "slug": slug, "name": slug, "parent": parent });
        json!(shop.keep("POST", "/v1/categories", &[], input).await.is(201).id())
    };
    let home = category("home", Value::Null).await;
    let kitchen = category("kitchen", home.clone()).await;
    let cups = category("cups", kitchen.clone()).await;
    let bath = category("bath", home.clone()).await;
    let empty = category("empty", Value::Null).await;
    [home, kitchen, cups, bath, empty]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn categories_are_counted_with_what_is_below_them() {
    let shop = start().await;
    let [home, kitchen, cups, bath, _empty] = rooms(&shop).await;
    for (slug, within) in
        [("cup", json!([cups, kitchen])), ("pan", json!([kitchen])), ("soap", json!([bath, cups]))]
    {
        let product = json!({ "slug": slug, "name": slug, "status": "active", "categories": within });
        shop.keep("POST", "/v1/products", &[], product).await.is(201);
    }
    let counts = async |query: String| {
        let body = shop.get(&format!("/v1/search/facets?{query}")).await.is(200).body;
        let all = body["categories"].as_array().unwrap().clone();
        let count = |one: &Value| (one["slug"].as_str().unwrap().to_owned(), one["count"].as_i64().unwrap());
        all.iter().map(count).collect::<Vec<_>>()
    };
    let of = |counts: &[(&str, i64)]| {
        counts.iter().map(|(slug, count)| ((*slug).to_owned(), *count)).collect::<Vec<_>>()
    };
    // A product is counted once, however many ways lead to it.
    assert_eq!(counts(String::new()).await, of(&[("home", 3)]));
    assert_eq!(
        counts(format!("category={}", home.as_str().unwrap())).await,
        of(&[("bath", 1), ("kitchen", 3)])
    );
    assert_eq!(counts(format!("category={}", kitchen.as_str().unwrap())).await, of(&[("cups", 2)]));
    assert_eq!(counts(format!("category={}", cups.as_str().unwrap())).await, of(&[]));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_suggested_while_somebody_types() {
    let shop = filled().await;
    let suggest =
        async |typed: &str| slugs_of(&shop.get(&format!("/v1/search/suggest?q={typed}")).await.is(200).body);
    assert_eq!(suggest("mu").await, ["mug"]);
    assert_eq!(suggest("runing").await, ["shoe"]);
    assert_eq!(suggest("%25").await, ["percent"]);
    assert_eq!(suggest("l_s").await, ["percent"]);
    shop.get("/v1/search/suggest?q=").await.problem(400, "invalid_parameter");
    shop.get("/v1/search/suggest").await.problem(400, "invalid_parameter");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_show_everything_once_also_while_products_come() {
    let shop = filled().await;
    for number in 0..13 {
        // Alike in everything that they may be in the order of.
        make(&shop, &format!("same-{number}"), "Mug alike", "", 900, 1, "blue").await;
    }
    for query in ["sort=newest", "sort=name", "sort=price", "sort=-price", "q=mug&sort=relevance", "q=mug"] {
        let all = slugs(&shop, &format!("{query}&limit=100")).await;
        assert!(all.len() >= 14, "{query}: {all:?}");
        let (mut seen, mut path, mut number) = (Vec::new(), format!("/v1/products?{query}&limit=3"), 0);
        loop {
            let page = shop.get(&path).await.is(200);
            seen.extend(slugs_of(&page.body));
            number += 1;
            let Some(cursor) = page.body["next_cursor"].as_str() else { break };
            let next = format!("/v1/products?{query}&limit=3&cursor={cursor}");
            assert!(page.header("link").contains(cursor) && page.header("link").contains("rel=\"next\""));
            path = next;
        }
        assert_eq!(seen, all, "{query}");
        assert_eq!(number, all.len().div_ceil(3), "{query}");
    }
    let page = shop.get("/v1/products?limit=2").await.is(200).body;
    let (cursor, first) = (page["next_cursor"].as_str().unwrap().to_owned(), slugs_of(&page));
    make(&shop, "late", "Late", "", 1, 1, "blue").await;
    let next = slugs(&shop, &format!("limit=2&cursor={cursor}")).await;
    assert!(next.iter().all(|slug| !first.contains(slug) && slug != "late"), "{first:?} {next:?}");
    // It is good for the list that it came from.
    shop.get(&format!("/v1/products?sort=name&cursor={cursor}")).await.problem(400, "invalid_cursor");
    shop.get(&format!("/v1/products?cursor={cursor}x")).await.problem(400, "invalid_cursor");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_of_a_category_are_those_of_it_and_of_all_below_it() {
    let shop = start().await;
    let [home, kitchen, cups, bath, empty] = rooms(&shop).await;
    let mut made: Vec<(String, Vec<&str>)> = Vec::new();
    for number in 0..24 {
        let (slug, is_blue) = (format!("product-{number}"), number % 3 == 0);
        let (within, names) = match number % 6 {
            0 => (json!([cups, kitchen, bath]), vec!["home", "kitchen", "cups", "bath", "blue"]),
            1 | 4 => (json!([cups]), vec!["home", "kitchen", "cups"]),
            2 => (json!([kitchen]), vec!["home", "kitchen"]),
            3 => (json!([]), vec!["blue"]),
            _ => (json!([home, bath]), vec!["home", "bath"]),
        };
        let color = if is_blue { "blue" } else { "red" };
        let product = json!({ "slug": slug, "name": format!("A mug {number}"), "status": "active", "categories": within,
            "attributes": { "color": color } });
        let id = shop.keep("POST", "/v1/products", &[], product).await.is(201).id();
        if number == 10 {
            shop.keep("DELETE", &format!("/v1/products/{id}"), &[("if-match", "*")], Value::Null)
                .await
                .is(204);
        } else {
            made.insert(0, (slug, names));
        }
    }
    for (name, id) in [("home", home), ("kitchen", kitchen), ("cups", cups), ("bath", bath), ("empty", empty)]
    {
        let id = id.as_str().unwrap();
        for (query, also) in [("", None), ("&attr.color=blue", Some("blue")), ("&q=mug&sort=newest", None)] {
            let is_in =
                |names: &[&str]| names.contains(&name) && also.is_none_or(|also| names.contains(&also));
            let expected: Vec<_> =
                made.iter().filter(|(_, names)| is_in(names)).map(|(slug, _)| slug.clone()).collect();
            for limit in [1, 4, 100] {
                let (mut seen, mut cursor) = (Vec::new(), String::new());
                loop {
                    let path = format!("/v1/products?category={id}{query}&limit={limit}{cursor}");
                    let page = shop.get(&path).await.is(200).body;
                    seen.extend(slugs_of(&page));
                    let Some(next) = page["next_cursor"].as_str() else { break };
                    cursor = format!("&cursor={next}");
                }
                assert_eq!(seen, expected, "{name}{query}, {limit} at a time");
            }
        }
    }
    shop.stop().await;
}
