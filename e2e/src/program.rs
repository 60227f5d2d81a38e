//! Programs that tests run as a person would.

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncWriteExt, process::Command};

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
}

/// Runs the program that an environment variable names, with `input` on its standard input.
///
/// # Errors
/// When the variable is missing and there is no default, or the program cannot be started.
pub async fn program(
    variable: &str,
    default: Option<&str>,
    arguments: &[&str],
    input: &str,
) -> Result<Ended> {
    let program = match (std::env::var(variable), default) {
        (Ok(program), _) => program,
        (Err(_), Some(default)) => default.to_owned(),
        (Err(_), None) => bail!("set {variable} to the program, or run cargo xtask test"),
    };
    let mut child = Command::new(&program)
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    Ok(Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout)?,
        stderr: String::from_utf8(output.stderr)?,
    })
}
