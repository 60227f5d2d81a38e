//! The id that ties together what one request of somebody causes: in logs, in answers, in events, in other services.

use std::fmt;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;
use uuid::Uuid;

/// The header that has it. The gateway sets it.
pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

/// Bytes that it may have.
const MAX: usize = 128;

tokio::task_local! {
    static CURRENT: CorrelationId;
}

/// The id of a request: from 1 to 128 letters, digits and `-_.:/+=@`, as the gateway has it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// A new one.
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// What somebody sent, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_good = (1..=MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(&byte));
        is_good.then(|| Self(text.to_owned()))
    }

    /// The one in the headers of a request, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut sent = headers.get_all(HEADER).iter();
        match (sent.next().and_then(|sent| sent.to_str().ok()).and_then(Self::parse), sent.next()) {
            (Some(id), None) => id,
            _ => Self::new(),
        }
    }

    /// The one of what runs now.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Has something run with this one.
    pub fn scope<F: Future>(self, future: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, future)
    }

    /// Has something run with this one that does not wait.
    pub fn enter<T>(&self, what: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), what)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the value of a header.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static(""))
    }
}

impl Default for CorrelationId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_one_is_taken_over_and_another_is_made_in_place_of_a_bad_one() {
        let of = |sent: &[&str]| {
            let mut headers = HeaderMap::new();
            for sent in sent {
                headers.append(HEADER, HeaderValue::from_str(sent).unwrap());
            }
            CorrelationId::of(&headers)
        };
        assert_eq!(of(&["order-12:a.b_c/+=@"]).as_str(), "order-12:a.b_c/+=@");
        let long = "a".repeat(MAX + 1);
        for bad in [&[][..], &[""], &["a b"], &["a\"b"], &[&long], &["one", "two"]] {
            assert!(Uuid::parse_str(of(bad).as_str()).is_ok(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn what_runs_within_knows_it() {
        assert_eq!(CorrelationId::current(), None);
        let id = CorrelationId::new();
        let seen = id.clone().scope(async { CorrelationId::current() }).await;
        assert_eq!(seen.as_ref(), Some(&id));
        assert_eq!(id.enter(CorrelationId::current), seen);
    }
}
