//! Everything that the service has around it.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{Json, Router, http::Request, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use clap::Parser;
use flotilla_bus::{Bus, Consumer, Event, EventType, Pattern, Subscription, connect, prepare};
use flotilla_kit::{
    Secret,
    auth::{Claims, Signer, Trust},
    database::{self, Pool},
    drain::{Announcement, Phase},
    metrics::Metrics,
    serve::serve,
};
use flotilla_notification_service::{config::Arguments, service, store::all_migrations};
use flotilla_sink::{Channel, Delivery, Detail, Journal, Mail, Running, Sink};
use flotilla_testbed::{Postgres, port};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::people::People;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(|| Postgres::start().unwrap())
}

struct Key {
    id: String,
    pem: String,
    jwk: Value,
}

fn key(id: &str) -> Key {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": x });
    Key { id: id.to_owned(), pem: pair.serialize_pem(), jwk }
}

/// Runs a service, and says where it takes REST and gRPC.
async fn run(flags: &[String], announcement: &Announcement) -> (SocketAddr, SocketAddr) {
    let [http, grpc, admin] = [(); 3].map(|()| port::free().unwrap());
    let addresses = [format!("--http={http}"), format!("--grpc={grpc}"), format!("--admin={admin}")];
    let flags = flags.iter().cloned().chain(addresses);
    let config = Arguments::try_parse_from(flags).unwrap_or_else(|error| panic!("{error}")).serve;
    let metrics = Arc::new(Metrics::new("notification-service", "0"));
    let running = service(&config, metrics, announcement.clone()).unwrap();
    let drain = announcement.hear();
    tokio::spawn(async move { running.run(&config.listen, drain.at_least(Phase::Leaving)).await.unwrap() });
    let listens = async {
        while TcpStream::connect(http).await.is_err() || TcpStream::connect(grpc).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, listens).await.unwrap();
    (http, grpc)
}

/// A service, and everything around it.
pub(crate) struct World {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) sink: Running,
    pub(crate) people: People,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) pool: Pool,
    pub(crate) orders: Signer,
    pub(crate) users: Signer,
    tokens: Key,
    announcement: Announcement,
}

