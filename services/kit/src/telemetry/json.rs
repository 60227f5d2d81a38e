//! Lines of the log as JSON: `timestamp`, `level`, what the event has, `target`, and the `span` that it is in.
//!
//! tracing-subscriber makes the same lines, and parses what it has written of a span and writes it anew with each field that is
//! added and with each line. That was more than a request's own work, so a span is kept here as what a line has of it.

use std::fmt::{self, Debug, Write};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

/// Bytes that most lines have less than.
const LINE: usize = 512;

/// Lines.
pub(super) struct Lines;

impl<S> FormatEvent<S, Fields> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Fields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Members::with_capacity(LINE);
        line.text("timestamp", &format_args!("{:.6}", Timestamp::now()));
        line.value("level", event.metadata().level().as_str());
        event.record(&mut line);
        line.value("target", event.metadata().target());
        if let Some(span) =
            event.parent().and_then(|id| context.span(id)).or_else(|| context.lookup_current())
        {
            line.open("span");
            if let Some(fields) = span.extensions().get::<FormattedFields<Fields>>() {
                line.json.extend_from_slice(fields.as_bytes());
            }
            line.value("name", span.name());
            line.close();
        }
        writer.write_char('{')?;
        writer.write_str(line.json()?)?;
        writer.write_str("}\n")
    }
}

/// What is kept of a span: members of an object.
pub(super) struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut members = Members::default();
        fields.record(&mut members);
        writer.write_str(members.json()?)
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let mut again = Again { known: current, is_so: false };
        fields.record(&mut again);
        let is_again = again.is_so;
        let mut members = Members { json: current.as_bytes().to_owned(), is_broken: false };
        fields.record(&mut members);
        let json = members.json()?;
        current.fields = if is_again { last_of_each(json)? } else { json.to_owned() };
        Ok(())
    }
}

/// Whether something is recorded that was recorded before.
struct Again<'k> {
    known: &'k str,
    is_so: bool,
}

impl Visit for Again<'_> {
    fn record_debug(&mut self, field: &Field, _value: &dyn Debug) {
        // Within a text there is a backslash before the quote.
        self.is_so |= self.known.contains(&format!("\"{}\":", field.name()));
    }
}

/// Members with each name once, with what was written last.
fn last_of_each(members: &str) -> Result<String, fmt::Error> {
    let parsed: Map<String, Value> =
        serde_json::from_str(&format!("{{{members}}}")).map_err(|_| fmt::Error)?;
    let mut members = Members::default();
    for (name, value) in &parsed {
        members.value(name, value);
    }
    Ok(members.json()?.to_owned())
}

/// Members of an object.
#[derive(Default)]
struct Members {
    json: Vec<u8>,
    /// Something could not be written.
    is_broken: bool,
}

impl Members {
    fn with_capacity(bytes: usize) -> Self {
        Self { json: Vec::with_capacity(bytes), is_broken: false }
    }

    fn name(&mut self, name: &str) {
        if !matches!(self.json.last(), None | Some(b'{')) {
            self.json.push(b',');
        }
        self.write(name);
        self.json.push(b':');
    }

    fn write(&mut self, value: &(impl Serialize + ?Sized)) {
        self.is_broken |= serde_json::to_writer(&mut self.json, value).is_err();
    }

    fn value(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        self.write(value);
    }

    fn field(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        if let Some(name) = name(field) {
            self.value(name, value);
        }
    }

    /// What can only be formatted. What comes before an error of somebody's `Debug` is better than no line.
    fn text(&mut self, name: &str, value: &dyn Debug) {
        let mut text = String::new();
        if write!(text, "{value:?}").is_err() {
            text.push_str(" (cannot be written)");
        }
        self.value(name, &text);
    }

    /// An object as the next member.
    fn open(&mut self, name: &str) {
        self.name(name);
        self.json.push(b'{');
    }

    fn close(&mut self) {
        self.json.push(b'}');
    }

    fn json(&self) -> Result<&str, fmt::Error> {
        if self.is_broken {
            return Err(fmt::Error);
        }
        std::str::from_utf8(&self.json).map_err(|_| fmt::Error)
    }
}

/// The name of a field in a log, which has no use for what other layers are told by fields.
fn name(field: &Field) -> Option<&'static str> {
    Some(field.name()).filter(|name| !name.starts_with("otel."))
}

