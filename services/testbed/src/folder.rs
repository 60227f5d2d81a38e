//! The folder of a server, named after the process that it belongs to, so that a later one can tell what is left over; or one
//! that stays.

use std::{
    env,
    fs::{self, File, TryLockError},
    os::unix::fs::{DirBuilderExt, chown},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};

use crate::{Error, machine, program::Owner};

const PREFIX: &str = "flotilla-testbed-";

/// How long a server that was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder that is removed with its last owner, unless it is to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Folder(Arc<Place>);

#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Of a folder that stays: held for as long as it is used.
    lock: Option<File>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.lock.is_none() {
            // The guard has mostly removed it before.
            let _gone = fs::remove_dir_all(&self.path).is_ok();
        }
    }
}

impl Folder {
    /// A new one that only its owner may read.
    pub(crate) fn new(server: &str, owner: Option<Owner>) -> Result<Self, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        remove_leftovers(&env::temp_dir());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{server}-{count}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(machine("cannot make a folder"))?;
        let folder = Self(Arc::new(Place { path, lock: None }));
        hand_over(folder.path(), owner)?;
        Ok(folder)
    }

    /// One that stays, with what an earlier process left in it. There is one process at a time that uses it.
    pub(crate) fn kept(path: &Path, owner: Option<Owner>) -> Result<Self, Error> {
        let make = machine("cannot make a folder");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(make)?;
        hand_over(path, owner)?;
        let path = fs::canonicalize(path).map_err(machine("cannot find a folder"))?;
        let lock = File::create(path.join("lock")).map_err(machine("cannot make a file"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse { folder: path }),
            Err(TryLockError::Error(source)) => return Err(Error::Machine("cannot lock a file", source)),
        }
        // Postgres that is killed leaves processes, with which the next one does not start; told to quit, it ends them first.
        if !end_and_wait(&path, Signal::QUIT) {
            end_and_wait(&path, Signal::KILL);
        }
        Ok(Self(Arc::new(Place { path, lock: Some(lock) })))
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.lock.is_some()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }
}

fn hand_over(path: &Path, owner: Option<Owner>) -> Result<(), Error> {
    let Some(owner) = owner else { return Ok(()) };
    chown(path, Some(owner.user), Some(owner.group)).map_err(machine("cannot hand a folder over"))
}

/// Ends and removes what processes left that are no more. What cannot be removed is somebody else's, and in nobody's way.
fn remove_leftovers(temporary: &Path) {
    let Ok(entries) = fs::read_dir(temporary) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(owner);
        if owner.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            end(&entry.path(), Signal::KILL);
            let _gone = fs::remove_dir_all(entry.path()).is_ok();
        }
    }
}

/// The process that a folder belongs to.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

/// Ends a server that has outlived its guard, if it is still the one that this folder is of.
fn end(folder: &Path, by: Signal) -> Option<Pid> {
    let pid = fs::read_to_string(folder.join("pid")).ok()?.trim().parse::<i32>().ok()?;
    let works_here = fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|at| at.starts_with(folder));
    let pid = Pid::from_raw(pid).filter(|_| works_here)?;
    let _gone = kill_process_group(pid, by).is_ok();
    Some(pid)
}

/// The same, and waits until it has ended. Says whether it has.
fn end_and_wait(folder: &Path, by: Signal) -> bool {
    let Some(server) = end(folder, by) else { return true };
    let deadline = Instant::now() + PATIENCE;
    while test_kill_process(server).is_ok() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::process::CommandExt,
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn what_a_dead_process_left_is_ended_and_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let mut dead = Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let folder = temporary.path().join(format!("{PREFIX}{}-postgres-0", dead.id()));
        let kept = temporary.path().join(format!("{PREFIX}{}-postgres-0", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(&kept).unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("600").current_dir(&folder).stdin(Stdio::null()).process_group(0);
        let mut server = sleep.spawn().unwrap();
        fs::write(folder.join("pid"), server.id().to_string()).unwrap();

        remove_leftovers(temporary.path());

        assert!(!folder.exists());
        assert!(kept.exists());
        assert!(!server.wait().unwrap().success());
    }

    #[test]
    fn a_process_that_only_has_the_number_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut other = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        fs::write(folder.path().join("pid"), other.id().to_string()).unwrap();
        end(folder.path(), Signal::KILL);
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
