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
    pinned
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
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What it has used so far.
    pub(super) fn time(&self) -> Result<Time> {
        times(&self.read("stat")?, 11)
    }

    /// Bytes of memory that it has now (RSS).
    pub(super) fn memory(&self) -> Result<f64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
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
