//! A shop that is measured: which programs it is, for a part of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::provider::Provider;
use super::stage::Stage;
use super::workload::Part;

/// A program of a shop.
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) command: Command,
    /// Whether it is what is measured. Others run beside the load.
    pub(super) is_measured: bool,
}

/// What programs are started with.
pub(super) struct Setup<'s> {
    pub(super) stage: &'s Stage,
    pub(super) provider: &'s Provider,
    pub(super) ports: [u16; PORTS],
}

/// Ports that a shop has at most.
pub(super) const PORTS: usize = 9;

/// A shop.
pub(super) trait Subject {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What it is made with.
    fn made_with(&self) -> String;

    /// Bytes of all that has to be there for it to run, besides the system's libraries.
    fn size(&self) -> Result<f64>;

    /// Its programs, in the order in which they are started.
    fn programs(&self, setup: &Setup<'_>, part: Part) -> Vec<Program>;

    /// Where requests to a part of it go.
    fn port(&self, ports: &[u16; PORTS], part: Part) -> u16;
}

/// What a file has, or all files in a folder.
pub(super) fn bytes(path: &Path) -> Result<f64> {
    let data = fs::symlink_metadata(path).with_context(|| format!("reading {}", path.display()))?;
    if data.is_dir() {
        return fs::read_dir(path)?.map(|entry| bytes(&entry?.path())).sum();
    }
    // In KiB, of which no file has more than fit.
    let kib = u32::try_from(data.len().div_ceil(1024)).unwrap_or(u32::MAX);
    Ok(f64::from(kib) * 1024.0)
}
