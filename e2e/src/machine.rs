//! What processes of this machine use. The nodes of a cluster that `cargo xtask cluster` made show theirs to it.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

/// `USER_HZ` is 100 on every Linux of today.
const TICKS_A_SECOND: f64 = 100.0;

/// The processes of one cluster.
#[derive(Debug)]
pub struct Machine {
    cluster: PathBuf,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Bytes of memory now.
    pub resident: u64,
    /// The most bytes that it ever had.
    pub peak: u64,
    /// Seconds of processor time.
    pub cpu: f64,
}

impl Machine {
    /// The cluster whose files are in this folder.
    pub fn new(cluster: PathBuf) -> Self {
        Self { cluster }
    }

    /// A part of the control plane.
    pub fn component(&self, name: &str) -> Result<Usage> {
        let folder = self.cluster.to_string_lossy().into_owned();
        find(|pid| {
            let command = read(pid, "cmdline");
            let program = command.split('\0').next().unwrap_or_default();
            program.ends_with(&format!("/{name}")) && command.contains(&folder)
        })
        .with_context(|| format!("no process {name} of the cluster can be seen here"))
    }

    /// The first process of a pod.
    pub fn pod(uid: &str) -> Result<Usage> {
        let is_program = |pid: u32| !read(pid, "cmdline").starts_with("/pause");
        find(|pid| read(pid, "cgroup").contains(uid) && is_program(pid))
            .context("the pod's process cannot be seen here")
    }

    /// A process.
    pub fn process(pid: u32) -> Result<Usage> {
        usage(pid).with_context(|| format!("there is no process {pid}"))
    }

    /// Seconds of processor time that everything on the machine has used, and how many processors there are.
    pub fn all() -> Result<(f64, usize)> {
        let text = fs::read_to_string("/proc/stat")?;
        let first = text.lines().next().unwrap_or_default();
        let ticks: Vec<f64> =
            first.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        // user, nice, system, idle, iowait, irq, softirq, steal.
        let busy: f64 = ticks.iter().take(8).sum::<f64>() - ticks.iter().skip(3).take(2).sum::<f64>();
        let processors = text.lines().filter(|line| line.starts_with("cpu")).count() - 1;
        Ok((busy / TICKS_A_SECOND, processors))
    }
}

/// The process that fits and has used the most processor time.
fn find(fits: impl Fn(u32) -> bool) -> Option<Usage> {
    let entries = fs::read_dir("/proc").ok()?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| fits(*pid)).filter_map(usage).max_by(|a, b| a.cpu.total_cmp(&b.cpu))
}

/// A process may be gone meanwhile: then it has nothing to read.
fn read(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

fn usage(pid: u32) -> Option<Usage> {
    let (status, stat) = (read(pid, "status"), read(pid, "stat"));
    let kilobytes = |field: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse().ok()
    };
    // The name in parentheses may have spaces; the fields after it do not.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u32 = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    Some(Usage {
        resident: kilobytes("VmRSS")? * 1024,
        peak: kilobytes("VmHWM")? * 1024,
        cpu: f64::from(ticks) / TICKS_A_SECOND,
    })
}
