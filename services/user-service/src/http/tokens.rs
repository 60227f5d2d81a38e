//! The tokens of a session.

use axum::{
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::{
    database::Transaction,
    http::{Json, Problem},
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::private;
use crate::{
    app::App,
    crypto::Token,
    store::{accounts::Account, audit, sessions},
};

/// Characters of a program's name that are kept.
const MAX_AGENT: usize = 200;

/// The tokens of a session (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// Sent as `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until the access token ends.
    expires_in: u32,
    /// Exchanged for new tokens, once.
    refresh_token: String,
    /// The session.
    session_id: Uuid,
}

/// What program asks, as it says, in one short line.
pub(super) fn user_agent(headers: &HeaderMap) -> String {
    let sent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    sent.chars().filter(|character| !character.is_control()).take(MAX_AGENT).collect()
}

/// Begins a session, in the transaction that shows that it is them.
pub(super) async fn begin(
    app: &App,
    transaction: &mut Transaction<'_>,
    account: &Account,
    user_agent: &str,
    has_second_factor: bool,
) -> Result<(Uuid, Token), Problem> {
    let (session, token) = (Uuid::now_v7(), Token::random()?);
    let lifetimes = &app.config.lifetimes;
    let lifetime = lifetimes.session();
    sessions::begin(&mut *transaction, session, account.id, user_agent, has_second_factor, lifetime).await?;
    sessions::issue(&mut *transaction, session, None, &token.hash(), lifetimes.refresh()).await?;
    let detail = json!({ "session": session, "second_factor": has_second_factor });
    audit::append(&mut *transaction, Some(account.id), account.id, "logged_in", detail).await?;
    Ok((session, token))
}

/// The answer with them.
pub(super) fn answer(
    app: &App,
    user: Uuid,
    roles: Vec<String>,
    session: Uuid,
    refresh: &Token,
) -> Result<Response, Problem> {
    let seconds = app.config.lifetimes.access_seconds;
    let access = app.keyring.sign(user, session, roles, seconds)?;
    let tokens = Tokens {
        access_token: access.into_exposed(),
        token_type: "Bearer",
        expires_in: seconds,
        refresh_token: refresh.expose().to_owned(),
        session_id: session,
    };
    Ok(private(Json(tokens).into_response()))
}
