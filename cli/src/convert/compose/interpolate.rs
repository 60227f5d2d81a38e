//! `${NAME}` in a compose file.

use serde_json::Value;

use crate::convert::Notes;

/// Replaces variables in every text of the file.
pub(super) fn all(value: &Value, variable: &dyn Fn(&str) -> Option<String>, notes: &mut Notes) -> Value {
    match value {
        Value::String(text) => Value::String(text_of(text, variable, notes)),
        Value::Array(items) => items.iter().map(|item| all(item, variable, notes)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), all(value, variable, notes))).collect()
        }
        other => other.clone(),
    }
}

fn text_of(text: &str, variable: &dyn Fn(&str) -> Option<String>, notes: &mut Notes) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((inner, after)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            out.push_str(&expression(inner, variable, notes));
            rest = after;
        } else {
            let end =
                after.find(|one: char| !(one.is_ascii_alphanumeric() || one == '_')).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() {
                out.push('$');
            } else {
                out.push_str(&expression(name, variable, notes));
            }
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// `NAME`, `NAME:-default`, `NAME-default`, `NAME:?error` and `NAME?error`; with `:` an empty value is none.
fn expression(inner: &str, variable: &dyn Fn(&str) -> Option<String>, notes: &mut Notes) -> String {
    let end = inner.find(|one: char| !(one.is_ascii_alphanumeric() || one == '_')).unwrap_or(inner.len());
    let (name, operator) = inner.split_at(end);
    let value = variable(name);
    let value = if operator.starts_with(':') { value.filter(|value| !value.is_empty()) } else { value };
    if let Some(value) = value {
        return value;
    }
    if let Some(default) = operator.trim_start_matches(':').strip_prefix('-') {
        return default.to_owned();
    }
    notes
        .add(format!("${{{name}}}: the variable is not set: it counts as empty; set it, or write its value"));
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_in_compose() {
        let variable = |name: &str| match name {
            "TAG" => Some("1.2".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let table = [
            ("app:$TAG", "app:1.2"),
            ("app:${TAG}-x", "app:1.2-x"),
            ("${NONE:-default}", "default"),
            ("${EMPTY:-default}/${EMPTY-default}", "default/"),
            ("$$HOME costs 5$", "$HOME costs 5$"),
        ];
        for (text, expected) in table {
            let mut notes = Notes::default();
            assert_eq!(text_of(text, &variable, &mut notes), expected);
            assert_eq!(notes, Notes::default(), "{text}");
        }
        let mut notes = Notes::default();
        assert_eq!(text_of("a${NONE}b", &variable, &mut notes), "ab");
        assert!(notes.0[0].starts_with("${NONE}: the variable is not set"), "{notes:?}");
    }
}
