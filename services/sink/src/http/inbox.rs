//! The inbox, for people. Mail is of strangers: its HTML is shown in a frame that can do nothing but open links.

use std::{fmt::Write, sync::Arc};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{Path, Problem};
use uuid::Uuid;

use crate::{Delivery, Detail, Mail, Sink};

/// Deliveries on the page.
const SHOWN: usize = 200;

/// Characters of each of them.
const CUT: usize = 200;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd}\
    iframe{width:100%;height:32rem;border:1px solid #ddd}pre{white-space:pre-wrap;background:#f6f6f6;padding:1rem}";

/// Of the pages themselves: no script, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'";

/// Of the HTML of a mail. Links open a page of their own.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups \
                           allow-popups-to-escape-sandbox";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn page(title: &str, head: &str, body: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>{head}<style>{STYLE}</style>\
         <h1>{title}</h1>{body}</html>"
    );
    respond(html, POLICY)
}

fn respond(html: String, policy: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, html).into_response()
}

/// What was delivered last.
pub(super) async fn list(State(sink): State<Arc<Sink>>) -> Response {
    let mut rows = String::new();
    for delivery in sink.journal.find(SHOWN, |_| true) {
        rows.push_str(&row(&delivery));
    }
    let body = if rows.is_empty() {
        "<p>Nothing yet.</p>".to_owned()
    } else {
        format!("<table><tr><th>Time<th>To<th>What</tr>{rows}</table>")
    };
    page("Inbox", "<meta http-equiv=refresh content=5>", &body)
}

fn row(delivery: &Delivery) -> String {
    let what = match &delivery.detail {
        Detail::Mail(mail) => {
            let subject = if mail.subject.is_empty() { "(no subject)" } else { &mail.subject };
            format!("<a href=\"/mail/{}\">{}</a>", delivery.id, escape(cut(subject)))
        }
        Detail::Push(pushed) => format!("Push: {}", escape(cut(&pushed.payload))),
        Detail::Webhook { body, .. } => format!("Webhook: {}", escape(cut(body))),
    };
    let time = delivery.time.strftime("%F %T");
    format!("<tr><td>{time}<td>{}<td>{what}</tr>", escape(&delivery.target))
}

/// The beginning of a text.
fn cut(text: &str) -> &str {
    text.char_indices().nth(CUT).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

fn mail(sink: &Sink, id: Uuid) -> Result<Mail, Problem> {
    match sink.journal.get(id).map(|delivery| delivery.detail) {
        Some(Detail::Mail(mail)) => Ok(mail),
        _ => Err(Problem::not_found("there is no such mail, or not any more")),
    }
}

/// A mail.
pub(super) async fn one(State(sink): State<Arc<Sink>>, Path(id): Path<Uuid>) -> Result<Response, Problem> {
    let mail = mail(&sink, id)?;
    let mut body = String::from("<p><a href=\"/\">Inbox</a></p><table>");
    for (name, value) in &mail.headers {
        write_row(&mut body, name, value);
    }
    body.push_str("</table>");
    if mail.html.is_some() {
        body.push_str("<h2>HTML</h2><iframe src=\"");
        body.extend(["/mail/", &id.to_string(), "/html"]);
        body.push_str("\" title=HTML></iframe>");
    }
    if let Some(text) = &mail.text {
        body.extend(["<h2>Text</h2><pre>", &escape(text), "</pre>"]);
    }
    Ok(page(&mail.subject, "", &body))
}

fn write_row(body: &mut String, name: &str, value: &str) {
    // Writing to a text cannot fail.
    let _written = write!(body, "<tr><th>{}<td>{}</tr>", escape(name), escape(value)).is_ok();
}

/// The HTML of a mail, for the frame.
pub(super) async fn html(State(sink): State<Arc<Sink>>, Path(id): Path<Uuid>) -> Result<Response, Problem> {
    let html = mail(&sink, id)?.html.ok_or_else(|| Problem::not_found("this mail has no HTML"))?;
    Ok(respond(format!("<base target=_blank>{html}"), MAIL_POLICY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_text() {
        assert_eq!(escape("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
        assert_eq!((cut("über"), cut(&"ü".repeat(CUT + 1)).chars().count()), ("über", CUT));
    }
}
