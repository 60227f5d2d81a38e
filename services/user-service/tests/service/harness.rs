//! A service of its own for each test, and a client for it.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::{HeaderMap, Method, StatusCode};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use clap::Parser;
use flotilla_bus::{Bus, connect, prepare};
use flotilla_kit::{
    Secret,
    auth::{HEADER, Signer, Subject},
    database::{self, Pool},
    metrics::Metrics,
};
use flotilla_proto::user::{RedeemReferenceRequest, RedeemReferenceResponse, users_client::UsersClient};
use flotilla_testbed::{Postgres, port};
use flotilla_user_service::{
    app::App,
    config::{Arguments, Serve},
    service, store,
};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::time::{sleep, timeout};
use tonic::{Request, Status, transport::Channel};
use uuid::Uuid;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A good password.
pub(crate) const PASSWORD: &str = "correct horse battery";

fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(|| Postgres::start().unwrap())
}

/// An empty database.
pub(crate) async fn database() -> String {
    let name = format!("d{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&postgres().url("postgres")).await.unwrap();
    connection.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
    postgres().url(&name)
}

pub(crate) fn master_key() -> String {
    BASE64_STANDARD.encode([7; 32])
}

/// A service that speaks for itself.
struct Peer {
    pem: String,
    jwk: Value,
}

fn peer(name: &str) -> Peer {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes());
    Peer {
        pem: pair.serialize_pem(),
        jwk: json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": format!("{name}/1"), "x": x }),
    }
}

