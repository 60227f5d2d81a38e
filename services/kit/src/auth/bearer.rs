//! Tokens from outside (RFC 6750, RFC 7519).

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use serde::{Deserialize, Serialize};

use super::{
    Jwks, Refused,
    keys::{key_id, verify},
};
use crate::http::{Problem, layer::only};

/// Seconds that clocks may differ.
const LEEWAY: u64 = 30;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// The user.
    pub sub: String,
    /// The session.
    pub sid: String,
    /// What the user is.
    #[serde(default)]
    pub roles: Vec<String>,
    /// When it ends, in seconds.
    pub exp: u64,
    /// When it was issued, in seconds.
    pub iat: u64,
}

impl Claims {
    /// That the user is this, or 403.
    pub fn require(&self, role: &str) -> Result<(), Problem> {
        if self.roles.iter().any(|has| has == role) {
            return Ok(());
        }
        let detail = format!("this is for those with the role {role}");
        Err(Problem::new(StatusCode::FORBIDDEN, "role_missing", detail))
    }
}

/// Checks tokens.
#[derive(Clone, Debug)]
pub struct Verifier {
    jwks: Arc<Jwks>,
    issuer: Arc<str>,
    audience: Arc<str>,
}

impl Verifier {
    /// Of an issuer, for an audience, by the issuer's keys.
    pub fn new(jwks: Arc<Jwks>, issuer: &str, audience: &str) -> Self {
        Self { jwks, issuer: issuer.into(), audience: audience.into() }
    }

    /// What a token says, if it is to be believed.
    pub async fn verify(&self, token: &str) -> Result<Claims, Refused> {
        let id = key_id(token, None)?;
        let key = self.jwks.key(&id).await?.ok_or(Refused::Invalid("its key is not known"))?;
        verify(token, &key, &self.issuer, &self.audience, LEEWAY)
    }
}

/// The token of a request, as it was sent.
pub fn token(headers: &HeaderMap) -> Result<&str, Refused> {
    let sent = only(headers, header::AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
    let token = sent.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    token.map(|(_, token)| token.trim()).ok_or(Refused::Missing)
}

/// Who makes a request, by its token. Without a good one it rejects with 401.
#[derive(Clone, Debug)]
pub struct Bearer(pub Claims);

impl<S> FromRequestParts<S> for Bearer
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(Verifier::from_ref(state).verify(token(&parts.headers)?).await?))
    }
}
