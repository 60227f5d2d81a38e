//! `cargo xtask bench`: the benchmarks. They compare within one run; absolute times differ from machine to machine.

use std::process::Command;

use anyhow::{Result, bail};

use crate::workspace_root;

/// Runs the verb.
pub(crate) fn run() -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace_root()).args([
        "bench",
        "--locked",
        "--package",
        "flotilla-operator",
        "--bench",
        "reconcile",
    ]);
    let status = cargo.status()?;
    if !status.success() {
        bail!("the benchmarks ended with {status}");
    }
    Ok(())
}
