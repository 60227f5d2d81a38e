//! Somebody with an account, and the tokens that they have.

use std::sync::{Mutex, MutexGuard, PoisonError};

use flotilla_kit::Secret;
use flotilla_shop::walk::{Client, Failure, account::Person as Account, client::Ask};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    ask::{Said, ask, correlation, digest},
    record::Record,
};
use crate::history::Asked;

/// What somebody has from the shop, for a while.
#[derive(Clone, Deserialize)]
pub(super) struct Tokens {
    access_token: Secret<String>,
    refresh_token: Secret<String>,
    session_id: String,
}

/// Somebody with an account.
#[derive(Debug)]
pub(super) struct Person {
    /// What stands for them.
    pub name: String,
    account: Account,
    tokens: Mutex<Held>,
}

/// The tokens that somebody has, and the ones before.
#[derive(Clone)]
struct Held {
    now: Tokens,
    /// One that was exchanged, and when.
    old: Option<Secret<String>>,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Held")
    }
}

impl Person {
    /// Somebody who has logged in.
    pub(super) async fn log_in(client: &Client, name: String, account: Account) -> Result<Self, Failure> {
        let now = log_in(client, &account).await?;
        Ok(Self { name, account, tokens: Mutex::new(Held { now, old: None }) })
    }

    /// Sent with each request.
    pub(super) fn token(&self) -> Secret<String> {
        self.held().now.access_token.clone()
    }

    /// Exchanges the refresh token that they have for new tokens. Not answered, it is left for the next time.
    pub(super) async fn refresh(&self, client: &Client, record: &Record) {
        let Held { now, .. } = self.held().clone();
        match self.exchange(client, record, &now.session_id, &now.refresh_token).await {
            Said::Done(value) => {
                if let Ok(next) = serde_json::from_value::<Tokens>(value) {
                    let mut held = self.held();
                    // Somebody else may have logged in again meanwhile.
                    if held.now.session_id == now.session_id {
                        held.old = Some(now.refresh_token);
                        held.now = next;
                    }
                }
            }
            Said::Stranger => self.log_in_again(client).await,
            Said::Refused | Said::Again => {}
        }
    }

    /// Uses a refresh token that was exchanged before, as somebody would who has stolen it, and then the good one of the same
    /// login; then logs in again. Nothing happens when there is none.
    pub(super) async fn misuse(&self, client: &Client, record: &Record) {
        let Held { now, old } = self.held().clone();
        let Some(old) = old else { return };
        for token in [&old, &now.refresh_token] {
            // An answer may get lost; the same is asked again.
            for _ in 0..3 {
                if !matches!(self.exchange(client, record, &now.session_id, token).await, Said::Again) {
                    break;
                }
            }
        }
        self.log_in_again(client).await;
    }

    async fn exchange(&self, client: &Client, record: &Record, family: &str, token: &Secret<String>) -> Said {
        let id = correlation();
        let asked = Asked::Exchange { family: family.to_owned(), token: digest(token.expose().as_bytes()) };
        let body = json!({ "refresh_token": token.expose() });
        let request = Ask::new(Method::POST, "/v1/auth/refresh", &id).json(body);
        ask(client, record, &self.name, asked, request).await
    }

    /// Logs in again. Whoever cannot keeps what they have.
    pub(super) async fn log_in_again(&self, client: &Client) {
        if let Ok(now) = log_in(client, &self.account).await {
            *self.held() = Held { now, old: None };
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn log_in(client: &Client, account: &Account) -> Result<Tokens, Failure> {
    let id = correlation();
    let body = json!({ "email": account.email, "password": account.password.expose() });
    client.ask(Ask::new(Method::POST, "/v1/auth/login", &id).json(body)).await?.json()
}
