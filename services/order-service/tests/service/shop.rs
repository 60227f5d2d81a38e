//! A shop: this service, the product-service, a payment provider, and databases of their own.

use std::{
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use clap::Parser;
use flotilla_kit::{Secret, database, drain::Announcement, metrics::Metrics, serve::serve};
use flotilla_order_service as order;
use flotilla_paysim::{
    fault::{Effect, Fault, Operation},
    ledger::{Ledger, Movement},
    provider::Provider,
    webhook::{Endpoint, Webhooks},
};
use flotilla_product_service as product;
use flotilla_testbed::Postgres;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::identity::{self, AUDIENCE, ISSUER, Issuer, key};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One for all tests, with databases for each.
static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());
static SHOPS: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Shop {
    pub(crate) pool: PgPool,
    pub(crate) products: PgPool,
    pub(crate) paysim: Provider,
    pub(crate) issuer: Issuer,
    pub(crate) failpoints: order::failpoint::Failpoints,
    /// What the order-service is started with.
    pub(crate) flags: Vec<String>,
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) service_pem: String,
    _provider: Announcement,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }
}

async fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn create(name: &str) -> String {
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || {
        POSTGRES.run("postgres", &format!("create database {name}")).unwrap();
        POSTGRES.url(&name)
    })
    .await
    .unwrap()
}

impl Shop {
    /// One whose order-service runs in this process.
    pub(crate) async fn start() -> Self {
        let shop = Self::without_orders().await;
        shop.orders().await;
        shop
    }

