//! What a program says: all of it in a file, a JSON object a line; what a person should know on the terminal.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Map, Value};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{ChildStderr, ChildStdout},
    task::JoinSet,
};

use super::Error;
use crate::name::Name;

/// Lines that are told of a program that has failed.
const TAIL: usize = 10;

/// What of it is shown to a person as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing: much goes wrong, and is meant to.
    Nothing,
    /// What matters.
    Warnings,
    /// All of it.
    Everything,
}

/// The end of what a program has said.
type Tail = Arc<Mutex<VecDeque<String>>>;

/// What a program says.
#[derive(Debug)]
pub(super) struct Journal {
    tail: Tail,
    readers: JoinSet<()>,
}

impl Journal {
    /// Keeps what comes, to its end: what services log, and the accesses that the gateway does.
    pub(super) fn keep(
        name: Name,
        output: Option<ChildStdout>,
        errors: Option<ChildStderr>,
        path: &Path,
        shown: Shown,
    ) -> Result<Self, Error> {
        let fail = |source| Error::File(format!("{} cannot be written", path.display()), source);
        let open = || OpenOptions::new().create(true).append(true).open(path).map_err(fail);
        let (tail, mut readers) = (Tail::default(), JoinSet::new());
        if let Some(output) = output {
            readers.spawn(read(name, output, open()?, Arc::clone(&tail), shown));
        }
        if let Some(errors) = errors {
            readers.spawn(read(name, errors, open()?, Arc::clone(&tail), shown));
        }
        Ok(Self { tail, readers })
    }

    /// Waits until a program that has ended has been heard.
    pub(super) async fn finish(&mut self) {
        while self.readers.join_next().await.is_some() {}
    }

    /// The end of what it has said.
    pub(super) fn said(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.iter().fold(String::new(), |said, line| said + "\n  " + line)
    }
}

/// Reads to the end. A line is written as a whole, beside those of another reader.
async fn read(name: Name, source: impl AsyncRead + Unpin, mut file: File, tail: Tail, shown: Shown) {
    let mut reader = BufReader::new(source);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).await.is_ok_and(|count| count > 0) {
        // A full disk must not stop a program that waits to be heard.
        let _written = file.write_all(&bytes).is_ok();
        let text = String::from_utf8_lossy(&bytes);
        let line = Line::read(text.trim_end());
        if shown == Shown::Everything || shown == Shown::Warnings && line.matters {
            let _shown = writeln!(io::stderr(), "{name:<20} {}", line.text).is_ok();
        }
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        while tail.len() >= TAIL {
            tail.pop_front();
        }
        tail.push_back(line.text);
        drop(tail);
        bytes.clear();
    }
}

/// A line, for a person.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    text: String,
    /// Whether a person should know.
    matters: bool,
}

impl Line {
    /// Of what a program wrote. What is no line of a log, such as the last words of one that fails, always matters.
    fn read(text: &str) -> Self {
        match serde_json::from_str::<Map<String, Value>>(text) {
            Ok(fields) => Self::of(&fields),
            Err(_) => Self { text: text.to_owned(), matters: !text.is_empty() },
        }
    }

    fn of(fields: &Map<String, Value>) -> Self {
        let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let level = field("level");
        let mut text = format!("{level:<5} {}", field("message"));
        let rest = fields.iter().filter(|(name, _)| {
            !["timestamp", "level", "message", "target", "span"].contains(&name.as_str())
        });
        let correlation = fields.get("span").and_then(|span| span.get("correlation_id"));
        let correlation = correlation.map(|id| ("correlation_id", id));
        for (name, value) in rest.map(|(name, value)| (name.as_str(), value)).chain(correlation) {
            // Writing to a text cannot fail.
            let _written = match value {
                Value::String(value) => write!(text, " {name}={value}"),
                other => write!(text, " {name}={other}"),
            }
            .is_ok();
        }
        Self { text, matters: matches!(level, "WARN" | "ERROR") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short_and_warnings_and_last_words_matter() {
        let line = Line::read(
            r#"{"timestamp":"2026-01-01T00:00:00Z","level":"WARN","message":"no answer","status":503,"target":"a::b","span":{"correlation_id":"c-1","name":"request"}}"#,
        );
        let text = "WARN  no answer status=503 correlation_id=c-1".to_owned();
        assert_eq!(line, Line { text, matters: true });
        assert!(!Line::read(r#"{"level":"INFO","message":"it runs"}"#).matters);
        let last = Line::read("Error: SHOP_BUS_URL is needed");
        assert_eq!((last.text.as_str(), last.matters), ("Error: SHOP_BUS_URL is needed", true));
        assert!(!Line::read("").matters);
    }
}
