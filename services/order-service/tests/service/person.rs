//! Somebody who orders.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::shop::{Answer, PATIENCE, Shop};

/// Somebody with a token.
pub(crate) struct Person<'a> {
    shop: &'a Shop,
    pub(crate) token: String,
}

impl<'a> Person<'a> {
    /// Somebody new with these roles.
    pub(crate) fn new(shop: &'a Shop, roles: &[&str]) -> Self {
        Self { shop, token: shop.issuer.token(Uuid::now_v7(), roles) }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.shop.send("GET", path, Some(&self.token), &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, key: Option<&str>, body: Value) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.shop.send("POST", path, Some(&self.token), &headers, body).await
    }

    /// The same, if there is somebody who answers.
    pub(crate) async fn try_post(&self, path: &str, key: Option<&str>, body: Bytes) -> Option<Answer> {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        self.shop.try_send("POST", path, Some(&self.token), &headers, body).await
    }

    /// Posts again while the service cannot do it now: nothing that is asked so has a second effect.
    pub(crate) async fn insist(&self, path: &str, key: Option<&str>, body: Value) -> Answer {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.post(path, key, body.clone()).await;
            if answer.status != 503 || Instant::now() >= until {
                return answer;
            }
            sleep(Duration::from_millis(100)).await;
        }
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
        let key = Uuid::now_v7().to_string();
        let answer = self.insist("/v1/orders", Some(&key), Self::basket(card)).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn place(&self, key: &str, card: &str) -> Answer {
        self.post("/v1/orders", Some(key), Self::basket(card)).await
    }

    /// Two shoes and a sock.
    pub(crate) fn basket(card: &str) -> Value {
        let lines = json!([{ "sku": "SHOE", "quantity": 2 }, { "sku": "SOCK", "quantity": 1 }]);
        json!({ "currency": "EUR", "lines": lines, "payment_method": card })
    }

    /// The payment of an order and the provider's name for it, once the bank has asked for an answer.
    pub(crate) async fn asked(&self, id: &str) -> (String, String) {
        let sql = "select id::text, reference from orders.payments
                   where order_id = $1::text::uuid and status = 'requires_action'";
        let asked = async {
            loop {
                if let Some(row) = sqlx::query_as(sql).bind(id).fetch_optional(&self.shop.pool).await.unwrap()
                {
                    return row;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, asked).await.expect("the bank never asks")
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
