//! Programs of npm's registry, with exactly what their lockfiles name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::host::{self, Package};
use crate::{cache, process, progress, workspace_root};

/// Node and its npm, which Debian has apart.
const PACKAGES: [Package; 2] = [Package::new("nodejs", "node"), Package::new("npm", "npm")];

/// The Node of this machine.
pub(crate) struct Node {
    /// The program behind the name in `PATH`.
    pub(crate) program: PathBuf,
    /// Such as `20.20.2`.
    pub(crate) version: String,
}

impl Node {
    /// Finds it, or installs it.
    pub(crate) fn find() -> Result<Self> {
        host::require(&PACKAGES)?;
        let program = fs::canonicalize(host::find("node").context("Node is not installed")?)?;
        let version = process::output(Command::new(&program).arg("--version"))?;
        Ok(Self { version: version.trim().trim_start_matches('v').to_owned(), program })
    }

    /// The folder with these files of `source`, which is in the clone, and with the packages that its lockfile names. What
    /// else lies in `source` is somebody's own.
    pub(crate) fn install(&self, source: &str, files: &[&str]) -> Result<PathBuf> {
        let root = workspace_root().join(source);
        let mut key = cache::Key::default().text("node", &self.version);
        for file in files.iter().chain(&MANIFEST) {
            key = key.text("file", file).path(&root.join(file))?;
        }
        cache::entry(source, &key, |out| {
            progress::during(format!("Installing {source}"), || {
                for file in files.iter().chain(&MANIFEST) {
                    copy(&root.join(file), &out.join(file))?;
                }
                let mut npm = Command::new("npm");
                npm.current_dir(out).args(["ci", "--omit=dev", "--no-audit", "--no-fund"]);
                process::run(&mut npm, &cache::root()?.join("logs/npm.log"))
            })
        })
    }
}

/// What npm goes by.
const MANIFEST: [&str; 2] = ["package.json", "package-lock.json"];

fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).with_context(|| format!("copying {}", from.display()));
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
