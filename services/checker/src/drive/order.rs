//! One order: placed until it is known to be, then looked at until there is nothing left to do about it.

use std::time::Duration;

use fastrand::Rng;
use flotilla_shop::walk::client::Ask;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Stage,
    ask::{Said, ask, correlation, quietly},
    crowd::Crowd,
    person::Person,
    record::Record,
    way::{Way, Wish},
};
use crate::history::Asked;

/// How long to wait before the same is asked again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How often somebody looks at their order, at first and at most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(1_500));

/// Other cards that somebody has.
const CARDS: u32 = 6;

/// Waits until whoever is not done is to give up.
pub(super) async fn give_up(stage: &mut watch::Receiver<Stage>) {
    let over = stage.wait_for(|stage| matches!(stage, Stage::Over(_))).await;
    let at = over.map_or_else(
        |_| Instant::now(),
        |stage| if let Stage::Over(at) = *stage { at } else { Instant::now() },
    );
    sleep_until(at).await;
}

/// What somebody does about one order.
struct Errand<'a> {
    crowd: &'a Crowd,
    record: &'a Record,
    customer: &'a Person,
    wish: &'a Wish,
    order: String,
    has_called_off: bool,
    has_refunded: bool,
    other_cards: u32,
    began: Instant,
}

/// Orders, and sees to it until it is done.
pub(super) async fn see_to(crowd: &Crowd, record: &Record, wish: &Wish, mut rng: Rng) {
    let Some(customer) = crowd.customer(wish.customer) else { return };
    let Some(body) = body(crowd, customer, wish).await else { return };
    let began = Instant::now();
    let place = || place(crowd, record, customer, wish, &body);
    let placed = if wish.way == Way::Twice {
        // Before the first one is answered, or after it.
        let again = async {
            sleep(wish.after / 5).await;
            place().await
        };
        let (first, second) = tokio::join!(place(), again);
        first.or(second)
    } else {
        place().await
    };
    let Some(order) = placed else { return };
    let errand = Errand {
        crowd,
        record,
        customer,
        wish,
        order,
        has_called_off: false,
        has_refunded: false,
        other_cards: 0,
        began,
    };
    errand.run(&mut rng).await;
}

/// What is sent to place it. A cart is made before, as often as it takes: one that nobody orders is nothing.
async fn body(crowd: &Crowd, customer: &Person, wish: &Wish) -> Option<Value> {
    // By it the order is known to be of this key, whatever the shop remembers of keys.
    let ship_to = json!({ "name": "A Walker", "city": "Hamburg", "key": wish.key });
    let mut body = json!({ "payment_method": wish.card(), "ship_to": ship_to });
    if !wish.has_cart {
        let lines = wish.lines.iter().map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }));
        body["currency"] = json!("EUR");
        body["lines"] = lines.collect();
        return Some(body);
    }
    let mut pause = Pause::default();
    loop {
        if let Some(cart) = fill_cart(crowd, customer, wish).await {
            body["cart_id"] = json!(cart);
            return Some(body);
        }
        customer_again(crowd, customer).await;
        pause.wait().await;
    }
}

async fn fill_cart(crowd: &Crowd, customer: &Person, wish: &Wish) -> Option<String> {
    let (id, token) = (correlation(), customer.token());
    let new = Ask::new(Method::POST, "/v1/carts", &id).token(&token).json(json!({ "currency": "EUR" }));
    let cart = quietly(&crowd.shop, new).await?.get("id")?.as_str()?.to_owned();
    for (sku, quantity) in &wish.lines {
        let path = format!("/v1/carts/{cart}/items/{sku}");
        let put = Ask::new(Method::PUT, &path, &id).token(&token).json(json!({ "quantity": quantity }));
        quietly(&crowd.shop, put).await?;
    }
    Some(cart)
}

/// A token that has ended is seen by whoever uses it; this asks for nothing while it is good.
async fn customer_again(crowd: &Crowd, customer: &Person) {
    let (id, token) = (correlation(), customer.token());
    let me = Ask::new(Method::GET, "/v1/carts/00000000-0000-0000-0000-000000000000", &id).token(&token);
    if let Err(flotilla_shop::walk::Failure::Refused { status: StatusCode::UNAUTHORIZED, .. }) =
        crowd.shop.ask(me).await
    {
        customer.log_in_again(&crowd.shop).await;
    }
}

