//! What is in a message (RFC 5322), for those that read it.

use mail_parser::{HeaderValue, MessageParser};
use serde::Serialize;

/// A mail as it was delivered.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// Who sent it, by the envelope. Empty: it tells of another that could not be delivered.
    pub sender: String,
    /// Whom it was for, by the envelope.
    pub recipients: Vec<String>,
    /// As which user it was sent.
    pub user: Option<String>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Its subject.
    pub subject: String,
    /// Its headers, in their order, unfolded.
    pub headers: Vec<(String, String)>,
    /// Its text.
    pub text: Option<String>,
    /// Its HTML.
    pub html: Option<String>,
    /// All of it.
    #[serde(skip)]
    pub raw: Vec<u8>,
}

impl Mail {
    /// What is in a message.
    pub fn parse(
        sender: String,
        recipients: Vec<String>,
        user: Option<String>,
        tls: bool,
        raw: Vec<u8>,
    ) -> Self {
        let mut mail = Self {
            sender,
            recipients,
            user,
            tls,
            subject: String::new(),
            headers: Vec::new(),
            text: None,
            html: None,
            raw,
        };
        let Some(message) = MessageParser::default().parse(&mail.raw) else { return mail };
        let headers: Vec<_> =
            message.headers_raw().map(|(name, value)| (name.to_owned(), unfold(value))).collect();
        let subject = message.subject().unwrap_or_default().to_owned();
        // The parser makes one of the other when a message has one only; here that is to be seen.
        let has = |kind: &str| {
            message.parts.iter().any(|part| {
                let declared = part.headers.iter().find(|header| header.name() == "Content-Type");
                match declared.map(|header| &header.value) {
                    Some(HeaderValue::ContentType(of)) => of.subtype() == Some(kind),
                    _ => kind == "plain",
                }
            })
        };
        let text = message.body_text(0).filter(|_| has("plain")).map(std::borrow::Cow::into_owned);
        let html = message.body_html(0).filter(|_| has("html")).map(std::borrow::Cow::into_owned);
        (mail.headers, mail.subject, mail.text, mail.html) = (headers, subject, text, html);
        mail
    }

    /// The content of a header, when it has it.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// RFC 5322, section 2.2.3.
fn unfold(value: &str) -> String {
    value.replace("\r\n", "").replace('\n', "").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Mail {
        Mail::parse(String::new(), Vec::new(), None, false, raw.replace('\n', "\r\n").into_bytes())
    }

    #[test]
    fn text_and_html_are_told_apart_and_decoded() {
        let mail = parse(
            "Subject: =?utf-8?Q?Bestellung_best=C3=A4tigt?=\nMessage-ID: <a@shop>\nList-Unsubscribe: <https://a>,\n <mailto:b>\n\
             MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=x\n\n--x\nContent-Type: text/plain; \
             charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe\n--x\nContent-Type: \
             text/html; charset=utf-8\n\n<p>Hallo</p>\n--x--\n",
        );
        assert_eq!(mail.subject, "Bestellung bestätigt");
        assert_eq!(mail.header("message-id"), Some("<a@shop>"));
        assert_eq!(mail.header("List-Unsubscribe"), Some("<https://a>, <mailto:b>"));
        assert_eq!(mail.text.as_deref().map(str::trim), Some("Grüße"));
        assert_eq!(mail.html.as_deref().map(str::trim), Some("<p>Hallo</p>"));
    }

    #[test]
    fn a_part_that_is_not_there_is_not_made_up() {
        let mail = parse("Subject: a\nContent-Type: text/html\n\n<p>only</p>\n");
        assert_eq!((mail.text, mail.html.is_some()), (None, true));
        let mail = parse("Subject: a\n\nonly\n");
        assert_eq!((mail.html, mail.text.is_some()), (None, true));
        assert_eq!(parse("").subject, "");
    }
}
