//! Tokens that say who sends a request: JSON Web Tokens (RFC 7519), signed by a provider (RFC 7515).

use serde::{Deserialize, Serialize};

use crate::{BadText, CookieName, HeaderName};

/// Whose tokens are good, and what they have to say.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwt {
    /// Names of providers. A token is held against the one that its issuer names, and no other. An empty list, with
    /// `required: false`, asks for nothing in place of what the listener asks for.
    pub providers: Vec<String>,

    /// Whether there has to be a token. Without: a request with none goes on, and one with a bad token is still refused.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub required: bool,

    /// What a good token has to say, all of it; otherwise the answer is 403.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<RequiredClaim>,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

/// A claim that has one of some values.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredClaim {
    /// The claim. Of a list one item is enough, and of `scope` and `scp` one word (RFC 8693 section 4.2).
    pub claim: Claim,
    /// The values of which it has one: texts, numbers, or true and false, as JSON writes them.
    pub values: Vec<String>,
}

/// Who signs tokens, and how they are taken.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtProvider {
    /// The issuer: what `iss` is, byte for byte. No two providers of one rule have the same.
    pub issuer: String,

    /// Of `aud` one has to be one of these. Left out: any, which is only safe where the issuer serves nobody else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,

    /// Its public keys.
    pub jwks: Jwks,

    /// The algorithms of signatures that are taken. Left out: all of them, each with keys of its own kind alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub algorithms: Vec<JwtAlgorithm>,

    /// Where tokens are looked for; the first place that has one counts. Left out: `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<TokenSource>,

    /// Whether the token is taken out of the request before it goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove_token: bool,

    /// Headers that tell backends what the token says. What clients send by these names is thrown away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claim_headers: Vec<ClaimHeader>,

    /// Seconds by which clocks may differ, at most 3,600. Left out: 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<u32>,
}

/// The public keys of a provider: a JSON Web Key Set (RFC 7517).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Jwks {
    /// Fetched, and again by and by.
    Remote(RemoteJwks),
    /// The JSON of the set. It has public keys alone.
    Inline(String),
}

/// Where keys are fetched.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteJwks {
    /// The URL, such as `https://login.example.com/jwks.json`.
    pub uri: String,

    /// Certificates of authorities in PEM, for `https`. Left out: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,

    /// Seconds from one fetch to the next, from 10 to 86,400. Left out: 300. A token whose key is not known has it fetched
    /// at once, though not more often than every 10 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_seconds: Option<u32>,
}

/// An algorithm of signatures with public keys (RFC 7518 section 3.1, RFC 8037). Those with shared secrets are for nobody
/// who has public keys.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "they are the names of the RFC")]
pub enum JwtAlgorithm {
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "RS384")]
    Rs384,
    #[serde(rename = "RS512")]
    Rs512,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "PS384")]
    Ps384,
    #[serde(rename = "PS512")]
    Ps512,
}

/// A place of a request that may have a token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum TokenSource {
    /// A header.
    Header(TokenHeader),
    /// A cookie.
    Cookie(CookieName),
}

/// A header with a token.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenHeader {
    /// Its name.
    pub name: HeaderName,
    /// What stands before the token, such as `Bearer`, in capitals or not, and then a space. Left out: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A header that has a claim.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimHeader {
    /// The claim. A list of texts is written with commas between, anything else as JSON.
    pub claim: Claim,
    /// The name of the header.
    pub header: HeaderName,
}

/// A claim of a token: its name, or a pointer into claims that hold others, such as `/realm_access/roles` (RFC 6901).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(try_from = "String")]
pub struct Claim(String);

impl Claim {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Claim {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        if matches!(text.as_str(), "" | "/") { Err(BadText::Claim(text)) } else { Ok(Self(text)) }
    }
}