/// Places it, with the same key until the answer is known. Nothing: it was refused.
async fn place(
    crowd: &Crowd,
    record: &Record,
    customer: &Person,
    wish: &Wish,
    body: &Value,
) -> Option<String> {
    let (asked, key) = (Asked::Place { key: wish.key.clone() }, Some(wish.key.as_str()));
    let insist = Insist { crowd, record, person: customer, asked, path: "/v1/orders", key, body: Some(body) };
    insist.answer().await?.get("id")?.as_str().map(str::to_owned)
}

/// What is to be done once, however often it is asked.
struct Insist<'a> {
    crowd: &'a Crowd,
    record: &'a Record,
    person: &'a Person,
    asked: Asked,
    path: &'a str,
    key: Option<&'a str>,
    body: Option<&'a Value>,
}

impl Insist<'_> {
    /// Asks the same until there is an answer that says something. Nothing: it was refused.
    async fn answer(self) -> Option<Value> {
        let Self { crowd, record, person, .. } = self;
        let mut pause = Pause::default();
        loop {
            let (id, token) = (correlation(), person.token());
            let mut request = Ask::new(Method::POST, self.path, &id).token(&token);
            if let Some(key) = self.key {
                request = request.once(key);
            }
            if let Some(body) = self.body {
                request = request.json(body.clone());
            }
            match ask(&crowd.shop, record, &person.name, self.asked.clone(), request).await {
                Said::Done(value) => return Some(value),
                Said::Refused => return None,
                Said::Stranger => person.log_in_again(&crowd.shop).await,
                Said::Again => {}
            }
            pause.wait().await;
        }
    }
}