impl Visit for Members {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if let Some(name) = name(field) {
            self.text(name, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, &value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.field(field, &value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.field(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.field(field, &value);
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{fmt, layer::SubscriberExt};

    use super::*;
    use crate::telemetry::written::Written;

    /// What is written while something is done, without the time of each line.
    fn lines(what: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let to = written.clone();
        let layer = fmt::layer().fmt_fields(Fields).event_format(Lines).with_writer(move || to.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), what);
        let text = written.text();
        let without_time = |line: &str| {
            let parsed: Map<String, Value> = serde_json::from_str(line).unwrap();
            let time: Timestamp = parsed["timestamp"].as_str().unwrap().parse().unwrap();
            assert!(Timestamp::now().duration_since(time).as_secs().abs() < 60, "{line}");
            let (begin, rest) = line.split_once(",\"level\"").unwrap();
            assert_eq!(begin.len(), r#"{"timestamp":"2026-11-27T13:00:00.123456Z""#.len(), "{line}");
            format!("\"level\"{rest}")
        };
        text.lines().map(without_time).collect()
    }

    #[test]
    fn a_line_has_what_the_event_has_and_its_span() {
        let lines = lines(|| {
            tracing::info!(target: "of", count = 3_u64, less = -1, part = 0.5, none = f64::NAN, is_so = true, "said");
            let span = tracing::info_span!("request", otel.name = "GET /", id = %"a-1", status = tracing::field::Empty);
            let _entered = span.enter();
            tracing::warn!(target: "of", "before");
            span.record("status", 200);
            tracing::error!(target: "of", error = &std::io::Error::other("gone") as &dyn std::error::Error);
            tracing::info_span!("within").in_scope(|| tracing::debug!(target: "of", "deeper"));
        });
        assert_eq!(
            lines,
            [
                r#""level":"INFO","message":"said","count":3,"less":-1,"part":0.5,"none":null,"is_so":true,"target":"of"}"#,
                r#""level":"WARN","message":"before","target":"of","span":{"id":"a-1","name":"request"}}"#,
                r#""level":"ERROR","error":"gone","target":"of","span":{"id":"a-1","status":200,"name":"request"}}"#,
                r#""level":"DEBUG","message":"deeper","target":"of","span":{"name":"within"}}"#,
            ]
        );
    }

    #[test]
    fn whatever_a_text_has_a_line_is_one_line_of_json() {
        let text = "a \"quote\", a \\ and\na line\u{1} of \u{fc}\u{1f980} }{\",\"level\":\"no";
        let lines = lines(|| {
            let span = tracing::info_span!("request", text, again = "\"text\":");
            let _entered = span.enter();
            tracing::info!(target: "of", sent = ?text, "{text}");
        });
        let line: Value = serde_json::from_str(&format!("{{{}", lines.concat())).unwrap();
        assert_eq!(line["message"], text);
        assert_eq!(line["sent"], format!("{text:?}"));
        assert_eq!(line["span"]["text"], text);
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn what_is_recorded_again_takes_the_place_of_what_was() {
        let lines = lines(|| {
            let span = tracing::info_span!(
                "request",
                status = 1,
                text = "\"other\":}",
                other = tracing::field::Empty
            );
            span.record("status", 2);
            span.record("other", true);
            span.record("status", 3);
            span.in_scope(|| tracing::info!(target: "of", "said"));
        });
        let parsed: Value = serde_json::from_str(&format!("{{{}", lines.concat())).unwrap();
        assert_eq!(lines.concat().matches("\"status\"").count(), 1, "{lines:?}");
        let span = &parsed["span"];
        assert_eq!(
            (&span["status"], &span["other"], &span["text"]),
            (&3.into(), &true.into(), &"\"other\":}".into())
        );
    }

    struct Broken;

    impl Debug for Broken {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("half")?;
            Err(std::fmt::Error)
        }
    }

    #[test]
    fn what_cannot_be_formatted_takes_no_line_away() {
        let lines = lines(|| tracing::info!(target: "of", value = ?Broken, "said"));
        assert_eq!(
            lines,
            [r#""level":"INFO","message":"said","value":"half (cannot be written)","target":"of"}"#]
        );
    }
}
