//! Settings of the whole machine that a kubelet changes, kept so that `down` puts them back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::layout::RUNTIME;
use super::supervise;

/// The kubelet sets these to what it wants at each start.
const CHANGED_BY_KUBELET: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Notes the values, unless that was done before the first kubelet started.
pub(crate) fn save() -> Result<()> {
    if note().exists() {
        return Ok(());
    }
    let values: BTreeMap<_, _> = CHANGED_BY_KUBELET
        .into_iter()
        .filter_map(|name| Some((name, fs::read_to_string(path(name)).ok()?.trim().to_owned())))
        .collect();
    supervise::write(&note(), &serde_json::to_vec(&values)?)
}

/// Puts the noted values back.
pub(crate) fn restore() -> Result<()> {
    let Ok(bytes) = fs::read(note()) else {
        return Ok(());
    };
    let values: BTreeMap<String, String> =
        serde_json::from_slice(&bytes).context("reading the noted settings")?;
    for (name, value) in values {
        let now = fs::read_to_string(path(&name)).unwrap_or_default();
        if now.trim() != value {
            fs::write(path(&name), &value).with_context(|| format!("setting {name} back to {value}"))?;
        }
    }
    fs::remove_file(note()).context("removing the noted settings")
}

fn note() -> PathBuf {
    Path::new(RUNTIME).join("kernel-settings.json")
}

fn path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}
