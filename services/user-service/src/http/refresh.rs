//! Refresh tokens: each is exchanged once (see `domain::rotation`).

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use flotilla_kit::{
    Secret,
    http::{Json, Problem as Failure},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Answer, tokens};
use crate::{
    app::App,
    crypto::{Purpose, Token, Unable},
    domain::rotation::{Decision, decide},
    events::{self, Fact},
    store::{accounts, audit, sessions},
};

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    #[schema(value_type = String)]
    refresh_token: Secret<String>,
}

/// Exchanges a refresh token for new tokens.
#[utoipa::path(post, path = "/v1/auth/refresh", tag = "auth", request_body = Refresh, responses(
    (status = 200, description = "New tokens. Sent again within seconds, the same token gets the same answer", body = tokens::Tokens),
    (status = 401, description = "The token is none, or the session has ended"),
))]
pub(super) async fn refresh(State(app): State<App>, Json(sent): Json<Refresh>) -> Answer {
    let token = Token::parse(&sent.refresh_token).ok_or_else(invalid)?;
    let hash = token.hash();
    let mut transaction = app.pool.begin().await?;
    let presented = sessions::present(&mut transaction, &hash).await?.ok_or_else(invalid)?;
    let (user, session) = (presented.user_id, presented.session_id);
    let successor = match decide(&presented.rule, presented.now, app.config.lifetimes.grace()) {
        Decision::Refuse => return Err(invalid()),
        Decision::Compromised => {
            sessions::end(&mut transaction, user, session, "compromised").await?;
            audit::append(&mut transaction, None, user, "session_compromised", json!({ "session": session }))
                .await?;
            events::append(&mut transaction, user, &Fact::SessionCompromised { session }).await?;
            transaction.commit().await?;
            app.wake.wake();
            tracing::warn!(%session, "a refresh token was used twice; its session is ended");
            return Err(invalid());
        }
        Decision::Repeat => {
            let sealed = presented.successor.ok_or_else(invalid)?;
            let opened = app.master.open(Purpose::Successor, hash.as_bytes(), &sealed)?;
            let text = String::from_utf8(opened.into_exposed()).map_err(|_| Unable)?;
            Token::parse(&Secret::new(text)).ok_or(Unable)?
        }
        Decision::Rotate => {
            let successor = Token::random()?;
            let sealed =
                app.master.seal(Purpose::Successor, hash.as_bytes(), successor.expose().as_bytes())?;
            let lifetime = app.config.lifetimes.refresh();
            sessions::issue(&mut transaction, session, Some(&hash), &successor.hash(), lifetime).await?;
            sessions::exchanged(&mut transaction, session, &hash, &successor.hash(), &sealed).await?;
            successor
        }
    };
    let account = accounts::get(&mut *transaction, user).await?.ok_or_else(invalid)?;
    transaction.commit().await?;
    tokens::answer(&app, user, account.role_names(), session, &successor)
}

/// Ends the session of a refresh token (RFC 7009). One that is none is as good as ended.
#[utoipa::path(post, path = "/v1/auth/logout", tag = "auth", request_body = Refresh, responses(
    (status = 204, description = "The session is ended"),
))]
pub(super) async fn logout(State(app): State<App>, Json(sent): Json<Refresh>) -> Answer {
    if let Some(token) = Token::parse(&sent.refresh_token) {
        let mut transaction = app.pool.begin().await?;
        if let Some(presented) = sessions::present(&mut transaction, &token.hash()).await? {
            let (user, session) = (presented.user_id, presented.session_id);
            if sessions::end(&mut transaction, user, session, "logout").await? {
                audit::append(
                    &mut transaction,
                    Some(user),
                    user,
                    "logged_out",
                    json!({ "session": session }),
                )
                .await?;
            }
        }
        transaction.commit().await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// It is none, or over, or somebody else has it as well: nobody hears which.
fn invalid() -> Failure {
    let detail = "the refresh token is not valid, or no longer; log in again";
    Failure::new(StatusCode::UNAUTHORIZED, "refresh_token_invalid", detail)
}
