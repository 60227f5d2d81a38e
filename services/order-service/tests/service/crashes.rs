//! The program itself ends at each point that there is, as by `kill -9`, with a transaction open or not; another one goes on, and
//! in the end all is as if nothing had happened.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use flotilla_order_service::failpoint::{Moment, Point, Stage};
use flotilla_paysim::{
    fault::{Effect, Operation},
    ledger::Movement,
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    person::Person,
    shop::{PATIENCE, Shop, TOTAL},
};

/// What is done so that a point is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// An order is placed, and paid.
    Forth,
    /// The same, and an answer of the provider is lost.
    Lost,
    /// The same, and the provider fails for as long as it is asked with the same key.
    Spent,
    /// The customer has to answer their bank.
    Answered,
    /// A card is declined, and another one taken.
    OtherCard,
    /// An order that is paid is called off.
    Back,
    /// An order whose money is not taken yet is called off.
    BackUnpaid,
    /// A part of an order that is paid is given back.
    Refunded,
}

fn way(Point(stage, moment): Point) -> Way {
    match stage {
        Stage::Place
        | Stage::Reserve
        | Stage::CreateIntent
        | Stage::Authorize
        | Stage::Commit
        | Stage::Capture
        | Stage::Webhook => Way::Forth,
        Stage::Lose => Way::Lost,
        Stage::Spend => Way::Spent,
        Stage::AwaitPayment | Stage::Look => Way::Answered,
        Stage::Pay => Way::OtherCard,
        Stage::Void if moment == Moment::KeyWritten => Way::BackUnpaid,
        Stage::Cancel | Stage::Void | Stage::Release | Stage::GiveBack => Way::Back,
        Stage::RequestRefund | Stage::Refund => Way::Refunded,
    }
}

struct Running(Child);

impl Running {
    fn start(shop: &Shop, point: Option<Point>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_order-service"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // Without a point it looks at payments often, as it would do once a minute.
        let flags = shop.flags[1..].iter().filter(|flag| !flag.starts_with("--reconcile-seconds"));
        command.args(flags).arg("--log=warn").arg("--leaving-seconds=0");
        command.arg(if point.is_some() { "--reconcile-seconds=3600" } else { "--reconcile-seconds=1" });
        command.args(point.map(|point| format!("--failpoint={point}")));
        Self(command.spawn().unwrap())
    }

    fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    async fn ended(&mut self, point: Point) {
        let ended = async {
            while !self.has_ended() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("{point} is never reached"));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.0.kill().is_ok();
        let _reaped = self.0.wait().is_ok();
    }
}

/// A service that ends at a point, and another one after it.
struct Service<'a> {
    shop: &'a Shop,
    point: Point,
    first: Running,
    second: Option<Running>,
}

impl<'a> Service<'a> {
    async fn start(shop: &'a Shop, point: Point) -> Self {
        let first = Running::start(shop, Some(point));
        shop.wait_until_it_serves().await;
        Self { shop, point, first, second: None }
    }