pub(crate) struct Shop {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) pool: Pool,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) config: Serve,
    /// Of all services.
    pub(crate) keys: String,
    notification: Signer,
    order: Signer,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn text_of(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_else(|| panic!("no {name} in {self:?}")).to_owned()
    }

    pub(crate) fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }

    pub(crate) fn code(&self) -> &str {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        self.body["code"].as_str().unwrap()
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Shop {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With these flags besides.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
        let url = database().await;
        let patience = Duration::from_secs(60);
        database::migrate(&Secret::new(url.clone()), store::all_migrations(), patience).await.unwrap();
        prepare(&url).await.unwrap();
        let (me, notification, order) =
            (peer("user-service"), peer("notification-service"), peer("order-service"));
        let keys = json!({ "keys": [me.jwk, notification.jwk, order.jwk] }).to_string();
        let [http, grpc, admin] = [(); 3].map(|()| port::free().unwrap());
        let mut arguments: Vec<String> = [
            ("database-url", &url),
            ("bus-url", &url),
            ("http", &http.to_string()),
            ("grpc", &grpc.to_string()),
            ("admin", &admin.to_string()),
            ("master-key", &master_key()),
            ("service-keys", &keys),
            ("service-key", &me.pem),
            ("leaving-seconds", &"0".to_owned()),
            ("ending-seconds", &"2".to_owned()),
        ]
        .map(|(name, value)| format!("--{name}={value}"))
        .into();
        arguments.insert(0, "user-service".to_owned());
        // Hashes are cheap here, unless a test says otherwise.
        for (name, value) in [("--argon2-kib", "64"), ("--argon2-passes", "1"), ("--hash-queue", "1000")] {
            if !flags.iter().any(|flag| flag.starts_with(name)) {
                arguments.push(format!("{name}={value}"));
            }
        }
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let config = Arguments::try_parse_from(arguments).unwrap().serve;
        let pool = database::pool(&config.database, "user-service").unwrap();
        let bus = connect(&url).unwrap();
        let metrics = Arc::new(Metrics::new("user-service", "0"));
        let service = service::assemble(config.clone(), pool.clone(), Arc::clone(&bus), metrics).unwrap();
        let listen = config.listen.clone();
        tokio::spawn(async move { service.run(&listen, std::future::pending()).await.unwrap() });
        let signer = |name: &str, peer: Peer| Signer::new(name, "1", &Secret::new(peer.pem)).unwrap();
        let (notification, order) =
            (signer("notification-service", notification), signer("order-service", order));
        let shop = Self { http, grpc, pool, bus, config, keys, notification, order };
        let ready = async {
            while tokio::net::TcpStream::connect(admin).await.is_err()
                || send(admin, Method::GET, "/readyz", &[], Bytes::new()).await.status != 200
            {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ready).await.expect("it is never ready");
        shop
    }

    /// Another replica, without servers.
    pub(crate) fn replica(&self) -> App {
        let relay = flotilla_bus::outbox::Relay::new(self.pool.sqlx().clone(), Arc::clone(&self.bus));
        App::new(self.config.clone(), self.pool.clone(), relay.wake()).unwrap()
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Reply {
        let mut all = headers.to_vec();
        if body.is_some() {
            all.push(("content-type", "application/json"));
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        send(self.http, method, path, &all, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    /// As somebody, with headers besides.
    pub(crate) async fn by(
        &self,
        member: &Member,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Reply {
        let token = format!("Bearer {}", member.access);
        let mut all = vec![("authorization", token.as_str())];
        all.extend(headers);
        self.ask(method, path, &all, body).await
    }

    pub(crate) async fn get(&self, member: &Member, path: &str) -> Reply {
        self.by(member, Method::GET, path, &[], None).await
    }

    pub(crate) async fn register(&self, email: &str) -> Reply {
        self.post("/v1/auth/register", json!({ "email": email, "password": PASSWORD, "name": "Ada" })).await
    }

    pub(crate) async fn log_in(&self, email: &str, password: &str) -> Reply {
        self.post("/v1/auth/login", json!({ "email": email, "password": password })).await
    }

    /// The data of events of a type, the oldest first.
    pub(crate) async fn events(&self, kind: &str) -> Vec<Value> {
        let query = "select event->'data' from messaging.outbox where kind = $1 order by seq";
        let rows = sqlx::query(query).bind(kind).fetch_all(&self.pool).await.unwrap();
        rows.into_iter().map(|row| row.get(0)).collect()
    }

    /// The token of the last mail of a kind.
    pub(crate) async fn mail_token(&self, kind: &str) -> String {
        self.mail_tokens(kind).await.pop().unwrap_or_else(|| panic!("no {kind}"))
    }

    /// The tokens of all mails of a kind that are good still, the oldest first.
    pub(crate) async fn mail_tokens(&self, kind: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        for event in self.events(kind).await {
            tokens.extend(
                self.redeem(event["reference"].as_str().unwrap()).await.map(|redeemed| redeemed.token),
            );
        }
        tokens
    }

    pub(crate) async fn redeem(&self, reference: &str) -> Result<RedeemReferenceResponse, Status> {
        let request = self.by_notification(RedeemReferenceRequest { reference: reference.to_owned() });
        self.users().await.redeem_reference(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn users(&self) -> UsersClient<Channel> {
        UsersClient::connect(format!("http://{}", self.grpc)).await.unwrap()
    }

    pub(crate) fn by_notification<T>(&self, message: T) -> Request<T> {
        signed(&self.notification, &Subject::default(), message)
    }

    pub(crate) fn by_order<T>(&self, subject: &Subject, message: T) -> Request<T> {
        signed(&self.order, subject, message)
    }

    /// Somebody who has registered and shown that the address is theirs.
    pub(crate) async fn verified(&self, email: &str) {
        self.register(email).await.is(202);
        let token = self.mail_token("shop.user.verification_requested.v1").await;
        self.post("/v1/auth/verify-email", json!({ "token": token })).await.is(204);
    }

    /// The same, logged in.
    pub(crate) async fn member(&self, email: &str) -> Member {
        self.verified(email).await;
        self.session(email, PASSWORD).await
    }

    pub(crate) async fn session(&self, email: &str, password: &str) -> Member {
        let reply = self.log_in(email, password).await.is(200);
        self.member_of(email, &reply).await
    }

    pub(crate) async fn member_of(&self, email: &str, reply: &Reply) -> Member {
        let mut member = Member {
            id: Uuid::nil(),
            email: email.to_owned(),
            access: reply.text_of("access_token"),
            refresh: reply.text_of("refresh_token"),
        };
        let me = self.get(&member, "/v1/users/me").await.is(200);
        member.id = me.text_of("id").parse().unwrap();
        member
    }

    pub(crate) async fn refresh(&self, token: &str) -> Reply {
        self.post("/v1/auth/refresh", json!({ "refresh_token": token })).await
    }

    /// How many rows a query counts.
    pub(crate) async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }

    /// Runs SQL, for what would take long.
    pub(crate) async fn sql(&self, sql: &'static str) {
        self.pool.execute(sql).await.unwrap();
    }
}

fn signed<T>(signer: &Signer, subject: &Subject, message: T) -> Request<T> {
    let token = signer.sign("user-service", subject).unwrap();
    let mut request = Request::new(message);
    request.metadata_mut().as_mut().insert(HEADER, token.expose().parse().unwrap());
    request
}

pub(crate) async fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Reply {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut request = axum::http::Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::new(body)).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Reply { status: parts.status, headers: parts.headers, body, text }
}
