//! Exports of what is known of somebody, with a service that knows something as well.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use axum::http::Method;
use flotilla_kit::{
    auth::{HEADER, Subject, Trust},
    drain::Announcement,
    serve::serve,
};
use flotilla_proto::{
    order::{
        ExportUserDataRequest, ExportedRecord, GetOrderRequest, ListOrdersByUserRequest,
        ListOrdersByUserResponse, Order,
        orders_server::{Orders, OrdersServer},
    },
    user,
};
use flotilla_testbed::port;
use flotilla_user_service::store::exports;
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::OnceCell,
    time::{Duration, sleep, timeout},
};
use tonic::{Code, Request, Response, Status, service::Routes};

use crate::harness::{Member, PASSWORD, PATIENCE, Reply, Shop};

/// Orders, as order-service has them for this. It fails at first.
struct Fake {
    keys: Arc<OnceCell<String>>,
    asked: Arc<AtomicU32>,
}

#[tonic::async_trait]
impl Orders for Fake {
    type ExportUserDataStream = Pin<Box<dyn Stream<Item = Result<ExportedRecord, Status>> + Send>>;

    async fn get_order(&self, _request: Request<GetOrderRequest>) -> Result<Response<Order>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn list_orders_by_user(
        &self,
        _request: Request<ListOrdersByUserRequest>,
    ) -> Result<Response<ListOrdersByUserResponse>, Status> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn export_user_data(
        &self,
        request: Request<ExportUserDataRequest>,
    ) -> Result<Response<Self::ExportUserDataStream>, Status> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(Status::unavailable("come again"));
        }
        let trust = Trust::new("order-service", self.keys.get().unwrap()).unwrap();
        let token = request.metadata().get(HEADER.as_str()).unwrap().to_str().unwrap();
        let identity = trust.verify(token).unwrap();
        let user = request.get_ref().user_id.clone();
        assert_eq!((identity.service.as_str(), identity.subject.user), ("user-service", Some(user)));
        let record = ExportedRecord {
            source: "order-service/orders".to_owned(),
            json: r#"{"total":4980}"#.to_owned(),
        };
        Ok(Response::new(Box::pin(stream::iter([Ok(record)]))))
    }
}

async fn state(shop: &Shop, member: &Member, path: &str) -> Reply {
    shop.get(member, path).await.is(200)
}