    /// Repeats a request until it is answered: the service may end while it is at it.
    async fn insist(&mut self, person: &Person<'_>, path: &str, key: Option<&str>, body: &Value) -> Value {
        let insist = async {
            loop {
                if self.second.is_none() && self.first.has_ended() {
                    self.go_on().await;
                }
                let text = if body.is_null() { String::new() } else { body.to_string() };
                match person.try_post(path, key, Bytes::from(text)).await {
                    Some(answer) if answer.status < 300 => return answer.json(),
                    Some(answer) => assert!(matches!(answer.status, 409 | 503), "{path}: {}", answer.text),
                    None => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        timeout(PATIENCE, insist).await.unwrap_or_else(|_| panic!("{path} is never answered"))
    }

    /// Another one goes on, so late that the provider knows no key any more.
    async fn go_on(&mut self) {
        self.shop.paysim.forget_keys();
        self.second = Some(Running::start(self.shop, None));
        self.shop.wait_until_it_serves().await;
    }

    /// Waits until the first one has ended, and has another one go on.
    async fn ends(&mut self) {
        self.first.ended(self.point).await;
        if self.second.is_none() {
            self.go_on().await;
        }
    }
}

/// Goes a way, and gives the order. What is to have happened with its money comes with it.
async fn go(service: &mut Service<'_>, way: Way) -> (String, &'static str) {
    let shop = service.shop;
    let (customer, admin, key) = (shop.customer(), shop.admin(), service.point.to_string());
    let card = match way {
        Way::Answered | Way::BackUnpaid => "pm_card_authenticationRequired",
        Way::OtherCard => "pm_card_chargeDeclined",
        _ => "pm_card_visa",
    };
    match way {
        Way::Lost => shop.fault(Operation::Capture, Effect::DropAnswer),
        Way::Spent => shop.fault(Operation::Capture, Effect::FailBefore),
        _ => {}
    }
    let order = service.insist(&customer, "/v1/orders", Some(&key), &Person::basket(card)).await;
    let id = order["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/orders/{id}");
    match way {
        Way::Forth | Way::Lost | Way::Spent => {
            service.ends().await;
            shop.until(&id, "paid").await;
            // The same answer as before, also of another process.
            let again = service.insist(&customer, "/v1/orders", Some(&key), &Person::basket(card)).await;
            assert_eq!(again, order, "{key}");
            (id, "paid")
        }
        Way::Answered => {
            let (payment, reference) = customer.asked(&id).await;
            shop.authenticate(&reference).await;
            let complete = format!("{path}/payments/{payment}:complete");
            service.insist(&customer, &complete, None, &Value::Null).await;
            service.ends().await;
            shop.until(&id, "paid").await;
            (id, "paid")
        }
        Way::OtherCard => {
            shop.until(&id, "payment_failed").await;
            let body = json!({ "payment_method": "pm_card_visa" });
            let (path, key) = (format!("{path}/payments"), format!("{key} again"));
            let first = service.insist(&customer, &path, Some(&key), &body).await;
            service.ends().await;
            let again = service.insist(&customer, &path, Some(&key), &body).await;
            assert_eq!(again, first);
            shop.until(&id, "paid").await;
            (id, "paid")
        }
        Way::Back | Way::BackUnpaid => {
            if way == Way::Back {
                shop.until(&id, "paid").await;
            } else {
                customer.asked(&id).await;
            }
            service.insist(&customer, &format!("{path}:cancel"), None, &Value::Null).await;
            service.ends().await;
            service.insist(&customer, &format!("{path}:cancel"), None, &Value::Null).await;
            shop.until(&id, "cancelled").await;
            (id, if way == Way::Back { "given back" } else { "nothing" })
        }
        Way::Refunded => {
            shop.until(&id, "paid").await;
            let body = json!({ "amount_minor": 1_000, "reason": "one was torn" });
            let first = service.insist(&admin, &format!("{path}/refunds"), Some(&key), &body).await;
            service.ends().await;
            let again = service.insist(&admin, &format!("{path}/refunds"), Some(&key), &body).await;
            assert_eq!(again["id"], first["id"]);
            shop.settled().await;
            (id, "a part given back")
        }
    }
}

async fn crash_at(points: impl Iterator<Item = Point>) {
    let shop = Shop::without_orders().await;
    let (mut captured, mut refunded) = (Vec::new(), Vec::new());
    for point in points {
        let mut service = Service::start(&shop, point).await;
        let (id, money) = go(&mut service, way(point)).await;
        shop.settled().await;
        match money {
            "paid" => captured.push(TOTAL),
            "given back" => {
                captured.push(TOTAL);
                refunded.push(TOTAL);
            }
            "a part given back" => {
                captured.push(TOTAL);
                refunded.push(1_000);
            }
            _ => {}
        }
        assert_eq!(shop.moved(Movement::Capture), captured, "{point}");
        assert_eq!(shop.moved(Movement::Refund), refunded, "{point}");
        let paid = i64::from(money != "nothing");
        assert_eq!(shop.told(&id, "shop.order.paid.v1").await, paid, "{point}");
        shop.paysim.faults().clear();
    }
    let _last = Running::start(&shop, None);
    shop.audit().await;
}

fn points(ways: &'static [Way]) -> impl Iterator<Item = Point> {
    Point::all().filter(|point| ways.contains(&way(*point)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_paid_once_wherever_the_process_ends() {
    crash_at(points(&[Way::Forth, Way::Lost, Way::Spent])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_customer_does_is_done_once_wherever_the_process_ends() {
    crash_at(points(&[Way::Answered, Way::OtherCard])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_is_given_back_once_wherever_the_process_ends() {
    crash_at(points(&[Way::Back, Way::BackUnpaid, Way::Refunded])).await;
}
