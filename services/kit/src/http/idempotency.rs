//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that is repeated with its key is answered as it
//! was the first time, and has no second effect.
//!
//! The key is written in the transaction of the effect. So there is no lease that could end too early: somebody with the same
//! key waits at its row until the first one is committed, and is then given the answer that it stored; when the first one
//! fails, the row goes with its effect.

use std::{borrow::Cow, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{error::DatabaseError, types::Json};

use super::{Problem, layer::only};
use crate::database::{Pool, Transaction};

/// How long an answer is kept.
pub const RETENTION: Duration = Duration::from_secs(24 * 3_600);

/// Bytes that a key may have.
pub(super) const MAX: usize = 255;

/// What Postgres says when a lock was not had in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The headers of an answer that are given again.
const KEPT: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// The key of a request. Without one it rejects with 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A string of Structured Fields (RFC 9651), or without its quotes.
    pub fn parse(text: &str) -> Option<Self> {
        let key = match text.strip_prefix('"') {
            Some(quoted) => unquote(quoted.strip_suffix('"')?)?,
            None => Cow::Borrowed(text),
        };
        let is_good = (1..=MAX).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        is_good.then(|| Self(key.into_owned()))
    }
}

/// Only a quote and a backslash have one before them.
fn unquote(quoted: &str) -> Option<Cow<'_, str>> {
    if !quoted.contains(['"', '\\']) {
        return Some(Cow::Borrowed(quoted));
    }
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => characters.next().filter(|next| matches!(next, '"' | '\\'))?,
            '"' => return None,
            other => other,
        });
    }
    Some(Cow::Owned(text))
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let problem = |code, detail: &'static str, what: &str| {
            Problem::new(StatusCode::BAD_REQUEST, code, detail).of_header("Idempotency-Key", what)
        };
        if !parts.headers.contains_key("idempotency-key") {
            let detail = "send an Idempotency-Key: a new one for each new request, the same one to repeat it";
            return Err(problem("idempotency_key_missing", detail, "is needed"));
        }
        only(&parts.headers, "idempotency-key").and_then(Self::parse).ok_or_else(|| {
            let detail = "the Idempotency-Key cannot be taken";
            problem("idempotency_key_invalid", detail, "must be from 1 to 255 printable ASCII characters")
        })
    }
}

/// A request that is to have an effect once.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who makes it. Others may have the same key.
    pub principal: &'a str,
    /// Its key.
    pub key: &'a IdempotencyKey,
    /// Its method.
    pub method: &'a Method,
    /// Its path.
    pub path: &'a str,
    /// Its body, which has to be the same when it is repeated.
    pub body: &'a [u8],
}

/// Whether it has had its effect.
#[derive(Debug)]
pub enum Begun {
    /// It has not. Its answer has to be stored before the transaction is committed.
    First(Pending),
    /// It has: this is the answer.
    Repeated(Response),
}

