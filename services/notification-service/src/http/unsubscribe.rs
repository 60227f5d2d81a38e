//! Unsubscribing without logging in (RFC 8058): programs post at once; people see a page first, as scanners of mail follow links.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{Path, Problem};

use super::App;
use crate::{
    store::preferences,
    unsubscribe::{Unsubscribe, open},
};

/// Tries when somebody else changes the same preferences.
const TRIES: u32 = 5;

fn opened(app: &App, token: &str) -> Result<Unsubscribe, Problem> {
    open(&app.keys, token)
        .ok_or_else(|| Problem::not_found("this link unsubscribes nobody; take the whole one"))
}

fn page(text: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Unsubscribe</title><body style=\"font:16px/1.5 sans-serif;max-width:36rem;margin:3rem auto;padding:0 \
         1rem\">{text}</html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, html).into_response()
}

/// Asks whether it is meant.
#[utoipa::path(get, path = "/v1/unsubscribe/{token}", tag = "preferences", params(("token" = String, Path)),
    responses((status = 200, content_type = "text/html"), (status = 404)))]
pub(super) async fn show(State(app): State<App>, Path(token): Path<String>) -> Result<Response, Problem> {
    let of = opened(&app, &token)?;
    // Both are words of this program.
    let (category, channel) = (of.category.as_str(), of.channel.as_str());
    let text = format!(
        "<p>Do you want no more messages about {category} by {channel}?</p><form method=post><button>Unsubscribe</button></form>"
    );
    Ok(page(&text))
}

/// Unsubscribes.
#[utoipa::path(post, path = "/v1/unsubscribe/{token}", tag = "preferences", params(("token" = String, Path)),
    responses((status = 200, content_type = "text/html"), (status = 404)))]
pub(super) async fn unsubscribe(
    State(app): State<App>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let of = opened(&app, &token)?;
    for _try in 0..TRIES {
        let mut connection = app.pool.acquire().await?;
        let (mut preferences, version) = preferences::get(&mut connection, of.user).await?;
        drop(connection);
        preferences
            .set(of.category, of.channel, false)
            .map_err(|error| Problem::new(StatusCode::CONFLICT, "mandatory", error.to_string()))?;
        if preferences::put(&app.pool, of.user, &preferences, version).await?.is_some() {
            return Ok(page("<p>Done. You get no more of these.</p>"));
        }
    }
    Err(Problem::unavailable(
        std::time::Duration::from_secs(1),
        "these preferences are being changed; try again",
    ))
}
