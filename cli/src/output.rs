//! Data on standard output, in the form that was asked for; words on standard error.

use std::{fmt::Write as _, io::Write};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Error;

/// A form for programs.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// Where a command writes.
pub struct Terminal<'a> {
    /// Data, for people or for programs.
    pub out: &'a mut (dyn Write + Send),
    /// Everything else.
    pub err: &'a mut (dyn Write + Send),
    /// Colours of `out`.
    pub paint: Paint,
}

impl Terminal<'_> {
    /// Writes data. It is out when this returns, so that a watch can be followed.
    pub fn data(&mut self, text: &str) -> Result<(), Error> {
        self.out.write_all(text.as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// Writes a line for people that is not data.
    pub fn say(&mut self, line: &str) -> Result<(), Error> {
        Ok(writeln!(self.err, "{line}")?)
    }

    /// Writes a value as data in the form that was asked for.
    pub fn value(&mut self, form: Form, value: &impl Serialize) -> Result<(), Error> {
        let text = match form {
            Form::Yaml => yaml(value)?,
            Form::Json => json_text(value)?,
        };
        self.data(&text)
    }
}

/// Several objects in one text: documents of YAML, or a `List` in JSON, as kubectl has it.
pub fn objects(form: Form, objects: &[Value]) -> Result<String, Error> {
    match form {
        Form::Yaml => {
            let documents: Result<Vec<_>, _> = objects.iter().map(yaml).collect();
            Ok(documents?.join("---\n"))
        }
        Form::Json => match objects {
            [one] => json_text(one),
            all => json_text(&json!({"apiVersion": "v1", "kind": "List", "items": all})),
        },
    }
}

/// A value as YAML that ends with a line break.
///
/// Strings that older YAML takes for something else are quoted, because kubectl reads such.
pub fn yaml(value: &impl Serialize) -> Result<String, Error> {
    let options = serde_saphyr::ser_options! { yaml_12: false, compact_list_indent: true };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, value, options)
        .map_err(|error| Error::Format(error.to_string()))?;
    Ok(text)
}

/// A value as JSON that ends with a line break.
pub fn json_text(value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::Format(error.to_string()))?;
    Ok(text + "\n")
}

/// Colours, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint {
    /// Whether there are any.
    pub on: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// What is as it shall be.
    pub fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What may become good or bad.
    pub fn doubtful(self, text: &str) -> String {
        self.with("33", text)
    }

    /// What is wrong.
    pub fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Headings.
    pub fn strong(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Places in a diff.
    pub fn place(self, text: &str) -> String {
        self.with("36", text)
    }
}

/// Adds to a text, which cannot fail.
pub fn add(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).ok();
}

/// Rows as columns, two spaces apart, with no spaces at the end of a line.
///
/// Cells have no colours yet: `paint` gets each padded cell with its row and column.
pub fn table(rows: &[Vec<String>], paint: impl Fn(usize, usize, &str) -> String) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let last = row.iter().rposition(|cell| !cell.is_empty());
        for (column, cell) in row.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            if column > 0 {
                text.push_str("  ");
            }
            text.push_str(&paint(number, column, cell));
            if Some(column) != last {
                let missing = widths.get(column).copied().unwrap_or(0).saturating_sub(cell.chars().count());
                text.extend(std::iter::repeat_n(' ', missing));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubectl_would_take_for_something_else_is_quoted() {
        for text in [
            "yes", "on", "n", "null", "~", "0777", "1e3", "0x10", "12:30:00", "1.0", "true", "", "- a",
            "a: b",
        ] {
            let written = yaml(&json!({"key": text})).unwrap();
            assert!(written.contains(['"', '\'']), "{text:?} became {written:?}");
        }
    }

    #[test]
    fn objects_are_documents_or_a_list() {
        let all = [json!({"kind": "A", "list": [1, {"a": 1, "b": 2}]}), json!({"kind": "B"})];
        assert_eq!(objects(Form::Yaml, &all).unwrap(), "kind: A\nlist:\n- 1\n- a: 1\n  b: 2\n---\nkind: B\n");
        let list: Value = serde_json::from_str(&objects(Form::Json, &all).unwrap()).unwrap();
        assert_eq!((&list["kind"], &list["items"]), (&json!("List"), &json!(all)));
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows =
            [["NAME", "READY", ""], ["a-long-name", "True", "x"]].map(|row| row.map(str::to_owned).to_vec());
        let text = table(&rows, |_, _, cell| cell.to_owned());
        assert_eq!(text, "NAME         READY\na-long-name  True   x\n");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let rows = [vec!["a".to_owned(), "b".to_owned()], vec!["aa".to_owned(), "b".to_owned()]];
        let text = table(&rows, |_, _, cell| Paint { on: true }.good(cell));
        assert!(text.starts_with("\u{1b}[32ma\u{1b}[0m   \u{1b}[32mb"), "{text:?}");
    }
}
