//! Clocks that can be moved: libfaketime is loaded into each process, and reads how far its clock is off from a file of its own.
//! It moves the time of day alone: what waits for a time to pass waits as ever.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::Instance;

/// Where Debian's libfaketime is, below a folder for each architecture.
const LIBRARIES: &str = "/usr/lib";
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The clocks of all processes.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    folder: PathBuf,
}

impl Clocks {
    /// Where the library is. Nothing: it is not installed.
    pub fn library() -> Option<PathBuf> {
        let folders = fs::read_dir(LIBRARIES).ok()?;
        folders.flatten().map(|entry| entry.path().join(LIBRARY)).find(|path| path.is_file())
    }

    /// All of them right, with their files in a folder.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let library = Self::library().ok_or(io::ErrorKind::NotFound)?;
        let folder = folder.join("clocks");
        fs::create_dir_all(&folder)?;
        let clocks = Self { library, folder };
        Instance::ALL.into_iter().try_for_each(|instance| clocks.set(instance, 0))?;
        Ok(clocks)
    }

    fn file(&self, instance: Instance) -> PathBuf {
        self.folder.join(instance.to_string().replace(' ', "-"))
    }

    /// What a process is told, so that it takes its time from here.
    pub(super) fn environment(&self, instance: Instance) -> [(&'static str, String); 5] {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file(instance).display().to_string()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
            // Seconds until the file is read again: each time somebody asks what time it is would be too often.
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ]
    }

    /// Has a clock be off by so many seconds. It is read while it is written, so that it is never there in part.
    pub(super) fn set(&self, instance: Instance, seconds: i64) -> io::Result<()> {
        let file = self.file(instance);
        let next = file.with_extension("next");
        fs::write(&next, format!("{seconds:+}\n"))?;
        fs::rename(next, file)
    }
}
