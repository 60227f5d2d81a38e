//! The table of a chart's values, from the comments in its `values.yaml`.

use anyhow::{Result, bail};

/// A row: the value's path, its default as it is written, and what its comment says.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    path: String,
    default: String,
    meaning: String,
}

/// The table in Markdown.
pub(super) fn table(values: &str) -> Result<String> {
    let head = "## Values\n\n| value | default | meaning |\n|---|---|---|\n".to_owned();
    let row = |Row { path, default, meaning }: Row| {
        format!("| `{path}` | `{default}` | {} |\n", meaning.replace('|', "\\|"))
    };
    Ok(rows(values)?.into_iter().map(row).fold(head, |table, row| table + &row))
}

/// Every value that is no map of others. One without a comment of its own has that of the value before or around it.
fn rows(values: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    // The keys around the line, with their indentation and comment.
    let mut around: Vec<(usize, String, String)> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    let mut last = String::new();
    for line in values.lines() {
        let text = line.trim();
        if let Some(words) = text.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        let Some((key, default)) = text.split_once(':') else {
            if text.is_empty() {
                continue;
            }
            bail!("values.yaml has a line that is no `key: value` and no comment: {line}");
        };
        let indent = line.len() - line.trim_start().len();
        around.retain(|(outer, ..)| *outer < indent);
        let own = std::mem::take(&mut comment).join(" ");
        if default.trim().is_empty() {
            around.push((indent, key.to_owned(), own));
            last.clear();
            continue;
        }
        if !own.is_empty() {
            last = own;
        } else if last.is_empty() {
            last = around
                .iter()
                .rev()
                .find_map(|(.., said)| (!said.is_empty()).then(|| said.clone()))
                .unwrap_or_default();
        }
        let mut path: Vec<_> = around.iter().map(|(_, name, _)| name.as_str()).collect();
        path.push(key);
        if last.is_empty() {
            bail!("values.yaml says nothing of {}; write a comment above it", path.join("."));
        }
        rows.push(Row { path: path.join("."), default: default.trim().to_owned(), meaning: last.clone() });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_path_default_and_meaning() {
        let values = "# Where.\nimage:\n  # Whose.\n  tag: \"\"\n\n# How much.\nresources:\n  limits:\n    cpu: 1\n# Where.\nnodeSelector: {}\ntolerations: []\n";
        let found: Vec<_> =
            rows(values).unwrap().into_iter().map(|row| (row.path, row.default, row.meaning)).collect();
        let row = |path: &str, default: &str, meaning: &str| (path.into(), default.into(), meaning.into());
        assert_eq!(
            found,
            [
                row("image.tag", "\"\"", "Whose."),
                row("resources.limits.cpu", "1", "How much."),
                row("nodeSelector", "{}", "Where."),
                row("tolerations", "[]", "Where."),
            ]
        );
    }

    #[test]
    fn a_value_without_a_word_is_refused() {
        assert!(rows("image:\n  tag: x\n").unwrap_err().to_string().contains("image.tag"));
    }
}
