//! Files that components put outside our folders, at places that they cannot be told to change.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::layout::{Layout, RUNTIME};
use super::network_policy;

/// The kubelet's links to the logs of containers.
const LOG_LINKS: &str = "/var/log/containers";
/// What containerd keeps of each pod's network.
const NETWORK_RESULTS: &str = "/var/lib/cni/results";
/// The kubelet's socket for device plugins.
const DEVICE_PLUGINS: &str = "/var/lib/kubelet/device-plugins/kubelet.sock";

/// Those that are there, and ours. The cluster's processes have ended by then.
pub(crate) fn find(layout: &Layout) -> Result<Vec<PathBuf>> {
    let links = files(LOG_LINKS)?
        .into_iter()
        .filter(|link| fs::read_link(link).is_ok_and(|target| target.starts_with(layout.state())));
    let results = files(NETWORK_RESULTS)?.into_iter().filter(|file| {
        fs::read_to_string(file).is_ok_and(|result| result.contains(&format!("\"netns\":\"{RUNTIME}/")))
    });
    // Another kubelet that listens there has replaced ours.
    let socket = PathBuf::from(DEVICE_PLUGINS);
    let socket = (socket.exists() && UnixStream::connect(&socket).is_err()).then_some(socket);
    Ok(links.chain(results).chain(socket).collect())
}

/// Removes them, and their folders where those are empty then.
pub(crate) fn remove(layout: &Layout) -> Result<()> {
    for file in find(layout)? {
        fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
        for folder in file.ancestors().skip(1).take(2) {
            // The first that another program still uses ends this.
            if folder == Path::new("/var/log") || fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    // Ours is empty; one with files is another's.
    fs::remove_dir(network_policy::FIXED_FOLDER).ok();
    Ok(())
}

fn files(folder: &str) -> Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => {
            Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>()?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("listing {folder}")),
    }
}
