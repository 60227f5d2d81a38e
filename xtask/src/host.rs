//! What this machine has and lacks: programs, the right to use them, Debian packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{cache, process, progress};

/// A Debian package that something here needs, known to be there by one of its files.
#[derive(Clone, Copy)]
pub(crate) struct Package {
    /// Its name in Debian and Ubuntu.
    pub(crate) name: &'static str,
    /// A file of it: a program's bare name, looked up in `PATH`, or an absolute path.
    pub(crate) file: &'static str,
}

impl Package {
    /// A package known by a program.
    pub(crate) const fn new(name: &'static str, file: &'static str) -> Self {
        Self { name, file }
    }

    fn is_there(self) -> bool {
        if self.file.starts_with('/') { Path::new(self.file).exists() } else { find(self.file).is_some() }
    }
}

/// Postgres, whose programs lie in a folder for each version.
pub(crate) const POSTGRES: Package = Package::new("postgresql", "/usr/lib/postgresql");

/// What a reader of the documents has: the shop on one machine needs Postgres, and answers are read with jq.
pub(crate) const READER: [Package; 2] = [POSTGRES, Package::new("jq", "jq")];

/// The servers that the shop's tests start. Of the system's own, if it starts any, they take nothing.
pub(crate) const SERVERS: [Package; 5] = [
    POSTGRES,
    Package::new("rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server"),
    Package::new("redis-server", "redis-server"),
    // Kafka is none of Debian's: Maven brings its jars.
    Package::new("default-jre-headless", "java"),
    Package::new("maven", "mvn"),
];

/// Makes sure that all packages are there: installs what lacks where it may, else says what to install.
pub(crate) fn require(packages: &[Package]) -> Result<()> {
    let missing: Vec<_> =
        packages.iter().filter(|package| !package.is_there()).map(|package| package.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !is_root() || find("apt-get").is_none() {
        bail!(
            "this needs packages that are not installed; as root on Debian or Ubuntu: apt-get install {names}"
        );
    }
    progress::during(format!("Installing {names}"), || install(&missing))?;
    if let Some(package) = packages.iter().find(|package| !package.is_there()) {
        bail!("the package {} is installed but has no {}", package.name, package.file);
    }
    Ok(())
}

/// Installs Debian packages, with fresh lists only if the ones at hand do not do.
fn install(names: &[&str]) -> Result<()> {
    let log = cache::root()?.join("logs/apt.log");
    let attempt = || {
        let mut apt = apt_get();
        process::run(apt.args(["install", "--yes", "--no-install-recommends"]).args(names), &log)
    };
    if attempt().is_ok() {
        return Ok(());
    }
    process::run(apt_get().arg("update"), &log)?;
    attempt()
}

fn apt_get() -> Command {
    let mut apt = Command::new("apt-get");
    // Another apt may hold the lock for a moment; a question would wait for an answer that nobody gives.
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=120"]);
    apt
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The path of a program, as the shell would find it.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    // Some distributions leave the administrator's programs out of a plain user's PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| fs::metadata(file).is_ok_and(|data| data.is_file()))
}
