//! The runtime folder: the lock that lets one `up` or `down` work at a time, and the note of whose state it is.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::layout::{Layout, RUNTIME};
use super::supervise;

/// Waits for a running `up` or `down` to end and keeps others out until the answer is dropped.
pub(crate) fn lock() -> Result<File> {
    let path = Path::new(RUNTIME).join("lock");
    loop {
        fs::create_dir_all(RUNTIME).with_context(|| format!("creating {RUNTIME}"))?;
        let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for another `cargo xtask cluster` to end");
                file.lock().with_context(|| format!("locking {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        // A `down` that we have waited for has removed the file; a lock on that keeps nobody out.
        if fs::metadata(&path).is_ok_and(|now| file.metadata().is_ok_and(|own| own.ino() == now.ino())) {
            return Ok(file);
        }
    }
}

/// Notes whose state the machine's cluster has. There is one cluster a machine, since its network is one.
pub(crate) fn claim(layout: &Layout) -> Result<()> {
    match claimed() {
        Some(state) if state != layout.state() => bail!(
            "the cluster of {} is up on this machine; take it down first: FLOTILLA_CLUSTER_DIR={} cargo xtask cluster down",
            state.display(),
            state.display()
        ),
        _ => supervise::write(&note(), layout.state().as_os_str().as_encoded_bytes()),
    }
}

/// The state folder of the cluster that is up, or was half up, since the machine was started.
pub(crate) fn claimed() -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    fs::read(note()).ok().map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

fn note() -> PathBuf {
    Path::new(RUNTIME).join("state")
}
