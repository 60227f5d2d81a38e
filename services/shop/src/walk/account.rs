//! Accounts: how a stranger becomes somebody who has logged in.

use std::fmt;

use flotilla_kit::{Secret, correlation::CorrelationId};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Client, Failure, client::Ask};

/// Who somebody is to the shop.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their password.
    pub password: Secret<String>,
}

impl Person {
    /// Somebody that no shop has met.
    pub fn stranger(id: Uuid) -> Self {
        let id = id.simple();
        Self {
            email: format!("walker-{id}@shop.example"),
            name: "A Walker".to_owned(),
            password: Secret::new(format!("on-foot-{id}")),
        }
    }
}

/// An account was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered(String);

impl fmt::Display for Registered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} waits for a mail", self.0)
    }
}

/// Makes an account.
pub async fn register(client: &Client, id: &CorrelationId, person: &Person) -> Result<Registered, Failure> {
    let body = json!({ "email": person.email, "name": person.name, "password": person.password.expose() });
    client.ask(Ask::new(Method::POST, "/v1/auth/register", id).json(body)).await?;
    Ok(Registered(person.email.clone()))
}

/// What a mail has, by which an address is shown to be somebody's.
#[derive(Clone, Debug)]
pub struct VerificationToken(pub Secret<String>);

impl fmt::Display for VerificationToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("it has a link to verify the address")
    }
}

/// An address is known to be somebody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified;

impl fmt::Display for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the address is theirs")
    }
}

/// Shows that an address is somebody's.
pub async fn verify(
    client: &Client,
    id: &CorrelationId,
    token: &VerificationToken,
) -> Result<Verified, Failure> {
    let body = json!({ "token": token.0.expose() });
    client.ask(Ask::new(Method::POST, "/v1/auth/verify-email", id).json(body)).await?;
    Ok(Verified)
}

/// Somebody who has logged in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Sent with each request.
    pub token: Secret<String>,
    seconds: u32,
}

impl fmt::Display for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a token for {} s", self.seconds)
    }
}

#[derive(Deserialize)]
struct Tokens {
    access_token: Secret<String>,
    expires_in: u32,
}

/// Begins a session.
pub async fn log_in(client: &Client, id: &CorrelationId, person: &Person) -> Result<Session, Failure> {
    let body = json!({ "email": person.email, "password": person.password.expose() });
    let answer = client.ask(Ask::new(Method::POST, "/v1/auth/login", id).json(body)).await?;
    if answer.status == StatusCode::ACCEPTED {
        return Err(Failure::SecondFactor);
    }
    let tokens: Tokens = answer.json()?;
    Ok(Session { token: tokens.access_token, seconds: tokens.expires_in })
}
