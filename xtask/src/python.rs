//! Programs of Python's index, each in an environment of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::host::{self, Package};
use crate::process;

const PYTHON3: Package = Package::new("python3", "python3");

/// Debian's Python makes no environment without a package of its own.
const VENV: Package = Package::new("python3-venv", "/usr/share/doc/python3-venv");

/// What environments are made with, which they do not outlive: part of their keys.
pub(crate) fn version() -> Result<String> {
    host::require(&[PYTHON3])?;
    process::output(python3().args(["-c", "import sys; print(sys.version, sys.base_prefix)"]))
}

/// Makes an environment in a folder and installs in it what `pip install` is told; returns its Python.
///
/// Modules of it run also after the folder was renamed, the scripts in it do not.
pub(crate) fn install(folder: &Path, arguments: &[&str], log: &Path) -> Result<PathBuf> {
    if !process::succeeds(python3().args(["-m", "ensurepip", "--version"])) {
        host::require(&[VENV])?;
    }
    process::run(python3().args(["-m", "venv"]).arg(folder), log)?;
    let python = folder.join(PYTHON);
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]).args(arguments);
    process::run(&mut pip, log).context("installing from Python's index")?;
    Ok(python)
}

/// The Python of an environment, from its folder.
pub(crate) const PYTHON: &str = "bin/python";

fn python3() -> Command {
    Command::new("python3")
}
