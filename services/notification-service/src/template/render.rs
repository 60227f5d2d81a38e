//! Makes a mail of a template. What people have in their names cannot become HTML, and a template that asks for what is not
//! there fails, so that nobody gets half a mail.

use std::io;

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, value::Serde};
use serde::Serialize;
use serde_json::Value;

use crate::domain::money;

/// Steps that a template may take.
const FUEL: u64 = 100_000;

/// Bytes that each part may have when it is rendered.
const MAX: usize = 256 * 1024;

/// What that is called within.
const LAYOUT_FILE: &str = "layout.html";

/// What is around the HTML of all.
const LAYOUT: &str = include_str!("../../templates/layout.html");

/// A template as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// 0: the one of the program.
    pub version: i32,
    /// Its language.
    pub locale: String,
    /// A line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// What is within the layout.
    pub html: String,
}

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The subject.
    Subject,
    /// The text.
    Text,
    /// The HTML.
    Html,
}

impl Part {
    /// As a name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Text => "text",
            Self::Html => "html",
        }
    }

    /// What it is called within; the ending says what is escaped.
    const fn file(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Text => "text.txt",
            Self::Html => "html.html",
        }
    }
}

/// Why nothing could be rendered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part is no template, or asks for what is not there.
    #[error("{}: {}", .0.as_str(), describe(.1))]
    Part(Part, #[source] minijinja::Error),
    /// A part has become too large.
    #[error("{}: it has more than {MAX} bytes when it is rendered", .0.as_str())]
    Size(Part),
    /// A subject with nothing in it, or with several lines.
    #[error("subject: write one line")]
    Subject,
}

impl Error {
    /// Where it is.
    pub fn part(&self) -> Part {
        match self {
            Self::Part(part, _) | Self::Size(part) => *part,
            Self::Subject => Part::Subject,
        }
    }
}

fn describe(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::OutOfFuel => "it does not come to an end".to_owned(),
        _ => error.to_string(),
    };
    format!("{what}{line}")
}

/// What templates may ask for.
#[derive(Clone, Debug, Serialize)]
pub struct Context {
    /// The name of the shop.
    pub shop: String,
    /// What links begin with, without a slash at the end.
    pub url: String,
    /// The language of the reader.
    pub locale: String,
    /// The name of the reader; may be empty.
    pub name: String,
    /// What has happened.
    pub data: Value,
    /// The secret of a link, percent-encoded.
    pub token: Option<String>,
    /// The link that unsubscribes.
    pub unsubscribe_url: Option<String>,
}

/// A mail without its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// A page.
    pub html: String,
}

/// Renders a template.
pub fn render(source: &Source, context: &Context) -> Result<Rendered, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|name| {
        if name == Part::Html.file() || name == LAYOUT_FILE { AutoEscape::Html } else { AutoEscape::None }
    });
    let locale = context.locale.clone();
    environment
        .add_filter("money", move |minor: i64, currency: &str| money::format(minor, currency, &locale));
    let fail = |part| move |error| Error::Part(part, error);
    let add = |environment: &mut Environment<'static>, part: Part, text: &str| {
        environment.add_template_owned(part.file(), text.to_owned()).map_err(fail(part))
    };
    add(&mut environment, Part::Subject, &source.subject)?;
    add(&mut environment, Part::Text, &source.text)?;
    let html = format!("{{% extends \"layout.html\" %}}{{% block content %}}{}{{% endblock %}}", source.html);
    environment.add_template(LAYOUT_FILE, LAYOUT).map_err(fail(Part::Html))?;
    add(&mut environment, Part::Html, &html)?;
    let part = |part: Part| {
        let template = environment.get_template(part.file()).map_err(fail(part))?;
        let mut rendered = Limited(Vec::new());
        match template.render_captured_to(Serde(context), &mut rendered) {
            Ok(_captured) => Ok(String::from_utf8_lossy(&rendered.0).into_owned()),
            Err(error) if error.kind() == ErrorKind::WriteFailure => Err(Error::Size(part)),
            Err(error) => Err(Error::Part(part, error)),
        }
    };
    let subject = part(Part::Subject)?.trim().to_owned();
    if subject.is_empty() || subject.chars().any(char::is_control) {
        return Err(Error::Subject);
    }
    Ok(Rendered { subject, text: part(Part::Text)?, html: part(Part::Html)? })
}

/// Keeps as much as a part may have, and fails on more.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    fn source(subject: &str, text: &str, html: &str) -> Source {
        let text_of = str::to_owned;
        Source {
            version: 1,
            locale: "en".into(),
            subject: text_of(subject),
            text: text_of(text),
            html: text_of(html),
        }
    }

    #[test]
    fn a_name_is_text_in_html_and_as_it_is_in_text() {
        let mut context = sample("order_confirmation", "en");
        context.name = "<b>Ann & Ben</b>".to_owned();
        let rendered =
            render(&source("Hi {{ name }}", "Hi {{ name }}", "<p>{{ name }}</p>"), &context).unwrap();
        assert_eq!(
            (rendered.subject.as_str(), rendered.text.as_str()),
            ("Hi <b>Ann & Ben</b>", "Hi <b>Ann & Ben</b>")
        );
        assert!(rendered.html.contains("<p>&lt;b&gt;Ann &amp; Ben&lt;&#x2f;b&gt;</p>"), "{}", rendered.html);
        assert!(rendered.html.starts_with("<!doctype html>"));
    }

    #[test]
    fn amounts_are_written_as_the_reader_writes_them() {
        let german = sample("order_confirmation", "de");
        let text = "{{ data.total_minor | money(data.currency) }}";
        assert_eq!(render(&source("a", text, ""), &german).unwrap().text, "25,00 EUR");
    }

    #[test]
    fn half_a_mail_is_an_error_that_says_where() {
        let context = sample("order_confirmation", "en");
        for (subject, text, html, message) in [
            ("a", "{{ data.nothing }}", "", "text: "),
            ("a", "{{ token }}{{ nothing }}", "", "text: "),
            ("a", "", "{% if %}", "html: "),
            ("{{ name", "", "", "subject: "),
            ("  ", "", "", "subject: write one line"),
            ("a\n\nBcc: b@c", "", "", "subject: write one line"),
            (
                "a",
                "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
                "",
                "come to an end",
            ),
            ("a", "{% include 'secret' %}", "", "text: "),
            ("a", "{% for a in range(99) %}{{ 'x' * 9999 }}{% endfor %}", "", "text: it has more than"),
        ] {
            let error = render(&source(subject, text, html), &context).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
