//! A process on one processor, with what it costs. It ends with the value that stands for it, and with this program,
//! however that ends: what a broken-off run left would take time from the next.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::process;

/// `USER_HZ`, which is the same on all machines that Linux runs on today.
pub(super) const TICKS_A_SECOND: f64 = 100.0;

/// How often it is looked whether a process has come so far: how long it took is measured by it.
const PAUSE: Duration = Duration::from_millis(2);

/// A running process.
pub(super) struct Running {
    child: Child,
}

/// Seconds of processor time, of all threads together.
#[derive(Clone, Copy, Default)]
pub(super) struct Time {
    pub(super) user: f64,
    pub(super) system: f64,
}

impl std::ops::Add for Time {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }
}

impl Time {
    /// Both.
    pub(super) fn all(self) -> f64 {
        self.user + self.system
    }
}

/// What the children of this process have used that have ended.
pub(super) fn of_waited_for() -> Result<Time> {
    times(&fs::read_to_string("/proc/self/stat")?, 13)
}

/// Two neighbouring times of a `/proc/PID/stat`, by their place behind the name.
fn times(stat: &str, place: usize) -> Result<Time> {
    // The name, in parentheses, may have blanks in it.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(place));
    let mut ticks = fields.into_iter().flatten().filter_map(|field| field.parse::<f64>().ok());
    let (user, system) = ticks.next().zip(ticks.next()).context("/proc has no times of a process")?;
    Ok(Time { user: user / TICKS_A_SECOND, system: system / TICKS_A_SECOND })
}

/// The command, on one processor.
pub(super) fn pinned(command: &Command, processor: usize) -> Command {
    let mut pinned = Command::new("setpriv");
    pinned.args(["--pdeathsig", "KILL", "taskset", "--cpu-list", &processor.to_string()]);
    pinned.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    pinned.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    pinned
}

/// The same for this program itself, and for what it starts from then on.
pub(super) fn pin_this(processor: usize) -> Result<()> {
    let mut taskset = Command::new("taskset");
    taskset.args(["--all-tasks", "--pid", "--cpu-list", &processor.to_string()]);
    process::output(taskset.arg(std::process::id().to_string())).map(drop)
}

/// What a process that stays, and the children that it waits for, have used so far: such as a Postgres, by its first process.
pub(super) fn time_of_family(pid: u32) -> Result<Time> {
    let mut all = Time::default();
    for entry in fs::read_dir("/proc").context("listing /proc")? {
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else { continue };
        let fields = |place| stat.rsplit_once(')')?.1.split_whitespace().nth(place);
        let is_child = fields(1).is_some_and(|parent| parent == pid.to_string());
        let is_first = stat.split_whitespace().next() == Some(&pid.to_string());
        if is_child || is_first {
            all = all + times(&stat, 11)?;
        }
        if is_first {
            all = all + times(&stat, 13)?;
        }
    }
    Ok(all)
}

impl Running {
    /// Starts a command on one processor, its output in a log.
    pub(super) fn start(command: &Command, processor: usize, log: &Path) -> Result<Self> {
        let out = process::open_log(log)?;
        let mut pinned = pinned(command, processor);
        let child = pinned.stdout(out.try_clone()?).stderr(out).spawn();
        let name = command.get_program().display();
        Ok(Self { child: child.with_context(|| format!("starting {name}"))? })
    }

    /// The same for one whose standard output is read.
    pub(super) fn start_piped(
        command: &Command,
        processor: usize,
    ) -> Result<(Self, std::process::ChildStdout)> {
        let mut child = pinned(command, processor).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("a piped process has no output")?;
        Ok((Self { child }, stdout))
    }

    /// Waits until something is true, as long as the process runs.
    pub(super) fn wait_until(
        &mut self,
        limit: Duration,
        log: &Path,
        is_true: impl Fn() -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        while !is_true() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}\n{}", process::tail(log));
            }
            if begun.elapsed() > limit {
                bail!("it does not listen after {} s\n{}", limit.as_secs(), process::tail(log));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// What it has used so far.
    pub(super) fn time(&self) -> Result<Time> {
        times(&self.read("stat")?, 11)
    }

    /// Bytes of memory that it has now (RSS).
    pub(super) fn memory(&self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// Bytes of memory that it has had at most.
    pub(super) fn peak(&self) -> Result<f64> {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> Result<f64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib: Option<f64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        Ok(kib.context("/proc has no memory of a process")? * 1024.0)
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        fs::read_to_string(&path).with_context(|| format!("reading {path}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which whoever needed it has noticed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::times;

    #[test]
    fn times_are_found_behind_a_name_with_blanks_and_brackets() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 9 0 0 0 150 50 20 30 20 0 1 0 99";
        let (own, children) = (times(stat, 11).unwrap(), times(stat, 13).unwrap());
        assert_eq!((own.user, own.system, children.all()), (1.5, 0.5, 0.5));
        assert!(times("7 (a", 11).is_err());
    }
}