/// A request whose answer is still to be stored.
#[derive(Debug)]
#[must_use = "without its answer stored, a repeated request finds none"]
pub struct Pending {
    principal: String,
    key: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Headers(Vec<(String, String)>);

/// Begins a request, in the transaction of its effect.
pub async fn begin(transaction: &mut Transaction<'_>, request: &Request<'_>) -> Result<Begun, Problem> {
    let fingerprint = Sha256::digest(request.body);
    // Whoever comes second waits here for the first one; not for as long as for other locks.
    sqlx::raw_sql("set local lock_timeout = '2s'").execute(&mut **transaction).await?;
    let written = sqlx::query!(
        "insert into kit.idempotency_keys as known (principal, key, method, path, fingerprint)
         values ($1, $2, $3, $4, $5)
         on conflict (principal, key) do update
             set method = excluded.method, path = excluded.path, fingerprint = excluded.fingerprint,
                 status = null, headers = null, body = null, created_at = now()
             where known.created_at < now() - make_interval(secs => $6)",
        request.principal,
        request.key.as_str(),
        request.method.as_str(),
        request.path,
        fingerprint.as_slice(),
        RETENTION.as_secs_f64(),
    )
    .execute(&mut **transaction)
    .await
    .map_err(in_flight)?;
    sqlx::raw_sql("set local lock_timeout to default").execute(&mut **transaction).await?;
    if written.rows_affected() == 1 {
        let (principal, key) = (request.principal.to_owned(), request.key.as_str().to_owned());
        return Ok(Begun::First(Pending { principal, key }));
    }
    let known = sqlx::query!(
        r#"select method, path, fingerprint, status, headers as "headers: Json<Headers>", body
           from kit.idempotency_keys where principal = $1 and key = $2"#,
        request.principal,
        request.key.as_str(),
    )
    .fetch_one(&mut **transaction)
    .await?;
    let is_same = known.method == request.method.as_str()
        && known.path == request.path
        && known.fingerprint == fingerprint.as_slice();
    if !is_same {
        let detail = "this Idempotency-Key was used for another request; take a new one for a new request";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail);
        return Err(problem.of_header("Idempotency-Key", "was used for another request"));
    }
    let status = known.status.and_then(|status| StatusCode::from_u16(status.unsigned_abs()).ok());
    let Some(status) = status else {
        return Err(conflict());
    };
    let mut response = (status, known.body.unwrap_or_default()).into_response();
    response.headers_mut().remove(header::CONTENT_TYPE);
    for (name, value) in known.headers.unwrap_or_default().0.0 {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(Begun::Repeated(response))
}

fn in_flight(error: sqlx::Error) -> Problem {
    let is_locked = error
        .as_database_error()
        .and_then(DatabaseError::code)
        .is_some_and(|code| code == LOCK_NOT_AVAILABLE);
    if is_locked { conflict() } else { error.into() }
}

fn conflict() -> Problem {
    let detail = "a request with this Idempotency-Key is still at work; repeat it in a moment";
    Problem::new(StatusCode::CONFLICT, "idempotency_key_in_flight", detail)
        .retry_after(Duration::from_secs(1))
}

impl Pending {
    /// Stores the answer. The effect and the answer are there once the transaction has been committed.
    pub async fn store(
        self,
        transaction: &mut Transaction<'_>,
        status: StatusCode,
        headers: &[(HeaderName, HeaderValue)],
        body: &Bytes,
    ) -> Result<Response, sqlx::Error> {
        let kept = headers.iter().filter(|(name, _)| KEPT.contains(name));
        let kept = kept.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        sqlx::query!(
            "update kit.idempotency_keys set status = $3, headers = $4, body = $5
             where principal = $1 and key = $2",
            self.principal,
            self.key,
            i16::try_from(status.as_u16()).unwrap_or(i16::MAX),
            Json(Headers(kept.collect())) as _,
            body.as_ref(),
        )
        .execute(&mut **transaction)
        .await?;
        let mut response = (status, body.clone()).into_response();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().extend(headers.iter().cloned());
        Ok(response)
    }
}

/// Forgets answers that are too old, at most so many, and says how many.
pub async fn forget(pool: &Pool, limit: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "delete from kit.idempotency_keys where (principal, key) in (
             select principal, key from kit.idempotency_keys
             where created_at < now() - make_interval(secs => $1)
             order by created_at limit $2 for update skip locked
         )",
        RETENTION.as_secs_f64(),
        limit,
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_string_with_or_without_quotes() {
        let parse = |text: &str| IdempotencyKey::parse(text).map(|key| key.0);
        assert_eq!(parse("8e03978e-40d5").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(parse("\"8e03978e-40d5\"").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(parse(r#""a \"b\" \\""#).as_deref(), Some(r#"a "b" \"#));
        let long = "a".repeat(MAX + 1);
        for bad in ["", "\"\"", "\"open", r#""a"b""#, r#""\a""#, r#""\"#, "tab\t", &long] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