async fn done(shop: &Shop, member: &Member, path: &str) -> Reply {
    let done = async {
        loop {
            let reply = state(shop, member, path).await;
            if reply.body["status"] == "done" {
                break reply;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, done).await.expect("the export is never done")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_has_what_all_services_know_of_somebody_and_of_nobody_else() {
    let (keys, asked) = (Arc::new(OnceCell::new()), Arc::new(AtomicU32::new(0)));
    let fake = Fake { keys: Arc::clone(&keys), asked: Arc::clone(&asked) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Routes::new(OrdersServer::new(fake)).into_axum_router();
    let announcement = Announcement::default();
    tokio::spawn(serve(listener, routes, announcement.hear()));
    let shop = Shop::start_with(&[&format!("--order-grpc=http://{address}")]).await;
    keys.set(shop.keys.clone()).unwrap();
    let (ada, eve) = (shop.member("ada@example.org").await, shop.member("eve@example.org").await);
    let asked_for = shop.by(&ada, Method::POST, "/v1/users/me/export", &[], None).await.is(202);
    let path = asked_for.headers["location"].to_str().unwrap().to_owned();
    let again = shop.by(&ada, Method::POST, "/v1/users/me/export", &[], None).await.is(202);
    assert_eq!(again.headers["location"], path);
    let content = format!("{path}/content");
    assert_eq!(shop.get(&ada, &content).await.is(409).code(), "export_not_done");
    // order-service fails once; the export waits and is tried again.
    let is_asked = async {
        while asked.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, is_asked).await.unwrap();
    let waits = async {
        loop {
            let waiting: i64 = sqlx::query_scalar(
                "select count(*) from users.exports where status = 'pending' and next_at < now() + interval '10 seconds'",
            )
            .fetch_one(&shop.pool)
            .await
            .unwrap();
            if waiting == 1 {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, waits).await.unwrap();
    done(&shop, &ada, &path).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let export = shop.get(&ada, &content).await.is(200);
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |source: &str| {
        lines.iter().filter(|line| line["source"] == source).map(|line| &line["record"]).collect::<Vec<_>>()
    };
    assert_eq!(of("user-service/accounts")[0]["email"], "ada@example.org");
    assert_eq!(of("order-service/orders"), [&json!({ "total": 4980 })]);
    assert!(!of("user-service/sessions").is_empty() && !of("user-service/audit_log").is_empty());
    for secret in ["argon2", "eve@example.org", PASSWORD, &ada.refresh] {
        assert!(!export.text.contains(secret), "{secret}");
    }
    shop.get(&eve, &path).await.is(404);
    shop.get(&eve, &content).await.is(404);
    // However many ask at once, there is one, in place of the one before.
    let ask = || shop.by(&ada, Method::POST, "/v1/users/me/export", &[], None);
    for reply in futures::future::join_all((0..8).map(|_| ask())).await {
        reply.is(202);
    }
    assert_eq!(shop.count("select count(*) from users.exports").await, 1);
    shop.get(&ada, &path).await.is(404);
    let last: uuid::Uuid =
        sqlx::query_scalar("select id from users.exports").fetch_one(&shop.pool).await.unwrap();
    let path = format!("/v1/users/me/export/{last}");
    done(&shop, &ada, &path).await;
    shop.sql("update users.exports set expires_at = now()").await;
    shop.get(&ada, &path).await.is(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_services_have_what_is_known_in_the_name_of_its_user_alone() {
    let shop = Shop::start().await;
    let (ada, eve) = (shop.member("ada@example.org").await, shop.member("eve@example.org").await);
    let message = || user::ExportUserDataRequest { user_id: ada.id.to_string() };
    let subject = |member: &Member| Subject { user: Some(member.id.to_string()), ..Subject::default() };
    let mut users = shop.users().await;
    let records: Vec<_> = users
        .export_user_data(shop.by_order(&subject(&ada), message()))
        .await
        .unwrap()
        .into_inner()
        .map(Result::unwrap)
        .collect()
        .await;
    assert!(records[0].source == "user-service/accounts" && records[0].json.contains("ada@example.org"));
    for other in [Subject::default(), subject(&eve)] {
        let code = users.export_user_data(shop.by_order(&other, message())).await.unwrap_err().code();
        assert_eq!(code, Code::PermissionDenied);
    }
    let ids = vec![ada.id.to_string(), eve.id.to_string(), uuid::Uuid::now_v7().to_string()];
    let batch = shop.by_order(&Subject::default(), user::BatchGetUsersRequest { ids });
    assert_eq!(users.batch_get_users(batch).await.unwrap().into_inner().users.len(), 2);
    let many = user::BatchGetUsersRequest { ids: vec![ada.id.to_string(); 101] };
    let code = users.batch_get_users(shop.by_order(&Subject::default(), many)).await.unwrap_err().code();
    assert_eq!(code, Code::InvalidArgument);
    let get = |id: &str| shop.by_order(&Subject::default(), user::GetUserRequest { id: id.to_owned() });
    let found = users.get_user(get(&ada.id.to_string())).await.unwrap().into_inner();
    assert_eq!((found.email.as_str(), found.roles), ("ada@example.org", vec!["customer".to_owned()]));
    assert_eq!(users.get_user(get("nonsense")).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(users.get_user(get(&uuid::Uuid::nil().to_string())).await.unwrap_err().code(), Code::NotFound);
    let nobody = users.get_user(Request::new(user::GetUserRequest { id: ada.id.to_string() })).await;
    assert_eq!(nobody.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_makes_an_export_no_longer_does_not_end_it() {
    // Nobody is there, so the service itself waits for long after it has failed.
    let shop = Shop::start_with(&[&format!("--order-grpc=http://{}", port::free().unwrap())]).await;
    let ada = shop.member("ada@example.org").await;
    let asked = shop.by(&ada, Method::POST, "/v1/users/me/export", &[], None).await.is(202);
    let path = asked.headers["location"].to_str().unwrap().to_owned();
    let tried = async {
        while shop.count("select count(*) from users.exports where attempts > 0").await == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, tried).await.unwrap();
    let long = Duration::from_secs(3_600);
    let claim = async || {
        shop.sql("update users.exports set next_at = now()").await;
        exports::claim(&shop.pool, long).await.unwrap()
    };
    // The service may be quicker once; then it has to wait.
    let mut claims = Vec::new();
    while claims.len() < 2 {
        claims.extend(claim().await);
    }
    exports::done(&shop.pool, &claims[0], "too late", long).await.unwrap();
    exports::failed(&shop.pool, &claims[0], None, long).await.unwrap();
    assert_eq!(state(&shop, &ada, &path).await.body["status"], "pending");
    exports::done(&shop.pool, &claims[1], "in time", long).await.unwrap();
    assert_eq!(shop.get(&ada, &format!("{path}/content")).await.is(200).text, "in time");
}
