//! Who asks: two customers, who must not see what is the other's, and an admin, who is asked for what customers may not.
//!
//! They are in the format of Web Fuzzing Commons, by which Schemathesis logs in when a token has ended.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::shop::{Account, Shop};
use crate::process;

/// What comes before the token in a mail about an address.
const TOKEN: &str = "/verify-email?token=";

/// Seconds that the inbox waits for a mail.
const PATIENCE: u32 = 30;

/// Everybody, as Schemathesis reads them: those who may do the least come first.
pub(super) fn document(shop: &Shop) -> Result<String> {
    let stranger =
        Account { email: "stranger@shop.example".to_owned(), password: "from-another-town".to_owned() };
    register(shop, &stranger)?;
    let url = format!("{}/v1/auth/login", shop.url("user-service")?);
    let person = |name: &str, account: &Account| {
        json!({
            "name": name,
            "loginEndpointAuth": {
                "externalEndpointURL": url,
                "verb": "POST",
                "contentType": "application/json",
                "payloadRaw": json!({ "email": account.email, "password": account.password }).to_string(),
                "token": {
                    "extractFrom": "body",
                    "extractSelector": "/access_token",
                    "sendIn": "header",
                    "sendName": "Authorization",
                    "sendTemplate": "Bearer {token}",
                },
            },
        })
    };
    let people =
        [person("customer", &shop.customer), person("stranger", &stranger), person("admin", &shop.admin)];
    Ok(json!({ "auth": people }).to_string())
}

/// Registers somebody as a person does: with the link of the mail that comes.
fn register(shop: &Shop, account: &Account) -> Result<()> {
    let at_shop = |path: &str, body: Value| {
        curl(&[&format!("{}{path}", shop.gateway), "--json", &body.to_string()])
            .with_context(|| format!("registering {} at {path}", account.email))
    };
    let Account { email, password } = account;
    at_shop("/v1/auth/register", json!({ "email": email, "name": "A Stranger", "password": password }))?;
    let query = format!("channel=mail&target={email}&limit=1&atLeast=1&wait={PATIENCE}");
    let mail = curl(&[&format!("{}/api/deliveries?{query}", shop.inbox)])?;
    let mail: Value = serde_json::from_str(&mail).context("reading what the inbox has")?;
    let text = mail.pointer("/items/0/text").and_then(Value::as_str);
    let text = text.with_context(|| format!("no mail came to {email} within {PATIENCE} s"))?;
    let token = text.split_once(TOKEN).and_then(|(_, rest)| rest.split_whitespace().next());
    let token = token.with_context(|| format!("a mail has no {TOKEN}: {text}"))?;
    at_shop("/v1/auth/verify-email", json!({ "token": token })).map(drop)
}

fn curl(arguments: &[&str]) -> Result<String> {
    process::output(
        Command::new("curl").args(["--silent", "--show-error", "--fail-with-body"]).args(arguments),
    )
}
