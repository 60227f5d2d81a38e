//! Names in greetings. Whoever registers with somebody else's address chooses the name in the mail that those get: a name must
//! not be a message of its own, with a link in it.

/// Characters that a name may have.
const MAX: usize = 60;

/// The name to greet somebody by. Empty: it is none.
pub fn greeting(name: &str) -> &str {
    let name = name.trim();
    let is_short = name.chars().count() <= MAX;
    let is_plain = !name.chars().any(|character| character.is_control() || "/\\:@".contains(character));
    if is_short && is_plain && !has_host(name) { name } else { "" }
}

/// Whether a program that reads mail might make a link of a part: `example.com`, but not `J.R.`
fn has_host(name: &str) -> bool {
    let is_label = |label: Option<&&str>| {
        label.is_some_and(|label| {
            label.chars().count() >= 2
                && label.chars().all(|character| character.is_alphanumeric() || character == '-')
        })
    };
    name.split_whitespace().any(|word| {
        let labels: Vec<_> =
            word.trim_matches(|character: char| !character.is_alphanumeric()).split('.').collect();
        labels.windows(2).any(|pair| is_label(pair.first()) && is_label(pair.last()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_and_no_message() {
        for name in ["Ann", "Ann & Ben", "J.R. Smith", "Dr. Ann O'Neill-Müller", "安妮", "<b>Ann"] {
            assert_eq!(greeting(name), name);
        }
        assert_eq!(greeting("  Ann "), "Ann");
        for message in [
            "https://evil.example",
            "win at evil.example now",
            "(evil.example)",
            "www.evil.example",
            "mail me@evil",
            "a\nb",
            &"a".repeat(61),
            "",
        ] {
            assert_eq!(greeting(message), "", "{message}");
        }
    }
}
