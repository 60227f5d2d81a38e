//! What templates are given, made up: of each event all that it has, and nothing else, so that a template that asks for more is
//! found out when it is written. A test holds it against the schemas of the events.

use serde_json::{Value, json};

use super::Context;
use crate::domain::rules;

/// What a template is given.
pub fn sample(name: &str, locale: &str) -> Context {
    let rule = rules::of_template(name);
    let has_secret = rule.is_some_and(|rule| rule.has_secret);
    Context {
        shop: "Flotilla Shop".to_owned(),
        url: "https://shop.example".to_owned(),
        locale: locale.to_owned(),
        name: "Ann".to_owned(),
        data: rule.map_or_else(by_name, |rule| data(rule.kind)),
        token: has_secret.then(|| "token".to_owned()),
        unsubscribe_url: Some("https://shop.example/v1/unsubscribe/token".to_owned()),
    }
}

/// Of a newsletter.
fn by_name() -> Value {
    json!({ "title": "News", "text": "There is something new." })
}

/// Of an event.
fn data(kind: &str) -> Value {
    let user = "0190a000-0000-7000-8000-000000000001";
    let end = "2026-01-01T12:00:00Z";
    match kind {
        "shop.user.verification_requested.v1"
        | "shop.user.password_reset_requested.v1"
        | "shop.user.email_change_requested.v1" => {
            json!({ "user_id": user, "reference": "r".repeat(43), "expires_at": end })
        }
        "shop.user.password_changed.v1" => json!({ "user_id": user, "how": "change" }),
        "shop.user.locked.v1" => json!({ "user_id": user, "reason": "failures", "until": end }),
        "shop.user.session.compromised.v1" => {
            json!({ "user_id": user, "session_id": "0190a000-0000-7000-8000-000000000005" })
        }
        _ if kind.starts_with("shop.order.") => order(kind, user),
        _ if kind.starts_with("shop.payment.") => payment(kind, user),
        _ => json!({ "user_id": user }),
    }
}

/// The last word of a type but the version.
fn what(kind: &str) -> &str {
    kind.rsplit('.').nth(1).unwrap_or_default()
}

fn order(kind: &str, user: &str) -> Value {
    // An order that is refunded stays what it was.
    let status = if what(kind) == "refunded" { "paid" } else { what(kind) };
    json!({
        "order_id": "0190a000-0000-7000-8000-000000000002", "user_id": user, "status": status,
        "reason": "customer", "currency": "EUR", "total_minor": 2_500, "refunded_minor": 500, "tracking": "TRACK-1",
        "lines": [{
            "sku": "MUG-1", "product_id": "0190a000-0000-7000-8000-000000000003", "name": "Mug", "quantity": 2,
            "unit_minor": 1_250, "total_minor": 2_500,
        }],
    })
}

fn payment(kind: &str, user: &str) -> Value {
    json!({
        "payment_id": "0190a000-0000-7000-8000-000000000004", "order_id": "0190a000-0000-7000-8000-000000000002",
        "user_id": user, "provider": "paysim", "status": what(kind), "currency": "EUR", "amount_minor": 2_500,
        "captured_minor": 0, "refunded_minor": 0, "failure": "card_declined",
    })
}
