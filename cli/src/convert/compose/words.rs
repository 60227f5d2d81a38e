//! Commands: a list, or a line that is taken apart as a shell would.

use serde_json::Value;

use crate::convert::fields::plain;

/// The words of a command.
pub(super) fn list(value: Option<Value>) -> Value {
    match value {
        Some(Value::Array(items)) => items.iter().map(plain).collect(),
        Some(Value::String(line)) => split(&line).into(),
        _ => Value::Null,
    }
}

/// Words of a line, with quotes and backslashes.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart_as_a_shell_would() {
        let table: [(&str, &[&str]); 5] = [
            ("serve --port 80", &["serve", "--port", "80"]),
            ("sh -c 'echo \"a b\"; exit'", &["sh", "-c", "echo \"a b\"; exit"]),
            (r#"a "b \" c" d\ e"#, &["a", "b \" c", "d e"]),
            ("a '' b", &["a", "", "b"]),
            ("  ", &[]),
        ];
        for (line, expected) in table {
            assert_eq!(split(line), expected, "{line}");
        }
    }
}
