//! The mail that the shop has sent: what the sink has taken, by its JSON API.

use std::{fmt, time::Duration};

use flotilla_kit::{Secret, correlation::CorrelationId};
use form_urlencoded::byte_serialize;
use http::Method;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Client, Failure, account::VerificationToken, client::Ask};

/// Seconds for which the inbox is asked to wait at a time.
const WAIT: u64 = 20;

/// What comes before the token in a mail about an address.
const TOKEN: &str = "/verify-email?token=";

/// An inbox.
#[derive(Clone, Debug)]
pub struct Inbox(Client);

/// A mail that was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mail {
    /// Its subject.
    pub subject: String,
    /// Its Message-ID, the same for the same mail delivered twice.
    pub message_id: Option<String>,
    /// The correlation id of what led to it.
    pub correlation_id: Option<String>,
    /// Its text.
    pub text: String,
}

impl fmt::Display for Mail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a mail came: {:?}", self.subject)
    }
}

#[derive(Deserialize)]
struct Deliveries {
    items: Vec<Delivery>,
}

#[derive(Deserialize)]
struct Delivery {
    key: Option<String>,
    subject: String,
    headers: Vec<(String, String)>,
    text: Option<String>,
}

impl From<Delivery> for Mail {
    fn from(delivery: Delivery) -> Self {
        let header = |name: &str| {
            let mut all = delivery.headers.iter();
            all.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        Self {
            correlation_id: header("x-correlation-id"),
            subject: delivery.subject,
            message_id: delivery.key,
            text: delivery.text.unwrap_or_default(),
        }
    }
}

impl Inbox {
    /// At a sink.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// Waits for the newest mail to somebody that shows an address to be theirs.
    pub async fn verification(
        &self,
        id: &CorrelationId,
        email: &str,
        patience: Duration,
    ) -> Result<VerificationToken, Failure> {
        let mail = self.wait(id, email, TOKEN, patience).await?;
        let token = token(&mail.text).map(|token| VerificationToken(Secret::new(token.to_owned())));
        token.ok_or_else(|| no_mail(email, TOKEN, patience))
    }

    /// Waits for the mail that confirms an order.
    pub async fn confirmation(
        &self,
        id: &CorrelationId,
        email: &str,
        order: Uuid,
        patience: Duration,
    ) -> Result<Mail, Failure> {
        self.wait(id, email, &order.to_string(), patience).await
    }

    /// Waits for a mail to somebody that has this in its text. Of several it is the newest.
    async fn wait(
        &self,
        id: &CorrelationId,
        email: &str,
        what: &str,
        patience: Duration,
    ) -> Result<Mail, Failure> {
        let until = Instant::now() + patience;
        let target: String = byte_serialize(email.as_bytes()).collect();
        let mut seen = 0;
        loop {
            let left = until.saturating_duration_since(Instant::now()).as_secs().min(WAIT);
            let path =
                format!("/api/deliveries?channel=mail&target={target}&atLeast={}&wait={left}", seen + 1);
            let deliveries: Deliveries = self.0.ask(Ask::new(Method::GET, &path, id)).await?.json()?;
            seen = deliveries.items.len();
            let found = deliveries.items.into_iter().map(Mail::from).find(|mail| mail.text.contains(what));
            if let Some(mail) = found {
                return Ok(mail);
            }
            if left == 0 {
                return Err(no_mail(email, what, patience));
            }
        }
    }
}

fn no_mail(email: &str, what: &str, patience: Duration) -> Failure {
    Failure::NoMail { what: what.to_owned(), email: email.to_owned(), patience }
}

/// The token of a mail's text.
fn token(text: &str) -> Option<&str> {
    let (_, after) = text.split_once(TOKEN)?;
    after.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_what_comes_behind_the_link() {
        let text = "Hello,\n\nhttp://shop.example/verify-email?token=a-B_c\n\nShop\n";
        assert_eq!(token(text), Some("a-B_c"));
        assert_eq!(token("Your order is confirmed"), None);
        assert_eq!(token("/verify-email?token="), None);
    }
}
