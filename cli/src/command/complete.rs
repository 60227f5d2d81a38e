//! `__complete`: how kubectl completes the arguments of its plugins.
//!
//! kubectl runs an executable `kubectl_complete-flotilla` with the words so far, the last of them unfinished, and reads one
//! candidate a line, with a tab and its meaning, and at the end a colon and a number: Cobra's protocol.

use clap::{Arg, Args, Command, CommandFactory as _};

use crate::{Answer, Error, args::Cli, output::Terminal};

/// Arguments of `__complete`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The words so far
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Nothing special: the shell completes files where there is no candidate.
const DEFAULT: u8 = 0;
/// No files: there are candidates, or none makes sense.
const NO_FILES: u8 = 4;

/// Prints the candidates.
pub fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Answer, Error> {
    let mut command = Cli::command();
    command.build();
    terminal.data(&candidates(&command, &arguments.words))?;
    Ok(Answer::Yes)
}

fn candidates(root: &Command, words: &[String]) -> String {
    let (last, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
    let mut command = root;
    for word in before {
        if let Some(found) = command.find_subcommand(word) {
            command = found;
        }
    }
    // The value of an option is none of ours, unless it is one of a few.
    if let Some(option) = before.last().and_then(|word| option(command, word)) {
        let values: Vec<_> =
            option.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let directive = if values.is_empty() { DEFAULT } else { NO_FILES };
        return answer(values.into_iter().filter(|value| value.starts_with(last)), directive);
    }
    if last.starts_with('-') {
        let options = command.get_arguments().filter(|option| !option.is_hide_set()).filter_map(|option| {
            Some(described(&format!("--{}", option.get_long()?), option.get_help().map(ToString::to_string)))
        });
        return answer(options.filter(|option| option.starts_with(last)), NO_FILES);
    }
    let subcommands = command.get_subcommands().filter(|found| !found.is_hide_set());
    let names = subcommands
        .filter(|found| found.get_name().starts_with(last))
        .map(|found| described(found.get_name(), found.get_about().map(ToString::to_string)));
    answer(names, NO_FILES)
}

/// The option that a word names, if it takes a value.
fn option<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let long = word.strip_prefix("--");
    let short = word.strip_prefix('-').and_then(|word| word.chars().next().filter(|_| word.len() == 1));
    command.get_arguments().filter(|option| option.get_action().takes_values()).find(|option| {
        (long.is_some() && option.get_long() == long) || (short.is_some() && option.get_short() == short)
    })
}

fn described(name: &str, help: Option<String>) -> String {
    help.map_or_else(|| name.to_owned(), |help| format!("{name}\t{help}"))
}

fn answer(candidates: impl Iterator<Item = String>, directive: u8) -> String {
    candidates.chain([format!(":{directive}")]).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(words: &[&str]) -> Vec<String> {
        let mut command = Cli::command();
        command.build();
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let text = candidates(&command, &words);
        text.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn subcommands_options_and_values_are_completed() {
        let table: [(&[&str], &[&str]); 7] = [
            (&["st"], &["status", ":4"]),
            (&["convert", ""], &["compose", "deployment", "help", ":4"]),
            (&["tree", "hello", "--out"], &["--output", ":4"]),
            (&["tree", "hello", "-o", ""], &["text", "json", "dot", ":4"]),
            (&["tree", "hello", "--output", "d"], &["dot", ":4"]),
            (&["render", "-f", ""], &[":0"]),
            (&["status", "--context", ""], &[":0"]),
        ];
        for (words, expected) in table {
            assert_eq!(complete(words), expected, "{words:?}");
        }
    }
}
