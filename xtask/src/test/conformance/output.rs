//! What a Go test program says (`-test.v=test2json`): all of it to a log, and a line for each test to a person.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};

use anyhow::Result;

/// The test that has all others as its parts.
const ROOT: &str = "TestConformance";
/// In this form, lines of the test program itself have it in front, which tells them from lines of tests.
const MARK: char = '\u{16}';
/// How many of a failed test's last lines are shown.
const TAIL: usize = 12;

/// Follows the output.
pub(super) struct Output<W> {
    log: W,
    summary: Summary,
    /// The last lines of each test that is under way.
    tails: BTreeMap<String, VecDeque<String>>,
    /// Whose lines come now.
    current: Option<String>,
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Summary {
    pub(super) fn passed(self) -> usize {
        self.passed
    }

    pub(super) fn failed(self) -> usize {
        self.failed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl<W: Write> Output<W> {
    pub(super) fn new(log: W) -> Self {
        Self { log, summary: Summary::default(), tails: BTreeMap::new(), current: None }
    }

    /// Reads to the end.
    pub(super) fn follow(mut self, lines: impl Read, person: &mut impl Write) -> Result<Summary> {
        let mut lines = BufReader::new(lines);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            let told = text.strip_prefix(MARK);
            writeln!(self.log, "{}", told.unwrap_or(text))?;
            match told {
                Some(told) => self.told(told, person)?,
                None => self.keep(text),
            }
            line.clear();
        }
        Ok(self.summary)
    }

    /// A line of the test program: `=== RUN   NAME`, or `--- PASS: NAME (1.20s)`.
    fn told(&mut self, line: &str, person: &mut impl Write) -> Result<()> {
        if let Some(begun) = line.strip_prefix("=== ") {
            // A test that waits for its turn says nothing more.
            let name = begun.split_whitespace().nth(1).filter(|_| !begun.starts_with("PAUSE"));
            self.current = name.and_then(test).map(|(name, _)| name.to_owned());
            return Ok(());
        }
        let Some((mark, rest)) = line.strip_prefix("--- ").and_then(|rest| rest.split_once(": ")) else {
            return Ok(());
        };
        let (name, took) = rest.split_once(' ').unwrap_or((rest, ""));
        let Some((name, part)) = test(name) else { return Ok(()) };
        if let Some(part) = part {
            if mark == "FAIL" {
                self.current = Some(name.to_owned());
                self.keep(&format!("failed: {part}"));
            }
            return Ok(());
        }
        let shown = match mark {
            "PASS" => {
                self.summary.passed += 1;
                "ok  "
            }
            "SKIP" => {
                self.summary.skipped += 1;
                "skip"
            }
            _ => {
                self.summary.failed += 1;
                "FAIL"
            }
        };
        writeln!(person, "{shown} {name} {took}")?;
        let tail = self.tails.remove(name).unwrap_or_default();
        if mark == "FAIL" {
            for line in tail {
                writeln!(person, "     {line}")?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, line: &str) {
        let Some(name) = &self.current else { return };
        let tail = self.tails.entry(name.clone()).or_default();
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(line.trim_start().to_owned());
    }
}

/// The test of the suite in a full name, and its part.
fn test(name: &str) -> Option<(&str, Option<&str>)> {
    let name = name.strip_prefix(ROOT)?.strip_prefix('/')?;
    Some(name.split_once('/').map_or((name, None), |(name, part)| (name, Some(part))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_has_a_line_and_a_failed_one_its_last_words() {
        let said = "\u{16}=== RUN   TestConformance\n    suite.go:1: setting up\n\
            \u{16}=== RUN   TestConformance/A\n\u{16}=== PAUSE TestConformance/A\n\
            \u{16}=== RUN   TestConformance/B\n\u{16}=== RUN   TestConformance/B/part\n    b.go:1: it is broken\n\
            \u{16}=== CONT  TestConformance/A\n    a.go:1: --- FAIL: TestConformance/A (0.00s)\n\
            \u{16}--- FAIL: TestConformance/B/part (1.00s)\n\u{16}--- FAIL: TestConformance/B (1.20s)\n\
            \u{16}--- PASS: TestConformance/A (0.10s)\n\u{16}=== RUN   TestConformance/C\n\
            \u{16}--- SKIP: TestConformance/C (0.00s)\n\u{16}--- FAIL: TestConformance (9.00s)\nFAIL\n";
        let (mut log, mut person) = (Vec::new(), Vec::new());
        let summary = Output::new(&mut log).follow(said.as_bytes(), &mut person).unwrap();
        assert_eq!(summary.to_string(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(
            String::from_utf8(person).unwrap(),
            "FAIL B (1.20s)\n     b.go:1: it is broken\n     failed: part\nok   A (0.10s)\nskip C (0.00s)\n"
        );
        assert_eq!(String::from_utf8(log).unwrap(), said.replace(MARK, ""));
    }
}
