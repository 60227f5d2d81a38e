//! Built things kept outside the clone, each under the hash of everything it was made from.
//!
//! An entry is made in a temporary folder beside its place and renamed into it, so that a build that was cut off
//! leaves no half entry; a lock per kind makes a second run wait for the first instead of building again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// What a cache entry is made from. Two entries are the same exactly if all their parts are.
#[derive(Clone, Default)]
pub(crate) struct Key(Sha256);

impl Key {
    /// Adds a named value.
    #[must_use]
    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.part(name.as_bytes()).part(value.as_bytes())
    }

    /// Adds a file's content, or every file below a folder, by its path relative to that folder.
    pub(crate) fn path(mut self, path: &Path) -> Result<Self> {
        for file in files_below(path)? {
            let name = file.strip_prefix(path).unwrap_or(&file);
            let content = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            self = self.part(name.as_os_str().as_encoded_bytes()).part(&content);
        }
        Ok(self)
    }

    /// The parts are prefixed by their length, so that moving a byte from one to the next gives another key.
    fn part(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes.len().to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The hash as it stands in paths.
    pub(crate) fn hex(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}

/// Lower-case hexadecimal, as digests are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn files_below(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("listing {}", path.display()))? {
        files.extend(files_below(&entry?.path())?);
    }
    files.sort();
    Ok(files)
}

/// The folder of all that is cached: `$XDG_CACHE_HOME/flotilla` or `~/.cache/flotilla`.
pub(crate) fn root() -> Result<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => match std::env::home_dir() {
            Some(home) => home.join(".cache"),
            None => bail!("set XDG_CACHE_HOME or HOME: there is no folder for the cache"),
        },
    };
    Ok(base.join("flotilla"))
}

/// The entry of `kind` with this key. If there is none yet, `make` fills an empty folder that then becomes it.
pub(crate) fn entry(kind: &str, key: &Key, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let parent = root()?.join(kind);
    let place = parent.join(key.hex());
    if place.is_dir() {
        return Ok(place);
    }
    fs::create_dir_all(&parent).with_context(|| format!("creating {}", parent.display()))?;
    let _lock = lock(&parent.join(".lock"))?;
    if place.is_dir() {
        return Ok(place);
    }
    remove_cut_off(&parent)?;
    let scratch = tempfile::Builder::new()
        .prefix(SCRATCH)
        .tempdir_in(&parent)
        .with_context(|| format!("creating a folder in {}", parent.display()))?;
    make(scratch.path())?;
    fs::rename(scratch.path(), &place).with_context(|| format!("renaming into {}", place.display()))?;
    // What it would remove is now the entry.
    let _renamed = scratch.keep();
    Ok(place)
}

/// Of the entries of a kind, leaves only those that were made last.
pub(crate) fn keep_newest(kind: &str, count: usize) -> Result<()> {
    let parent = root()?.join(kind);
    let _lock = lock(&parent.join(".lock"))?;
    let mut entries = Vec::new();
    for entry in fs::read_dir(&parent).with_context(|| format!("listing {}", parent.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            entries.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    entries.sort();
    for (_, old) in entries.iter().rev().skip(count) {
        fs::remove_dir_all(old).with_context(|| format!("removing {}", old.display()))?;
    }
    Ok(())
}

const SCRATCH: &str = ".making-";

/// Removes what killed runs left. The caller holds the lock, so nobody is filling these folders.
fn remove_cut_off(parent: &Path) -> Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
            fs::remove_dir_all(entry.path())
                .with_context(|| format!("removing {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// Takes an exclusive lock, waiting for whoever has it. Dropping the file (or dying) gives it back.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    file.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn a_key_depends_on_where_one_part_ends() {
        let one = Key::default().text("flags", "ab").text("c", "");
        let other = Key::default().text("flags", "a").text("bc", "");
        assert_ne!(one.hex(), other.hex());
        assert_eq!(one.hex(), Key::default().text("flags", "ab").text("c", "").hex());
    }
}
