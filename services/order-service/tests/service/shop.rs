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
use flotilla_kit::{
    Secret,
    database::{self, Pool},
    drain::Announcement,
    metrics::Metrics,
    serve::serve,
};
use flotilla_order_service as order;
use flotilla_paysim::{
    fault::{Effect, Fault, Operation},
    ledger::{Done, Ledger, Movement},
    provider::{Provider, Request},
    webhook::{Endpoint, Webhooks},
};
use flotilla_product_service as product;
use flotilla_testbed::{Postgres, port};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{
    identity::{self, AUDIENCE, ISSUER, Issuer, key},
    person::Person,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One for all tests, with databases for each.
static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());
static SHOPS: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Shop {
    pub(crate) pool: Pool,
    pub(crate) products: Pool,
    pub(crate) paysim: Provider,
    pub(crate) issuer: Issuer,
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
        let [http, grpc, admin, product_grpc] = [(); 4].map(|()| port::free().unwrap());

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
        let (service, _) = order::run::service(&config, metrics).await.unwrap();
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
        self.try_send(method, path, token, headers, body).await.expect("nobody answers")
    }

    /// The same; nothing, when the connection breaks before the answer is whole.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Option<Answer> {
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
        let response = timeout(PATIENCE, client.request(request)).await.unwrap().ok()?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.ok()?.to_bytes();
        Some(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        })
    }

    /// Does something with the provider that the order-service has not asked for.
    pub(crate) async fn at_provider<E>(&self, operation: Operation, effect: E)
    where
        E: FnOnce(&mut Ledger) -> Done + Send + 'static,
    {
        let request = Request { operation, key: None, path: String::new(), body: Bytes::new() };
        let done = self.paysim.run(request, move |ledger, _, _| effect(ledger)).await;
        assert_eq!(done.answer.0, 200, "{:?}", done.answer);
    }

    /// The customer says to their bank that it is them.
    pub(crate) async fn authenticate(&self, reference: &str) {
        let id = reference.to_owned();
        self.at_provider(Operation::Authenticate, move |ledger| ledger.authenticate(&id, true)).await;
    }

    pub(crate) fn customer(&self) -> Person<'_> {
        Person::new(self, &["customer"])
    }

    pub(crate) fn admin(&self) -> Person<'_> {
        Person::new(self, &["admin"])
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
}

/// What two shoes and a sock cost.
pub(crate) const TOTAL: i64 = 4_480;
