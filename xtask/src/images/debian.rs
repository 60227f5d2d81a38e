//! Images of programs from Debian's packages, for what is neither ours nor written in Go.
//!
//! A package is unpacked with all that it depends on; nothing of it is run, so what its installation would set up is
//! said by the recipe.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::archive::{self, Archived};
use crate::oci::{Entry, Image};
use crate::{cache, host, process, progress};

/// What every image has: a shell and the small programs that scripts use.
const BASE: [&str; 6] = ["coreutils", "dash", "grep", "mawk", "sed", "hostname"];

/// What nobody reads in a container.
const LEFT_OUT: [&str; 4] = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"];

/// An image to compose.
pub(super) struct Recipe<'a> {
    /// What it says of itself.
    pub(super) image: Image,
    /// The packages, without what they depend on.
    pub(super) packages: &'a [&'a str],
    /// Users, settings, scripts and folders, above the packages' files.
    pub(super) additions: Vec<Entry>,
}

/// Composes an image, unless it is there with the packages that Debian has today.
pub(super) fn compose(recipe: Recipe<'_>) -> Result<Archived> {
    let Recipe { image, packages, mut additions } = recipe;
    additions.push(Entry::Link { path: "bin/sh".into(), target: "dash".into() });
    additions.push(archive::tmp());
    if host::find("apt-get").is_none() || host::find("dpkg-deb").is_none() {
        bail!(
            "{} is composed from Debian's packages here, which needs apt-get and dpkg-deb; where they are not, let \
             the cluster pull it",
            image.reference
        );
    }
    let wanted: Vec<_> = BASE.iter().chain(packages).copied().collect();
    let apt = Apt::new()?;
    let files = apt.closure(&wanted).with_context(|| format!("resolving {}", packages.join(" ")))?;
    let content = cache::Key::default().text("packages", &files).text("additions", &format!("{additions:?}"));
    archive::write(&image, content, || {
        let root = apt.unpack(&wanted)?;
        for folder in LEFT_OUT.map(|folder| root.join(folder)).iter().filter(|folder| folder.exists()) {
            fs::remove_dir_all(folder)?;
        }
        Ok(vec![vec![Entry::Tree { path: String::new(), source: root }], additions])
    })
}

/// apt as if no package were installed, so that it resolves all that an empty root needs.
struct Apt {
    folder: tempfile::TempDir,
    log: PathBuf,
}

impl Apt {
    fn new() -> Result<Self> {
        let apt = Self { folder: tempfile::tempdir()?, log: cache::root()?.join("logs/apt.log") };
        fs::write(apt.status(), "")?;
        fs::create_dir_all(apt.archives().join("partial"))?;
        Ok(apt)
    }

    fn status(&self) -> PathBuf {
        self.folder.path().join("status")
    }

    fn archives(&self) -> PathBuf {
        self.folder.path().join("archives")
    }

    /// `apt-get install` of packages and what they depend on.
    fn install(&self, arguments: &[&str], packages: &[&str]) -> Command {
        let mut command = Command::new("apt-get");
        command
            .args(["install", "--yes", "-qq", "--no-install-recommends"])
            .arg(format!("-oDir::State::status={}", self.status().display()))
            .arg(format!("-oDir::Cache::archives={}", self.archives().display()))
            // Downloads are this run's own, and root's.
            .arg("-oAPT::Sandbox::User=root")
            .args(arguments)
            .args(packages);
        command
    }

    /// The files of the packages with their hashes, one a line.
    fn closure(&self, packages: &[&str]) -> Result<String> {
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
            process::run(Command::new("apt-get").args(["update", "-qq"]), &self.log)
        })
    }

    /// Downloads and unpacks packages into a folder.
    fn unpack(&self, packages: &[&str]) -> Result<PathBuf> {
        let download = || process::run(&mut self.install(&["--download-only"], packages), &self.log);
        if download().is_err() {
            self.update()?;
            download()?;
        }
        let root = self.folder.path().join("root");
        fs::create_dir(&root)?;
        for archive in debs(&self.archives())? {
            let mut unpack = Command::new("dpkg-deb");
            process::run(unpack.arg("--extract").arg(&archive).arg(&root), &self.log)?;
        }
        Ok(root)
    }
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
