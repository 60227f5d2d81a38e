//! A mail server that misbehaves.

use std::fmt;

use flotilla_kit::correlation::CorrelationId;
use flotilla_shop::walk::{Failure, client::Ask};
use http::Method;
use serde_json::{Value, json};

use super::{Error, Injector};

/// What it does that it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailFault {
    /// It takes no mail for now (451).
    Later,
    /// It has taken the mail, and never says so.
    Hang,
    /// It has taken the mail, and the connection breaks before it says so.
    Cut,
}

impl MailFault {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Later, Self::Hang, Self::Cut];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Later => "later",
            Self::Hang => "hang",
            Self::Cut => "cut",
        }
    }

    fn effect(self) -> Value {
        match self {
            Self::Later => json!({ "kind": "status", "status": 451 }),
            Self::Hang => json!({ "kind": "hang" }),
            Self::Cut => json!({ "kind": "cut" }),
        }
    }
}

impl fmt::Display for MailFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl Injector<'_> {
    /// Has the mail server fail at the next mail.
    pub(super) async fn fail_mail(&mut self, what: MailFault) -> Result<(), Error> {
        let failure = json!({ "channel": "mail", "times": 1, "effect": what.effect() });
        // While it is away it takes no mail anyway.
        let _told = self.tell_sink(Method::POST, Some(failure)).await.is_ok();
        Ok(())
    }

    /// Has it take mail.
    pub(super) async fn take_mail(&mut self) -> Result<(), Error> {
        let told = self.tell_sink(Method::DELETE, None).await;
        told.map_err(|failure| Error::Told("the mail server", failure))
    }

    async fn tell_sink(&self, method: Method, failure: Option<Value>) -> Result<(), Failure> {
        let id = CorrelationId::new();
        let mut ask = Ask::new(method, "/api/failures", &id);
        if let Some(failure) = failure {
            ask = ask.json(failure);
        }
        self.crowd.sink.ask(ask).await.map(drop)
    }
}
