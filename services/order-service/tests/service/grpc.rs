//! The gRPC API, and what is heard of others.

use flotilla_bus::{Event, EventType};
use flotilla_kit::{
    Secret,
    auth::{Signer, Subject},
};
use flotilla_proto::order::{
    ExportUserDataRequest, GetOrderRequest, ListOrdersByUserRequest, orders_client::OrdersClient,
};
use futures::TryStreamExt;
use serde_json::json;
use tonic::{
    Code, Request,
    transport::{Channel, Endpoint},
};

use crate::shop::{Shop, TOTAL};

fn signer(shop: &Shop) -> Signer {
    Signer::new("notification-service", "1", &Secret::new(shop.service_pem.clone())).unwrap()
}

fn request<T>(shop: &Shop, subject: &Subject, message: T) -> Request<T> {
    let token = signer(shop).sign("order-service", subject).unwrap();
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-internal-identity", token.expose().parse().unwrap());
    request
}

async fn client(shop: &Shop) -> OrdersClient<Channel> {
    let endpoint = Endpoint::try_from(format!("http://{}", shop.grpc)).unwrap();
    OrdersClient::new(endpoint.connect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_services_read_orders_when_they_say_who_they_are() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_visa").await;
    shop.until(&id, "paid").await;
    let user = customer.get(&format!("/v1/orders/{id}")).await.json()["user_id"].as_str().unwrap().to_owned();
    let mut client = client(&shop).await;
    let itself = Subject::default();
    let message = GetOrderRequest { id: id.clone() };
    let order = client.get_order(request(&shop, &itself, message.clone())).await.unwrap().into_inner();
    assert_eq!((order.status.as_str(), order.total_minor, order.lines.len()), ("paid", TOTAL, 2));
    let nobody = client.get_order(Request::new(message.clone())).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
    let other = Subject { user: Some(uuid::Uuid::now_v7().to_string()), ..Subject::default() };
    let other = client.get_order(request(&shop, &other, message)).await.unwrap_err();
    assert_eq!(other.code(), Code::NotFound);
    let bad = client.get_order(request(&shop, &itself, GetOrderRequest { id: "o-1".to_owned() })).await;
    assert_eq!(bad.unwrap_err().code(), Code::InvalidArgument);

    customer.order("pm_card_visa").await;
    let list =
        |page_token: String| ListOrdersByUserRequest { user_id: user.clone(), page_size: 1, page_token };
    let first = client.list_orders_by_user(request(&shop, &itself, list(String::new()))).await.unwrap();
    let first = first.into_inner();
    let second =
        client.list_orders_by_user(request(&shop, &itself, list(first.next_page_token))).await.unwrap();
    let second = second.into_inner();
    assert_eq!((second.orders[0].id.as_str(), second.next_page_token.as_str()), (id.as_str(), ""));
    let forged = client.list_orders_by_user(request(&shop, &itself, list("forged".to_owned()))).await;
    assert_eq!(forged.unwrap_err().code(), Code::InvalidArgument);

    let export = ExportUserDataRequest { user_id: user.clone() };
    let records = client.export_user_data(request(&shop, &itself, export)).await.unwrap().into_inner();
    let records: Vec<_> = records.try_collect().await.unwrap();
    assert_eq!(records.len(), 2);
    assert!(records.iter().any(|record| record.json.contains(&id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_is_forgotten_leaves_books_and_nothing_else() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let lines = json!([{ "sku": "SHOE", "quantity": 1 }]);
    let body = json!({ "currency": "EUR", "lines": lines, "payment_method": "pm_card_visa", "ship_to": { "name": "Ada" } });
    let placed = customer.post("/v1/orders", Some("1"), body).await;
    assert_eq!(placed.status, 202, "{}", placed.text);
    let order = placed.json();
    let (id, user) = (order["id"].as_str().unwrap(), order["user_id"].as_str().unwrap());
    shop.until(id, "paid").await;
    customer.post("/v1/carts", None, json!({ "currency": "EUR" })).await;
    let flags = shop.flags.iter().find_map(|flag| flag.strip_prefix("--bus-url=")).unwrap();
    let bus = flotilla_bus::connect(flags).unwrap();
    let kind = EventType::try_from("shop.user.erased.v1").unwrap();
    let event = Event::new("/user-service", kind, user, json!({}));
    // Published when there is somebody who hears it.
    let forgotten = async {
        loop {
            bus.publish(std::slice::from_ref(&event)).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            if customer.get(&format!("/v1/orders/{id}")).await.status == 404 {
                return;
            }
        }
    };
    tokio::time::timeout(crate::shop::PATIENCE, forgotten).await.expect("it is never forgotten");
    let heard: i64 = sqlx::query_scalar("select count(*) from messaging.inbox where id = $1")
        .bind(event.id)
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(heard, 1);
    // It is another version of the order, so that nobody shows the one from before.
    let told: i64 = sqlx::query_scalar("select count(*) from orders.order_events where kind = 'forgotten'")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    assert_eq!(told, 1);
    let left: i64 = sqlx::query_scalar(
        "select (select count(*) from orders.carts) + (select count(*) from orders.orders where user_id = $1::text::uuid or ship_to is not null)",
    )
    .bind(user)
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
    shop.audit().await;
}
