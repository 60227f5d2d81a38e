//! Builds third-party programs that are crates, once into the cache.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{cache, process, progress};

/// A program of a crate.
pub(crate) struct CargoTool {
    /// The crate's name, and the program's.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Further arguments of `cargo install`.
    pub(crate) arguments: &'static [&'static str],
}

impl CargoTool {
    /// The program; built if that has not been done yet.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        let key = cache::Key::default().text(self.name, self.version);
        let folder = cache::entry(self.name, &key, |out| {
            progress::during(format!("Building {} {}", self.name, self.version), || {
                let log = cache::root()?.join(format!("logs/build-{}.log", self.name));
                let mut cargo = Command::new(env!("CARGO"));
                cargo
                    .args(["install", self.name, "--locked", "--version", self.version, "--root"])
                    .arg(out)
                    .args(self.arguments);
                // Built once and run for a second: a fast build is worth more than a fast program.
                cargo
                    .args(["--profile", "dev"])
                    .env("CARGO_TARGET_DIR", out.join("target"))
                    .env("CARGO_PROFILE_DEV_DEBUG", "0");
                process::run(&mut cargo, &log)?;
                Ok(fs::remove_dir_all(out.join("target"))?)
            })
        })?;
        Ok(folder.join("bin").join(self.name))
    }
}
