//! Removes a host cluster: processes, mounts, network, settings and files, whatever part of them there is.
//!
//! Nothing here asks a component to help, since any of them may be dead; names and places are fixed instead.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::layout::{Layout, RUNTIME};
use super::{cgroup, mounts, runtime, strays, topology, tunables};
use crate::progress;

/// Removes the cluster.
pub(crate) fn down(layout: &Layout) -> Result<()> {
    let lock = runtime::lock()?;
    // The cluster that is up may have been started with another state folder than the environment says now.
    let claimed = runtime::claimed();
    let is_ours = claimed.is_some() || layout.is_claimed();
    let layout = claimed.map_or_else(|| layout.clone(), Layout::at);
    progress::during("Removing the cluster", || {
        cgroup::destroy().context("ending the cluster's processes")?;
        for folder in [layout.state(), Path::new(RUNTIME)] {
            mounts::remove_below(folder)?;
        }
        topology::remove().context("removing the cluster's network")?;
        tunables::restore()?;
        strays::remove(&layout)?;
        remove_folder(layout.state(), is_ours)?;
        remove_folder(Path::new(RUNTIME), true)
    })?;
    drop(lock);
    let left = leftovers(&layout)?;
    if !left.is_empty() {
        bail!("this is left of the cluster:\n  {}", left.join("\n  "));
    }
    Ok(())
}

/// Everything that is there of a cluster on this machine.
pub(crate) fn leftovers(layout: &Layout) -> Result<Vec<String>> {
    let mut found: Vec<_> = cgroup::members()?.into_iter().map(|pid| format!("process {pid}")).collect();
    found.extend(cgroup::leftovers()?.into_iter().map(|group| format!("cgroup {}", group.display())));
    for folder in [layout.state(), Path::new(RUNTIME)] {
        found.extend(mounts::below(folder)?.into_iter().map(|point| format!("mount {}", point.display())));
        if folder.exists() {
            found.push(format!("folder {}", folder.display()));
        }
    }
    found.extend(strays::find(layout)?.into_iter().map(|file| format!("file {}", file.display())));
    found.extend(topology::leftovers()?);
    Ok(found)
}

fn remove_folder(folder: &Path, is_ours: bool) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    if !is_ours {
        bail!("{} is not a cluster's state folder, so it is left alone", folder.display());
    }
    // What is still mounted is somebody's data.
    if let Some(mount) = mounts::below(folder)?.first() {
        bail!("{} is still mounted", mount.display());
    }
    fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
}
