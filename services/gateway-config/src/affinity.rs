//! Which requests go to the same endpoint.

use serde::{Deserialize, Serialize};

use crate::{BadText, HeaderName, Path};

/// What requests have in common that go to the same endpoint. Requests that have none of it go where others go.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum Affinity {
    /// A cookie that the gateway gives to clients (GEP-1619). It names an endpoint, and holds as long as that takes requests.
    Cookie(SessionCookie),
    /// The same in a header, which clients that keep no cookies send back as they got it (GEP-1619).
    SessionHeader(SessionHeader),
    /// The value of a header. When endpoints come or go, only the share moves that it has to.
    Header(HeaderName),
    /// The address of the client, shared out in the same way.
    SourceIp,
}

/// A cookie.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionCookie {
    /// Its name.
    pub name: CookieName,

    /// Below which path clients send it. Left out: /.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,

    /// Seconds after which clients forget it. Left out: when they end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,

    /// A secret from which the name of an endpoint is made; the same for all gateways of a backend. Left out: none, and whoever
    /// tries all addresses can tell from a cookie which one it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl std::fmt::Debug for SessionCookie {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, path, max_age_seconds, key: _ } = self;
        formatter
            .debug_struct("SessionCookie")
            .field("name", name)
            .field("path", path)
            .field("max_age_seconds", max_age_seconds)
            .finish_non_exhaustive()
    }
}

/// A header that leads back to an endpoint.
#[derive(Serialize, Deserialize, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionHeader {
    /// Its name.
    pub name: HeaderName,

    /// As for a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl std::fmt::Debug for SessionHeader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SessionHeader").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The name of a cookie (RFC 6265 section 4.1.1).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct CookieName(String);

impl CookieName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CookieName {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !text.is_empty() && text.bytes().all(is_token) {
            Ok(Self(text))
        } else {
            Err(BadText::CookieName(text))
        }
    }
}
