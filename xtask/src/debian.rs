//! Debian's packages, unpacked into a folder with all that they depend on. Nothing of them is run or installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, process, progress};

/// Who signs Debian's archive.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt as if no package were installed, so that it resolves all that an empty root needs.
pub(crate) struct Apt {
    folder: tempfile::TempDir,
    log: PathBuf,
    /// What makes it look into another suite than the machine's own.
    suite: Vec<String>,
}

impl Apt {
    /// Of the suites that this machine uses.
    pub(crate) fn new() -> Result<Self> {
        let apt = Self {
            folder: tempfile::tempdir()?,
            log: cache::root()?.join("logs/apt.log"),
            suite: Vec::new(),
        };
        fs::write(apt.status(), "")?;
        fs::create_dir_all(apt.archives().join("partial"))?;
        Ok(apt)
    }

    /// Of another suite, from the mirror that this machine uses.
    pub(crate) fn of_suite(suite: &str) -> Result<Self> {
        let mut apt = Self::new()?;
        let source = apt.folder.path().join("suite.list");
        fs::write(&source, format!("deb [signed-by={KEYS}] {} {suite} main\n", mirror()?))?;
        let lists = cache::root()?.join("apt").join(suite);
        fs::create_dir_all(lists.join("partial"))?;
        apt.suite = [
            format!("-oDir::Etc::sourcelist={}", source.display()),
            "-oDir::Etc::sourceparts=-".to_owned(),
            format!("-oDir::State::lists={}", lists.display()),
            "-oDir::Cache::pkgcache=".to_owned(),
            "-oDir::Cache::srcpkgcache=".to_owned(),
        ]
        .into();
        Ok(apt)
    }

    /// A folder that goes with this value.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn status(&self) -> PathBuf {
        self.folder.path().join("status")
    }

    fn archives(&self) -> PathBuf {
        self.folder.path().join("archives")
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        // Downloads are this run's own, and root's.
        command.args(&self.suite).arg("-oAPT::Sandbox::User=root");
        command
    }

    /// `apt-get install` of packages and what they depend on.
    fn install(&self, arguments: &[&str], packages: &[&str]) -> Command {
        let mut command = self.command();
        command
            .args(["install", "--yes", "-qq", "--no-install-recommends"])
            .arg(format!("-oDir::State::status={}", self.status().display()))
            .arg(format!("-oDir::Cache::archives={}", self.archives().display()))
            .args(arguments)
            .args(packages);
        command
    }

    /// The files of the packages with their hashes, one a line.
    pub(crate) fn closure(&self, packages: &[&str]) -> Result<String> {
        let resolve = || process::output(&mut self.install(&["--print-uris"], packages));
        // A new machine has no lists, and an old one those of packages that are gone.
        let resolved = resolve().or_else(|_| self.update().and_then(|()| resolve()))?;
        // Each line is an address, which differs between mirrors, then name, size and hash.
        let files: Vec<_> =
            resolved.lines().filter_map(|line| line.split_once(' ').map(|(_, file)| file)).collect();
        if files.is_empty() {
            bail!("apt names no files");
        }
        Ok(files.join("\n"))
    }

    fn update(&self) -> Result<()> {
        progress::during("Renewing the lists of packages", || {
            process::run(self.command().args(["update", "-qq"]), &self.log)
        })
    }

    /// Downloads and unpacks packages into a folder.
    pub(crate) fn unpack(&self, packages: &[&str], root: &Path) -> Result<()> {
        let download = || process::run(&mut self.install(&["--download-only"], packages), &self.log);
        if download().is_err() {
            self.update()?;
            download()?;
        }
        fs::create_dir_all(root)?;
        for archive in debs(&self.archives())? {
            let mut unpack = Command::new("dpkg-deb");
            process::run(unpack.arg("--extract").arg(&archive).arg(root), &self.log)?;
        }
        Ok(())
    }
}

/// Where this machine gets Debian's packages from.
fn mirror() -> Result<String> {
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]);
    let mirrors = process::output(&mut targets)?;
    let first =
        mirrors.lines().next().context("apt knows no archive of Debian: apt-get update lets it know")?;
    Ok(first.to_owned())
}

fn debs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
