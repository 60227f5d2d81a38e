//! Starts components so that they outlive this program, knows them again later, and stops them.
//!
//! A component is known by its pid together with its start time and the boot, so that a pid that the system has given
//! to another process since is never touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::cgroup;
use super::layout::{Layout, Node};
use crate::{cache, process};

/// How long a component may take to end when asked to, before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// A log longer than this is set aside when its component starts.
const LOG_BYTES: u64 = 32 << 20;

/// A program that runs as long as the cluster.
pub(crate) struct Component {
    /// Its name, unique in the cluster.
    pub(crate) name: String,
    /// The node in whose network namespace it runs.
    pub(crate) node: Node,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// Files that it reads once: a change of them restarts it.
    pub(crate) inputs: Vec<PathBuf>,
}

/// Whether `ensure` had to do something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ensured {
    Running,
    Started,
}

/// What is kept of a started component.
#[derive(Serialize, Deserialize)]
struct Record {
    pid: i32,
    /// In clock ticks since the boot.
    start_time: u64,
    boot: String,
    /// The hash of everything it was started with.
    fingerprint: String,
}

/// A component's state, for `status`.
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) pid: Option<i32>,
}

impl Component {
    /// Starts it unless it runs already, with the same program, arguments and inputs.
    pub(crate) fn ensure(&self, layout: &Layout) -> Result<Ensured> {
        let fingerprint = self.fingerprint()?;
        if let Some(record) = read(&record_path(layout, &self.name))?
            && record.is_alive()
        {
            if record.fingerprint == fingerprint {
                return Ok(Ensured::Running);
            }
            record.stop().with_context(|| format!("stopping {}", self.name))?;
        }
        self.start(layout, fingerprint).with_context(|| format!("starting {}", self.name))?;
        Ok(Ensured::Started)
    }

    fn start(&self, layout: &Layout, fingerprint: String) -> Result<()> {
        let log = layout.log(&self.name);
        set_aside(&log)?;
        let out = process::open_log(&log)?;
        let err = out.try_clone()?;
        // The child joins its cgroup and namespace before it becomes the component, and each step is an exec, so its
        // pid is the component's and there is no moment at which it runs unaccounted for.
        let mut command = Command::new("setsid");
        command
            .args(["sh", "-c", r#"echo $$ > "$0" && exec "$@""#])
            .arg(cgroup::membership(&self.name)?)
            .args(["nsenter", &format!("--net={}", self.node.netns().display()), "--"])
            .arg(&self.program)
            .args(&self.arguments)
            .env_clear()
            .env("PATH", SYSTEM_PATH)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        let pid = command.spawn().context("setsid")?.id().cast_signed();
        let Some(start_time) = start_time(pid) else {
            bail!("it ended at once\n{}", process::tail(&log));
        };
        let record = Record { pid, start_time, boot: boot()?, fingerprint };
        write(&record_path(layout, &self.name), &serde_json::to_vec(&record)?)
    }

    fn fingerprint(&self) -> Result<String> {
        let mut key = cache::Key::default()
            .text("program", &self.program.to_string_lossy())
            .text("arguments", &self.arguments.join("\0"))
            .text("environment", &format!("{:?}", self.environment));
        for input in &self.inputs {
            key = key.path(input)?;
        }
        Ok(key.hex())
    }

    /// Fails with the end of its log if it has died.
    pub(crate) fn check_alive(&self, layout: &Layout) -> Result<()> {
        if read(&record_path(layout, &self.name))?.is_none_or(|record| !record.is_alive()) {
            bail!("{} has ended\n{}", self.name, process::tail(&layout.log(&self.name)));
        }
        Ok(())
    }
}

/// Every component that was started, by name.
pub(crate) fn reports(layout: &Layout) -> Result<Vec<Report>> {
    let Ok(entries) = fs::read_dir(layout.records()) else {
        return Ok(Vec::new());
    };
    let mut reports = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let (Some(name), Some(record)) = (path.file_stem(), read(&path)?) else {
            continue;
        };
        let pid = record.is_alive().then_some(record.pid);
        reports.push(Report { name: name.to_string_lossy().into_owned(), pid });
    }
    reports.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(reports)
}

/// Stops a component and forgets it, if it was ever started.
pub(crate) fn stop(layout: &Layout, name: &str) -> Result<()> {
    let path = record_path(layout, name);
    if let Some(record) = read(&path)? {
        record.stop().with_context(|| format!("stopping {name}"))?;
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

impl Record {
    fn is_alive(&self) -> bool {
        boot().is_ok_and(|boot| boot == self.boot) && start_time(self.pid) == Some(self.start_time)
    }

    fn stop(&self) -> Result<()> {
        let Some(pid) = Pid::from_raw(self.pid) else { bail!("{} is no pid", self.pid) };
        // The descriptor pins the process: if it is still the recorded one now, no signal can reach another.
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(());
        };
        for signal in [Signal::TERM, Signal::KILL] {
            if !self.is_alive() {
                return Ok(());
            }
            pidfd_send_signal(&descriptor, signal).ok();
            let deadline = Instant::now() + STOP_TIMEOUT;
            while self.is_alive() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        if self.is_alive() {
            bail!("process {} does not die", self.pid);
        }
        Ok(())
    }
}

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn record_path(layout: &Layout, name: &str) -> PathBuf {
    layout.records().join(format!("{name}.json"))
}

fn read(path: &Path) -> Result<Option<Record>> {
    match fs::read(path) {
        // A record is renamed into place, so one that does not parse is not of this version: nothing is known.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, content)?;
    file.persist(path).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

fn set_aside(log: &Path) -> Result<()> {
    if fs::metadata(log).is_ok_and(|data| data.len() > LOG_BYTES) {
        fs::rename(log, log.with_extension("log.1"))
            .with_context(|| format!("renaming {}", log.display()))?;
    }
    Ok(())
}

fn boot() -> Result<String> {
    const FILE: &str = "/proc/sys/kernel/random/boot_id";
    Ok(fs::read_to_string(FILE).context(FILE)?.trim().to_owned())
}

/// When a living process started; nothing for one that has ended, collected by its parent or not.
fn start_time(pid: i32) -> Option<u64> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(stat: &str) -> Option<u64> {
    // The second field is the program's name in brackets, which may itself have spaces and brackets.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let start_time = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(start_time)
}

#[cfg(test)]
mod tests {
    use super::parse_stat;

    #[test]
    fn a_living_process_has_its_start_time_and_a_zombie_none() {
        let stat =
            |state| format!("42 (a) b (c) {state} 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 0 0");
        assert_eq!(parse_stat(&stat("S")), Some(98765));
        assert_eq!(parse_stat(&stat("Z")), None);
    }
}
