//! A running service with its database, and those who ask it.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::body::Body;
use clap::Parser;
use flotilla_bus::{Bus, connect, prepare};
use flotilla_kit::{
    Secret,
    auth::{Signer, Subject},
    database::{self, Pool},
    metrics::Metrics,
};
use flotilla_product_service::{app::NAME, config::Arguments, service::assemble, store::all_migrations};
use flotilla_proto::product::{Line, ReservationRef, ReserveRequest, products_client::ProductsClient};
use flotilla_testbed::{Postgres, port};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::{
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{
    Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use uuid::Uuid;

use super::identity::{Key, key, publish, signer, token};

pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(|| Postgres::start().unwrap())
}

pub(crate) struct Shop {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) pool: Pool,
    pub(crate) bus: Arc<dyn Bus>,
    people: Key,
    orders: Key,
    carts: Key,
    client: Client<HttpConnector, Body>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

/// An empty database of its own, whose owner is nobody else.
pub(crate) async fn database_of_its_own() -> Secret<String> {
    let name = format!("d{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&postgres().url("postgres")).await.unwrap();
    for sql in [
        format!("create role {name} login password 'secret'"),
        format!("create database {name} owner {name}"),
        format!("revoke connect on database {name} from public"),
    ] {
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    Secret::new(postgres().url_of(&name, "secret", &name))
}

/// What is at an address, if somebody answers.
pub(crate) async fn ask(address: &str, body: Body) -> Option<String> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = axum::http::Request::get(address).body(body).unwrap();
    let response = client.request(request).await.ok()?;
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some(String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) async fn start() -> Shop {
    start_with(1_000).await
}

/// With a sweeper that looks more often, for tests that wait for it.
pub(crate) async fn start_with(sweep_milliseconds: u32) -> Shop {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
    let database = database_of_its_own().await;
    database::migrate(&database, all_migrations(), PATIENCE).await.unwrap();
    // The bus is nothing of the service's.
    let bus = format!("b{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&postgres().url("postgres")).await.unwrap();
    connection.execute(AssertSqlSafe(format!("create database {bus}"))).await.unwrap();
    let bus = postgres().url(&bus);
    prepare(&bus).await.unwrap();
    let (people, orders, carts) = (key("people-1"), key("order-service/1"), key("cart-service/1"));
    let [http, grpc, admin] = [(); 3].map(|()| port::free().unwrap());
    let arguments = Arguments::try_parse_from([
        "product-service".to_owned(),
        format!("--http={http}"),
        format!("--grpc={grpc}"),
        format!("--admin={admin}"),
        "--leaving-seconds=0".to_owned(),
        format!("--database-url={}", database.expose()),
        "--database-connections=24".to_owned(),
        "--cursor-key=a key".to_owned(),
        format!("--jwks-url={}", publish(&people).await),
        format!("--service-keys={}", json!({ "keys": [orders.jwk, carts.jwk] })),
        format!("--sweep-milliseconds={sweep_milliseconds}"),
    ])
    .unwrap();
    let pool = database::pool(&arguments.serve.database, NAME).unwrap();
    let bus = connect(&bus).unwrap();
    let metrics = Arc::new(Metrics::new(NAME, "0"));
    let service = assemble(&arguments.serve, pool.clone(), Arc::clone(&bus), metrics).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        let stopped = async {
            let _gone = stopped.await.is_err();
        };
        service.run(&arguments.serve.listen, stopped).await.unwrap();
    });
    let up = async {
        for address in [http, grpc, admin] {
            while TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        }
    };
    timeout(PATIENCE, up).await.unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (stop, running) = (Some(stop), Some(running));
    Shop { http, grpc, pool, bus, people, orders, carts, client, stop, running }
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// As it has to be.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// A problem with a code.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert!(self.body["correlationId"].is_string());
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> Uuid {
        self.body["id"].as_str().unwrap().parse().unwrap()
    }

    /// What is wrong, by where it is.
    pub(crate) fn places(&self) -> Vec<String> {
        let errors = self.body["errors"].as_array().cloned().unwrap_or_default();
        let place = |error: Value| {
            ["pointer", "parameter", "header"].iter().find_map(|kind| error[kind].as_str().map(str::to_owned))
        };
        errors.into_iter().map(|error| place(error).unwrap()).collect()
    }
}

impl Shop {
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request =
            axum::http::Request::builder().method(method).uri(format!("http://{}{path}", self.http));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = timeout(PATIENCE, self.client.request(request)).await.unwrap().unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Body::empty()).await
    }

    pub(crate) fn admin_token(&self) -> String {
        format!("Bearer {}", token(&self.people, "keeper", "admin"))
    }

    pub(crate) fn customer_token(&self) -> String {
        format!("Bearer {}", token(&self.people, "ann", "customer"))
    }

    /// As somebody who keeps the catalogue.
    pub(crate) async fn keep(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let token = self.admin_token();
        let mut all = vec![("authorization", token.as_str()), ("content-type", "application/json")];
        all.extend_from_slice(headers);
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(method, path, &all, body).await
    }

    /// A product that is sold, with variants that each have a price and stock.
    pub(crate) async fn sell(&self, slug: &str, name: &str, variants: &[(&str, i64, i64)]) -> Answer {
        let variants: Vec<_> = variants
            .iter()
            .map(|(sku, minor, stock)| {
                let prices = [json!({ "currency": "EUR", "minor": minor })];
                json!({ "sku": sku, "name": sku, "prices": prices, "stock": stock })
            })
            .collect();
        let product = json!({ "slug": slug, "name": name, "status": "active", "variants": variants });
        self.keep("POST", "/v1/products", &[], product).await.is(201)
    }

    pub(crate) async fn adjust(&self, sku: &str, delta: i64, key: &str) -> Answer {
        let path = format!("/v1/variants/{sku}/stock/adjustments");
        self.keep("POST", &path, &[("idempotency-key", key)], json!({ "delta": delta, "reason": "a count" }))
            .await
    }

    /// On hand and reserved.
    pub(crate) async fn stock(&self, sku: &str) -> (i64, i64) {
        let stock = self.get(&format!("/v1/variants/{sku}/stock")).await.is(200).body;
        (stock["on_hand"].as_i64().unwrap(), stock["reserved"].as_i64().unwrap())
    }

    /// As the order service.
    pub(crate) async fn orders(&self) -> Caller {
        self.caller(&self.orders).await
    }

    /// As another service.
    pub(crate) async fn carts(&self) -> Caller {
        self.caller(&self.carts).await
    }

    async fn caller(&self, key: &Key) -> Caller {
        let channel = self.channel().await;
        ProductsClient::with_interceptor(channel, Identified(signer(key)))
    }

    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.grpc)).unwrap().connect().await.unwrap()
    }

    /// That what is kept adds up: no more reserved than is there, rows are the sums of their movements, and what is reserved
    /// is what active reservations have (I5, I6).
    pub(crate) async fn check_stock(&self) {
        let wrong: Vec<String> = sqlx::query_scalar(
            "with moved as (
                 select sku, bucket, sum(on_hand_delta) as on_hand, sum(reserved_delta) as reserved
                 from product.stock_movements group by sku, bucket
             ), kept as (
                 select line.sku, bucket, sum(quantity) as quantity from product.reservation_lines line
                 join product.reservations on reservations.id = line.reservation_id and state = 'active'
                 group by line.sku, bucket
             )
             select stock.sku || '/' || stock.bucket from product.stock
             left join moved on moved.sku = stock.sku and moved.bucket = stock.bucket
             left join kept on kept.sku = stock.sku and kept.bucket = stock.bucket
             where not (0 <= stock.reserved and stock.reserved <= stock.on_hand)
                 or stock.on_hand <> coalesce(moved.on_hand, 0) or stock.reserved <> coalesce(moved.reserved, 0)
                 or stock.reserved <> coalesce(kept.quantity, 0)",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        assert_eq!(wrong, Vec::<String>::new());
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let reached = async {
            while !is_so().await {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(PATIENCE, reached).await.is_ok(), "{what}");
    }

    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        timeout(PATIENCE, self.running.take().unwrap()).await.unwrap().unwrap();
    }
}

pub(crate) type Caller = ProductsClient<InterceptedService<Channel, Identified>>;

/// An identity lives shorter than a test may take: each call has its own.
#[derive(Clone)]
pub(crate) struct Identified(Signer);

impl Interceptor for Identified {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let identity = self.0.sign(NAME, &Subject::default()).unwrap();
        request.metadata_mut().insert("x-internal-identity", identity.expose().parse().unwrap());
        Ok(request)
    }
}

pub(crate) fn reserve(id: Uuid, lines: &[(&str, i32)], ttl_seconds: i32) -> ReserveRequest {
    let line = |(sku, quantity): &(&str, i32)| Line { sku: (*sku).to_owned(), quantity: *quantity };
    ReserveRequest { reservation_id: id.to_string(), lines: lines.iter().map(line).collect(), ttl_seconds }
}

pub(crate) fn reference(id: Uuid) -> ReservationRef {
    ReservationRef { reservation_id: id.to_string() }
}