/// An answer of the REST API.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::replicas(1, &["127.0.0.0/8"]).await
    }

    /// So many services that share all of it, with these networks that may be sent to.
    pub(crate) async fn replicas(count: usize, networks: &[&str]) -> Self {
        Self::configured(count, networks, &[]).await
    }

    /// The same, with more flags, which take the place of others.
    pub(crate) async fn configured(count: usize, networks: &[&str], more: &[&str]) -> Self {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
        let name = format!("d{}", Uuid::now_v7().simple());
        tokio::task::block_in_place(|| postgres().run("postgres", &format!("create database {name}")))
            .unwrap();
        let database = postgres().url(&name);
        let announcement = Announcement::default();
        let (me, orders, tokens) = (key("notification-service/1"), key("order-service/1"), key("tokens"));
        let users = key("user-service/1");
        let services = json!({ "keys": [me.jwk, orders.jwk, users.jwk] }).to_string();
        let trust = Trust::new("user-service", &services).unwrap();
        let (people, user_service) = People::start(trust, announcement.hear()).await;
        let issuer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks = format!("http://{}/jwks", issuer.local_addr().unwrap());
        let keys = json!({ "keys": [tokens.jwk] });
        let router = Router::new().route("/jwks", get(move || async move { Json(keys) }));
        tokio::spawn(serve(issuer, router, announcement.hear()));
        let sink = Sink::new(Journal::new(1_000, None).unwrap(), None, None);
        let loopback: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let sink = Running::start(sink, loopback, loopback).await.unwrap();
        let vapid = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        let mut flags = vec![
            "service".to_owned(),
            "--leaving-seconds=0".to_owned(),
            format!("--database-url={database}"),
            "--database-connections=6".to_owned(),
            format!("--bus-url={database}"),
            format!("--jwks-url={jwks}"),
            "--issuer=shop".to_owned(),
            format!("--service-keys={services}"),
            format!("--service-key={}", me.pem),
            format!("--user-grpc=http://{user_service}"),
            format!("--secret={}", "s".repeat(32)),
            format!("--smtp={}", sink.smtp),
            "--smtp-tls=off".to_owned(),
            "--smtp-seconds=5".to_owned(),
            "--from=Shop <shop@shop.test>".to_owned(),
            "--public-url=https://shop.test/".to_owned(),
            format!("--vapid-key={vapid}"),
            "--vapid-contact=mailto:shop@shop.test".to_owned(),
            format!("--networks={}", networks.join(",")),
            "--plain-http=true".to_owned(),
            "--outbound-seconds=3".to_owned(),
            "--deliveries=8".to_owned(),
        ];
        let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        flags.retain(|flag| more.iter().all(|other| name(other) != name(flag)));
        flags.extend(more.iter().map(|flag| (*flag).to_owned()));
        let database_config = Arguments::try_parse_from(&flags).unwrap_or_else(|error| panic!("{error}"));
        database::migrate_configured(&database_config.serve.database, all_migrations()).await.unwrap();
        prepare(&database).await.unwrap();
        let mut addresses = Vec::new();
        for _replica in 0..count {
            addresses.push(run(&flags, &announcement).await);
        }
        let (http, grpc) = addresses[0];
        let pool = Pool::new(sqlx::PgPool::connect(&database).await.unwrap());
        let bus = connect(&database).unwrap();
        let subscribed = async {
            let query = "select count(*) from bus.consumers where name = 'notification-service'";
            while sqlx::query_scalar::<_, i64>(query).fetch_one(&pool).await.unwrap() == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, subscribed).await.unwrap();
        let orders = Signer::new("order-service", "1", &Secret::new(orders.pem)).unwrap();
        let users = Signer::new("user-service", "1", &Secret::new(users.pem)).unwrap();
        Self { http, grpc, sink, people, bus, pool, orders, users, tokens, announcement }
    }

    /// A token of a user.
    pub(crate) fn token(&self, user: Uuid, roles: &[&str]) -> String {
        let now = Timestamp::now().as_second().unsigned_abs();
        let claims = Claims {
            iss: "shop".to_owned(),
            aud: "shop".to_owned(),
            sub: user.to_string(),
            sid: "s".to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            exp: now + 600,
            iat: now,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.tokens.id.clone());
        encode(&header, &claims, &EncodingKey::from_ed_pem(self.tokens.pem.as_bytes()).unwrap()).unwrap()
    }

    pub(crate) fn admin(&self) -> String {
        self.token(Uuid::from_u128(1), &["admin"])
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(method, path, token, headers, body.into()).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.http));
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let response = client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    /// Publishes something that has happened.
    pub(crate) async fn publish(&self, kind: &str, subject: &str, data: Value) -> Event {
        let event = Event::new("/test", EventType::try_from(kind).unwrap(), subject, data);
        self.bus.publish(std::slice::from_ref(&event)).await.unwrap();
        event
    }

    /// Waits until so many deliveries were made in some way to some target.
    pub(crate) async fn delivered(&self, channel: Channel, target: &str, count: usize) -> Vec<Delivery> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found =
                self.sink.sink.journal.find(1_000, |delivery| {
                    delivery.detail.channel() == channel && delivery.target == target
                });
            if found.len() >= count {
                return found;
            }
            assert!(Instant::now() < deadline, "{} of {count} for {target}", found.len());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for so many mails to somebody.
    pub(crate) async fn mails(&self, user: Uuid, count: usize) -> Vec<Mail> {
        let found = self.delivered(Channel::Mail, &self.people.email(user), count).await;
        let mail = |delivery: Delivery| match delivery.detail {
            Detail::Mail(mail) => mail,
            _ => panic!("no mail"),
        };
        found.into_iter().map(mail).collect()
    }

    /// Waits until a query says true.
    pub(crate) async fn until(&self, what: &str, query: &'static str) {
        let deadline = Instant::now() + PATIENCE;
        while !sqlx::query_scalar::<_, bool>(query).fetch_one(&self.pool).await.unwrap() {
            assert!(Instant::now() < deadline, "{what}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The same, with everything that waits being due again and again.
    pub(crate) async fn until_in_a_hurry(&self, what: &str, query: &'static str) {
        let hurry = async {
            loop {
                self.hurry().await;
                sleep(Duration::from_millis(500)).await;
            }
        };
        tokio::select! {
            () = self.until(what, query) => {}
            () = hurry => {}
        }
    }

    /// Has everything that waits be due now.
    pub(crate) async fn hurry(&self) {
        let now = "update notification.deliveries set due_at = now() where state = 'queued'";
        sqlx::query(now).execute(&self.pool).await.unwrap();
    }

    /// What this service publishes from now on.
    pub(crate) async fn listen(&self) -> flotilla_bus::Deliveries {
        let consumer = Consumer::try_from("test").unwrap();
        let types = vec![Pattern::try_from("shop.notification.*").unwrap()];
        self.bus.subscribe(Subscription::new(consumer, types)).await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.announcement.enter(Phase::Ending);
    }
}

/// The schema of what this service publishes.
pub(crate) fn schema(kind: &str) -> jsonschema::Validator {
    let path = format!("{}/events/{kind}.json", env!("CARGO_MANIFEST_DIR"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

/// What an order was when it was paid, as order-service says it.
pub(crate) fn order(user: Uuid, order: Uuid) -> Value {
    json!({
        "order_id": order, "user_id": user, "status": "paid", "reason": null, "currency": "EUR", "total_minor": 2_500,
        "refunded_minor": 0, "tracking": null,
        "lines": [{ "sku": "MUG-1", "product_id": Uuid::nil(), "name": "Mug <1>", "quantity": 2, "unit_minor": 1_250,
            "total_minor": 2_500 }],
    })
}
