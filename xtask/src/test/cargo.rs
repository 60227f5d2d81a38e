//! Tests by cargo.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cluster::{Cluster, GITOPS, HELM, Provider};
use crate::{images, workspace_root};

pub(super) fn test_command(cargo_arguments: &[&str], test_arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(workspace_root())
        // With one selection of packages, whatever is tested: another one has other features, and is all compiled again.
        .args(["test", "--locked", "--no-fail-fast", "--workspace", "--features", "flotilla-operator/bin"])
        .args(cargo_arguments)
        .arg("--")
        .args(test_arguments);
    // A stale snapshot fails; it is not rewritten behind one's back.
    cargo.env("INSTA_UPDATE", "no");
    cargo
}

/// Runs `cargo test`; with a cluster, tests find it and its tools in their environment.
pub(super) fn cargo_test(
    cargo_arguments: &[&str],
    test_arguments: &[&str],
    cluster: Option<&Cluster>,
) -> Result<()> {
    let mut cargo = test_command(cargo_arguments, test_arguments);
    if let Some(cluster) = cluster {
        cargo.env("KUBECONFIG", &cluster.kubeconfig).env("KUBECTL", cluster.kubectl.program());
        cargo.env("HELM", HELM.build()?.program("helm"));
        cargo.env("FLOTILLA_GITOPS", GITOPS.build()?.program("gitops"));
        cargo.env("FLOTILLA_OPERATOR", images::operator_program()?);
        match &cluster.audit_log {
            Some(log) => drop(cargo.env("FLOTILLA_AUDIT_LOG", log)),
            None if cluster.provider == Provider::External
                && std::env::var_os("FLOTILLA_AUDIT_LOG").is_none() =>
            {
                bail!(
                    "these tests count requests in the API server's audit log: set FLOTILLA_AUDIT_LOG to its file (JSON, level Metadata)"
                )
            }
            None => {}
        }
    }
    run_tests(&mut cargo)
}

/// Runs them, and says at the end which failed: what comes in between is long.
pub(super) fn run_tests(cargo: &mut Command) -> Result<()> {
    let mut cargo = cargo.stdout(Stdio::piped()).spawn()?;
    let output = cargo.stdout.take().context("cargo has an output")?;
    let mut failures = Failures::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        failures.hear(&line);
    }
    let status = cargo.wait()?;
    if !status.success() {
        bail!("cargo test ended with {status}\n{}", failures.told.join("\n"));
    }
    Ok(())
}

/// What a test runner says of tests that fail.
#[derive(Default)]
struct Failures {
    told: Vec<String>,
    /// The next line is what somebody panicked with.
    is_next: bool,
}

impl Failures {
    fn hear(&mut self, line: &str) {
        let is_panic = line.starts_with("thread '") && line.contains(" panicked at ");
        let is_failure = line.starts_with("test ") && line.ends_with(" FAILED");
        if is_panic || is_failure || self.is_next {
            self.told.push(line.to_owned());
        }
        self.is_next = is_panic;
    }
}

#[cfg(test)]
mod tests {
    use super::Failures;

    #[test]
    fn what_fails_is_told_with_its_reason() {
        let output = "running 2 tests\ntest one ... ok\ntest two ... FAILED\n\nfailures:\n\n---- two stdout ----\n\n\
                      thread 'two' (7) panicked at a.rs:1:2:\nno such thing\nnote: run with `RUST_BACKTRACE=1`\n";
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.hear(line));
        let expected = ["test two ... FAILED", "thread 'two' (7) panicked at a.rs:1:2:", "no such thing"];
        assert_eq!(failures.told, expected);
    }
}