impl Errand<'_> {
    /// Looks and does something about it, until there is nothing left to do.
    async fn run(mut self, rng: &mut Rng) {
        let path = format!("/v1/orders/{}", self.order);
        let mut pause = LOOKS.0;
        loop {
            let asked = Asked::Look { order: self.order.clone() };
            let (id, token) = (correlation(), self.customer.token());
            let look = Ask::new(Method::GET, &path, &id).token(&token);
            let said = ask(&self.crowd.shop, self.record, &self.customer.name, asked, look).await;
            match said {
                Said::Done(order) => {
                    if self.act(&order, rng).await {
                        return;
                    }
                }
                Said::Stranger => self.customer.log_in_again(&self.crowd.shop).await,
                Said::Refused | Said::Again => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOKS.1);
        }
    }

    /// Does what somebody does who sees their order so. Whether they are done with it.
    async fn act(&mut self, order: &Value, rng: &mut Rng) -> bool {
        let text = |name: &str| order.get(name).and_then(Value::as_str).unwrap_or_default();
        let (status, payment) = (text("status"), text("payment_status"));
        if matches!(status, "rejected" | "cancelled" | "expired" | "completed" | "needs_review") {
            return true;
        }
        let is_paid = status == "paid";
        let wants_to_call_off = match self.wish.way {
            Way::Cancel => self.began.elapsed() >= self.wish.after,
            Way::CancelPaid => is_paid,
            Way::NoAnswer => payment == "requires_action" && self.began.elapsed() >= self.wish.after,
            _ => false,
        };
        if wants_to_call_off && !self.has_called_off {
            self.call_off().await;
            return false;
        }
        match (status, payment) {
            ("payment_failed", _) => self.take_another_card().await,
            (_, "requires_action") if self.wish.way != Way::NoAnswer => {
                let payment = text("payment_id").to_owned();
                self.answer_the_bank(&payment, rng).await;
            }
            _ => {}
        }
        if self.has_called_off {
            return status == "shipped";
        }
        match self.wish.way {
            Way::RefundPart | Way::RefundAll if is_paid && !self.has_refunded => {
                self.refund().await;
                false
            }
            // That it is given back is seen at the end.
            Way::RefundPart | Way::RefundAll => is_paid && self.has_refunded,
            Way::Shipped => {
                if is_paid {
                    self.admin_does("ship").await;
                } else if status == "shipped" {
                    self.admin_does("complete").await;
                }
                false
            }
            Way::Cancel | Way::CancelPaid => false,
            _ => is_paid || status == "shipped",
        }
    }

    fn insist<'a>(
        &'a self,
        person: &'a Person,
        asked: Asked,
        path: &'a str,
        key: Option<&'a str>,
        body: Option<&'a Value>,
    ) -> Insist<'a> {
        Insist { crowd: self.crowd, record: self.record, person, asked, path, key, body }
    }

    async fn call_off(&mut self) {
        let path = format!("/v1/orders/{}:cancel", self.order);
        let asked = Asked::Cancel { order: self.order.clone() };
        let answer = self.insist(self.customer, asked, &path, None, None).answer().await;
        // Refused, it is what it was: nothing is to be waited for.
        self.has_called_off = answer.is_some();
    }

    async fn take_another_card(&mut self) {
        if self.other_cards >= CARDS {
            if !self.has_called_off {
                self.call_off().await;
            }
            return;
        }
        self.other_cards += 1;
        let path = format!("/v1/orders/{}/payments", self.order);
        let key = format!("{}-card-{}", self.wish.key, self.other_cards);
        let asked = Asked::Pay { order: self.order.clone(), key: key.clone() };
        let body = json!({ "payment_method": "pm_card_visa" });
        // Refused, the order is something else by now.
        let _answer = self.insist(self.customer, asked, &path, Some(&key), Some(&body)).answer().await;
    }

    /// The bank's page, and the way back from it: sometimes it is the webhook alone that says so.
    async fn answer_the_bank(&self, payment: &str, rng: &mut Rng) {
        let path = format!("/v1/orders/{}/payments", self.order);
        let (id, token) = (correlation(), self.customer.token());
        let list = quietly(&self.crowd.shop, Ask::new(Method::GET, &path, &id).token(&token)).await;
        let reference = list.as_ref().and_then(|list| list.get("items")?.as_array()).and_then(|items| {
            let is_it = |item: &&Value| item.get("id").and_then(Value::as_str) == Some(payment);
            items.iter().find(is_it)?.get("reference")?.as_str()
        });
        let Some(reference) = reference else { return };
        let authenticate = format!("/paysim/payment_intents/{reference}/authenticate");
        let yes = Ask::new(Method::POST, &authenticate, &id).json(json!({ "is_them": true }));
        quietly(&self.crowd.provider, yes).await;
        if self.wish.way != Way::Back && rng.u32(..3) == 0 {
            return;
        }
        let path = format!("{path}/{payment}:complete");
        let asked = Asked::Complete { order: self.order.clone() };
        let back = Ask::new(Method::POST, &path, &id).token(&token);
        ask(&self.crowd.shop, self.record, &self.customer.name, asked, back).await;
    }

    async fn refund(&mut self) {
        self.has_refunded = true;
        let path = format!("/v1/orders/{}/refunds", self.order);
        let key = format!("{}-refund", self.wish.key);
        let asked = Asked::Refund { order: self.order.clone(), key: key.clone() };
        let mut body = json!({ "reason": "one was torn" });
        if self.wish.way == Way::RefundPart {
            body["amount_minor"] = json!(700);
        }
        // Refused, it is something else by now, and what it is will be seen.
        let _answer = self.insist(&self.crowd.admin, asked, &path, Some(&key), Some(&body)).answer().await;
    }

    async fn admin_does(&self, what: &str) {
        let path = format!("/v1/orders/{}:{what}", self.order);
        let (id, token) = (correlation(), self.crowd.admin.token());
        if quietly(&self.crowd.shop, Ask::new(Method::POST, &path, &id).token(&token)).await.is_none() {
            customer_again(self.crowd, &self.crowd.admin).await;
        }
    }
}

/// Longer each time, and not all at once.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(PAUSES.0)
    }
}

impl Pause {
    async fn wait(&mut self) {
        sleep(self.0.mul_f64(fastrand::f64().mul_add(0.5, 0.75))).await;
        self.0 = (self.0 * 2).min(PAUSES.1);
    }
}
