//! Unsubscribing without logging in (RFC 8058): programs post at once; people see a page first, as scanners of mail follow links.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{Path, Problem};

use super::App;
use crate::{
    domain::category::Category,
    store::preferences,
    unsubscribe::{Unsubscribe, open},
};

/// Tries when somebody else changes the same preferences.
const TRIES: u32 = 5;

fn opened(app: &App, token: &str) -> Result<Unsubscribe, Problem> {
    open(&app.keys, token)
        .ok_or_else(|| Problem::not_found("this link unsubscribes nobody; take the whole one"))
}

/// The words of the page.
struct Words {
    locale: &'static str,
    title: &'static str,
    question: &'static str,
    categories: [&'static str; 4],
    done: &'static str,
}

const ENGLISH: Words = Words {
    locale: "en",
    title: "Unsubscribe",
    question: "Do you want no more messages like this?",
    categories: ["Security", "Orders", "What is good to know of your orders", "News of the shop"],
    done: "Done. You get no more of these.",
};

const GERMAN: Words = Words {
    locale: "de",
    title: "Abbestellen",
    question: "Möchtest du solche Nachrichten nicht mehr bekommen?",
    categories: ["Sicherheit", "Bestellungen", "Wissenswertes zu deinen Bestellungen", "Neues aus dem Shop"],
    done: "Erledigt. Du bekommst keine mehr davon.",
};

impl Words {
    /// In the language that a browser wants most.
    fn of(headers: &HeaderMap) -> &'static Self {
        let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|wanted| wanted.to_str().ok());
        let is_german = wanted.is_some_and(|wanted| {
            wanted.get(..2).is_some_and(|language| language.eq_ignore_ascii_case(GERMAN.locale))
        });
        if is_german { &GERMAN } else { &ENGLISH }
    }

    const fn category(&self, category: Category) -> &'static str {
        let [security, orders, updates, marketing] = self.categories;
        match category {
            Category::Security => security,
            Category::Orders => orders,
            Category::Updates => updates,
            Category::Marketing => marketing,
        }
    }
}

fn page(words: &Words, text: &str) -> Response {
    let (locale, title) = (words.locale, words.title);
    let html = format!(
        "<!doctype html><html lang={locale}><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><body style=\"font:16px/1.5 sans-serif;max-width:36rem;margin:3rem auto;padding:0 \
         1rem\">{text}</html>"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "accept-language"),
    ];
    (headers, html).into_response()
}

/// Asks whether it is meant.
#[utoipa::path(get, path = "/v1/unsubscribe/{token}", tag = "preferences", params(("token" = String, Path)),
    responses((status = 200, content_type = "text/html", body = String)))]
pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let of = opened(&app, &token)?;
    let words = Words::of(&headers);
    // All of them are words of this program.
    let (category, channel) = (words.category(of.category), of.channel.as_str());
    let text = format!(
        "<p>{}</p><p>{category} ({channel})</p><form method=post><button>{}</button></form>",
        words.question, words.title
    );
    Ok(page(words, &text))
}

/// Unsubscribes.
#[utoipa::path(post, path = "/v1/unsubscribe/{token}", tag = "preferences", params(("token" = String, Path)),
    responses((status = 200, content_type = "text/html", body = String),
        (status = 409, description = "It cannot be switched off")))]
pub(super) async fn unsubscribe(
    State(app): State<App>,
    headers: HeaderMap,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let of = opened(&app, &token)?;
    let words = Words::of(&headers);
    for _try in 0..TRIES {
        let mut connection = app.pool.acquire().await?;
        let (mut preferences, version) = preferences::get(&mut connection, of.user).await?;
        connection.done();
        preferences
            .set(of.category, of.channel, false)
            .map_err(|error| Problem::new(StatusCode::CONFLICT, "mandatory", error.to_string()))?;
        if preferences::put(&app.pool, of.user, &preferences, version).await?.is_some() {
            return Ok(page(words, &format!("<p>{}</p>", words.done)));
        }
    }
    Err(Problem::unavailable(
        std::time::Duration::from_secs(1),
        "these preferences are being changed; try again",
    ))
}