    /// One whose order-service is still to be started.
    pub(crate) async fn without_orders() -> Self {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
        let number = SHOPS.fetch_add(1, Ordering::SeqCst);
        let (orders_url, products_url, bus_url) = (
            create(&format!("orders_{number}")).await,
            create(&format!("products_{number}")).await,
            create(&format!("bus_{number}")).await,
        );
        let issuer = identity::issuer().await;
        let keys = key("order-service/1");
        let other = key("notification-service/1");
        let service_keys = json!({ "keys": [keys.jwk, other.jwk] }).to_string();
        let (http, grpc, admin, product_grpc) = (free().await, free().await, free().await, free().await);

        let url = Secret::new(products_url.clone());
        database::migrate(&url, product::store::all_migrations(), PATIENCE).await.unwrap();
        let url = Secret::new(orders_url.clone());
        database::migrate(&url, order::store::all_migrations(), PATIENCE).await.unwrap();
        flotilla_bus::prepare(&bus_url).await.unwrap();

        let flags = |database: &str, http: &str, grpc: SocketAddr, admin: &str| {
            [
                "service".to_owned(),
                format!("--http={http}"),
                format!("--grpc={grpc}"),
                format!("--admin={admin}"),
                format!("--database-url={database}"),
                format!("--bus-url={bus_url}"),
                format!("--jwks-url={}", issuer.address),
                format!("--issuer={ISSUER}"),
                format!("--audience={AUDIENCE}"),
                format!("--service-keys={service_keys}"),
                "--cursor-key=a key of cursors".to_owned(),
            ]
        };
        let product_flags = flags(&products_url, "127.0.0.1:0", product_grpc, "127.0.0.1:0");
        let config = product::config::Arguments::try_parse_from(product_flags).unwrap().serve;
        let products = database::pool(&config.database, "product-service").unwrap();
        let bus = flotilla_bus::connect(&bus_url).unwrap();
        let metrics = Arc::new(Metrics::new("product-service", "0"));
        let service = product::service::assemble(&config, products.clone(), bus, metrics).unwrap();
        let listen = config.listen.clone();
        tokio::spawn(async move { service.run(&listen, std::future::pending()).await });

        let webhook_secret = Secret::new("whsec_test".to_owned());
        let endpoint = Endpoint {
            url: format!("http://{http}/v1/webhooks/psp/paysim").parse().unwrap(),
            secret: webhook_secret,
            delays: vec![Duration::from_millis(100); 50],
        };
        let paysim = Provider::new(Secret::new("sk_test".to_owned()), Webhooks::new(Some(endpoint)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let paysim_address = listener.local_addr().unwrap();
        let announcement = Announcement::default();
        let router = flotilla_paysim::http::router(paysim.clone());
        tokio::spawn(serve(listener, router, announcement.hear()));

        let mut flags: Vec<_> =
            flags(&orders_url, &http.to_string(), grpc, &admin.to_string()).into_iter().collect();
        flags.extend([
            format!("--service-key={}", keys.pem),
            format!("--product-grpc=http://{product_grpc}"),
            format!("--psp-url=http://{paysim_address}"),
            "--psp-secret-key=sk_test".to_owned(),
            "--psp-webhook-secret=whsec_old,whsec_test".to_owned(),
            "--psp-seconds=1".to_owned(),
            "--lease-seconds=2".to_owned(),
            "--reconcile-seconds=1".to_owned(),
        ]);
        let config = order::config::Arguments::try_parse_from(&flags).unwrap().serve;
        let pool = database::pool(&config.database, "tests").unwrap();
        let shop = Self {
            pool,
            products,
            paysim,
            issuer,
            failpoints: order::failpoint::Failpoints::default(),
            flags,
            http,
            grpc,
            service_pem: other.pem,
            _provider: announcement,
        };
        shop.stock("SHOE", 1_990, 100_000).await;
        shop.stock("SOCK", 500, 100_000).await;
        shop
    }

    /// Starts the order-service in this process.
    pub(crate) async fn orders(&self) {
        let config = order::config::Arguments::try_parse_from(&self.flags).unwrap().serve;
        let metrics = Arc::new(Metrics::new("order-service", "0"));
        let (service, _) = order::run::service(&config, metrics, self.failpoints.clone()).await.unwrap();
        let listen = config.listen.clone();
        tokio::spawn(async move { service.run(&listen, std::future::pending()).await });
        self.wait_until_it_serves().await;
    }

    pub(crate) async fn wait_until_it_serves(&self) {
        let up = async {
            while tokio::net::TcpStream::connect(self.http).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, up).await.expect("it never serves");
    }

    /// Has so much of something for sale.
    pub(crate) async fn stock(&self, sku: &str, minor: i64, on_hand: i64) {
        let (id, sku) = (Uuid::now_v7(), sku.replace('\'', ""));
        let sql = format!(
            "insert into product.products (id, slug, name, status) values ('{id}', '{sku}', 'The {sku}', 'active');
             insert into product.variants (sku, product_id, name) values ('{sku}', '{id}', 'The {sku}');
             insert into product.prices (sku, currency, minor) values ('{sku}', 'EUR', {minor});
             insert into product.stock (sku, on_hand) values ('{sku}', {on_hand});"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.products).await.unwrap();
    }

    /// How much of something there is, and how much of that is kept.
    pub(crate) async fn on_hand(&self, sku: &str) -> (i64, i64) {
        let sql = "select sum(on_hand)::bigint, sum(reserved)::bigint from product.stock where sku = $1";
        sqlx::query_as(sql).bind(sku).fetch_one(&self.products).await.unwrap()
    }

    pub(crate) fn fault(&self, operation: Operation, effect: Effect) {
        self.paysim.faults().add(Fault { operation, effect, times: 1 });
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.paysim.ledger().clone()
    }

    /// How much was moved so at the provider, in all.
    pub(crate) fn moved(&self, movement: Movement) -> Vec<i64> {
        let ledger = self.paysim.ledger();
        ledger.entries.iter().filter(|entry| entry.movement == movement).map(|entry| entry.amount).collect()
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let mut request =
            axum::http::Request::builder().method(method).uri(format!("http://{}{path}", self.http));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let response = timeout(PATIENCE, client.request(request)).await.unwrap().unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) fn customer(&self) -> Person<'_> {
        Person { shop: self, token: self.issuer.token(Uuid::now_v7(), &["customer"]) }
    }

    pub(crate) fn admin(&self) -> Person<'_> {
        Person { shop: self, token: self.issuer.token(Uuid::now_v7(), &["admin"]) }
    }

    /// What an order's row says, without asking the service.
    pub(crate) async fn status(&self, id: &str) -> String {
        sqlx::query_scalar("select status from orders.orders where id = $1::text::uuid")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Waits until an order is so.
    pub(crate) async fn until(&self, id: &str, status: &str) {
        let reached = async {
            while self.status(id).await != status {
                sleep(Duration::from_millis(10)).await;
            }
        };
        if timeout(PATIENCE, reached).await.is_err() {
            let saga: Option<(String, Option<String>)> =
                sqlx::query_as("select step, last_error from orders.sagas where order_id = $1::text::uuid")
                    .bind(id)
                    .fetch_optional(&self.pool)
                    .await
                    .unwrap();
            panic!("it is never {status}, but {}: {saga:?}", self.status(id).await);
        }
    }

    /// Waits until all sagas are done and nothing is to be given back.
    pub(crate) async fn settled(&self) {
        let settled = async {
            loop {
                let sql = "select (select count(*) from orders.sagas where step <> 'done')
                               + (select count(*) from orders.refunds where status = 'requested')";
                let open: i64 = sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap();
                if open == 0 {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, settled).await.expect("something is never done");
    }

    /// The invariants of all orders (I1 to I4, I6, I9, I11), when nothing is under way.
    pub(crate) async fn audit(&self) {
        self.settled().await;
        let ledger = self.ledger();
        let rows: Vec<(Uuid, String, i64, i64)> =
            sqlx::query_as("select id, status, total_minor, refunded_minor from orders.orders")
                .fetch_all(&self.pool)
                .await
                .unwrap();
        for (id, status, total, refunded) in &rows {
            let intents: Vec<_> = ledger
                .intents
                .values()
                .filter(|intent| intent.metadata["order_id"] == id.to_string())
                .map(|intent| intent.id.clone())
                .collect();
            let sum = |movement: Movement| -> (usize, i64) {
                let of = |entry: &&flotilla_paysim::ledger::Entry| {
                    entry.movement == movement && intents.contains(&entry.payment_intent)
                };
                let amounts: Vec<_> = ledger.entries.iter().filter(of).map(|entry| entry.amount).collect();
                (amounts.len(), amounts.iter().sum())
            };
            let ((times, captured), (_, given_back)) = (sum(Movement::Capture), sum(Movement::Refund));
            assert!(times <= 1, "{id} was charged {times} times");
            assert_eq!(given_back, *refunded, "{id}: refunds");
            match status.as_str() {
                "paid" | "shipped" | "completed" => assert_eq!(captured, *total, "{id}: captured"),
                "cancelled" | "expired" | "rejected" | "payment_failed" => {
                    assert_eq!(captured, given_back, "{id} is {status} and keeps money");
                }
                other => panic!("{id} is {other}, and nothing is under way"),
            }
            if status != "payment_failed" {
                let ((_, held), (_, freed)) = (sum(Movement::Authorize), sum(Movement::Void));
                assert_eq!(held, captured + freed, "{id} holds money");
            }
            self.check_history(*id).await;
        }
        let unbalanced: i64 = sqlx::query_scalar(
            "select count(*) from (select cause from orders.ledger_entries group by cause having sum(amount_minor) <> 0) x",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        assert_eq!(unbalanced, 0);
        let books: Option<i64> = sqlx::query_scalar(
            "select sum(amount_minor)::bigint from orders.ledger_entries where account = 'assets:provider'",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        let of = |movement| self.moved(movement).iter().sum::<i64>();
        assert_eq!(books.unwrap_or(0), of(Movement::Capture) - of(Movement::Refund), "the books");
        // What is kept is kept for somebody.
        let active: i64 =
            sqlx::query_scalar("select count(*) from product.reservations where state = 'active'")
                .fetch_one(&self.products)
                .await
                .unwrap();
        assert_eq!(active, 0, "stock is kept for nobody");
    }

    /// Its audit is a path of the table, and its versions have no gaps.
    async fn check_history(&self, id: Uuid) {
        let rows: Vec<(i64, Option<String>, String)> = sqlx::query_as(
            "select version, from_status, to_status from orders.order_events where order_id = $1 order by version",
        )
        .bind(id)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let mut last: Option<order::domain::order::Status> = None;
        for (expected, (version, from, to)) in (1..).zip(&rows) {
            assert_eq!(*version, expected, "{id} has a gap");
            let to: order::domain::order::Status = to.parse().unwrap();
            match last {
                None => assert_eq!((from, to), (&None, order::domain::order::Status::Pending)),
                Some(last) => {
                    assert_eq!(from.as_deref(), Some(last.as_str()), "{id} version {version}");
                    assert!(last == to || last.become_(to).is_ok(), "{id}: {last} became {to}");
                }
            }
            last = Some(to);
        }
    }

    /// How often something was told of an order.
    pub(crate) async fn told(&self, id: &str, kind: &str) -> i64 {
        sqlx::query_scalar("select count(*) from messaging.outbox where key = $1 and kind = $2")
            .bind(id)
            .bind(kind)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}

/// Somebody with a token.
pub(crate) struct Person<'a> {
    shop: &'a Shop,
    pub(crate) token: String,
}

impl Person<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.shop.send("GET", path, Some(&self.token), &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: Value) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.shop.send("POST", path, Some(&self.token), &headers, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.shop.send("PUT", path, Some(&self.token), &headers, body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.shop.send("DELETE", path, Some(&self.token), &[], "").await
    }

    /// Places an order of two shoes and a sock with a card, and gives its id.
    pub(crate) async fn order(&self, card: &str) -> String {
        let answer = self.place(&Uuid::now_v7().to_string(), card).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn place(&self, key: &str, card: &str) -> Answer {
        let lines = json!([{ "sku": "SHOE", "quantity": 2 }, { "sku": "SOCK", "quantity": 1 }]);
        let body = json!({ "currency": "EUR", "lines": lines, "payment_method": card });
        self.post("/v1/orders", Some(key), body).await
    }

    /// The payment of an order that counts, once the provider has a name for it.
    pub(crate) async fn payment(&self, id: &str) -> (String, String) {
        loop {
            let payments = self.get(&format!("/v1/orders/{id}/payments")).await.json();
            let last = payments["items"].as_array().unwrap().last().unwrap().clone();
            if let Some(reference) = last["reference"].as_str() {
                return (last["id"].as_str().unwrap().to_owned(), reference.to_owned());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What two shoes and a sock cost.
pub(crate) const TOTAL: i64 = 4_480;
