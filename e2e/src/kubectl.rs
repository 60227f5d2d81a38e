//! kubectl, for what a person would do with it.

use anyhow::{Result, bail};

use crate::program::{Ended, program};

/// Runs `kubectl` with these arguments, `input` on its standard input, and returns what it prints. The error of a
/// failure is what it printed on standard error.
///
/// `KUBECTL` may name the program.
pub async fn kubectl(arguments: &[&str], input: &str) -> Result<String> {
    let Ended { code, stdout, stderr } = program("KUBECTL", Some("kubectl"), arguments, input).await?;
    if code != Some(0) {
        bail!("kubectl {}: {}", arguments.join(" "), stderr.trim());
    }
    Ok(stdout)
}

/// What a server-side apply by this manager would change; empty when nothing.
pub async fn server_side_diff(manager: &str, arguments: &[&str], input: &str) -> Result<String> {
    let manager = format!("--field-manager={manager}");
    let all = [&["diff", "--server-side", &manager, "-f", "-"], arguments].concat();
    let Ended { code, stdout, stderr } = program("KUBECTL", Some("kubectl"), &all, input).await?;
    match code {
        Some(0 | 1) => Ok(stdout),
        _ => bail!("kubectl {}: {}", all.join(" "), stderr.trim()),
    }
}
