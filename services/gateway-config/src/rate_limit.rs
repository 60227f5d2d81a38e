//! How many requests there may be in a time.

use serde::{Deserialize, Serialize};

use crate::{Claim, HeaderName};

/// A limit on requests, by the generic cell rate algorithm: in any time there are at most `burst` requests and what the rate
/// gives for that time. Each gateway counts for itself, all its workers together; rules and listeners that name the same limit
/// share it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// How many requests each `per` has room for, from 1 to 1,000,000.
    pub requests: u32,

    /// The time.
    pub per: RateUnit,

    /// How many may come at once, from 1 to 1,000,000, when there were none before. Left out: `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,

    /// Who is counted apart from others. Left out: nobody, all requests together.
    #[serde(default, skip_serializing_if = "RateKey::is_default")]
    pub key: RateKey,
}

/// The time of a rate.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateUnit {
    /// A second.
    Second,
    /// 60 seconds.
    Minute,
    /// 3,600 seconds.
    Hour,
}

impl RateUnit {
    /// How many seconds it has.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
}

/// What requests have in common that are counted together. Those that have none of it are counted together as well.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum RateKey {
    /// Nothing: all requests are counted together.
    #[default]
    Everybody,
    /// The address of the client, as `X-Forwarded-For` and the PROXY protocol of trusted proxies say it; of IPv6 its first
    /// 64 bits, which one client commonly has for itself.
    ClientAddress,
    /// The value of a header. Whoever can choose it can have as many rooms as they like, so it is one that a proxy in front
    /// sets, or there is another limit beside it.
    Header(HeaderName),
    /// A claim of the token that `jwt` has found good.
    Claim(Claim),
}

impl RateKey {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The most that `requests` and `burst` may be: finer rates than a request a microsecond are no limits.
const MOST: u32 = 1_000_000;

impl RateLimit {
    /// What cannot be done, with the field.
    pub(crate) fn check(&self, say: &mut impl FnMut(&str, String)) {
        for (field, count) in [("requests", Some(self.requests)), ("burst", self.burst)] {
            if count.is_some_and(|count| !(1..=MOST).contains(&count)) {
                say(&format!(".{field}"), format!("it is from 1 to {MOST}"));
            }
        }
    }
}
