//! Whether the machine did something else meanwhile. What shares processors and caches with a gateway is measured with it.

use std::fs;

use anyhow::{Context, Result};

use super::running::{TICKS_A_SECOND, Time, of_waited_for};

/// Of the processors' time, how much others may have had.
const MOST: f64 = 0.1;

/// A moment from which on the machine is watched.
pub(super) struct Watch {
    busy: f64,
    total: f64,
    children: Time,
}

impl Watch {
    /// From now on.
    pub(super) fn begin() -> Result<Self> {
        let (busy, total) = processors()?;
        Ok(Self { busy, total, children: of_waited_for()? })
    }

    /// Whether nobody else had much of the processors since, when `own` is what the benchmark's other processes had.
    pub(super) fn was_quiet(&self, own: f64) -> Result<bool> {
        let (busy, total) = processors()?;
        let children = of_waited_for()?.all() - self.children.all();
        let others = busy - self.busy - own - children;
        Ok(others <= MOST * (total - self.total))
    }
}

/// Seconds in which the two processors of the benchmark were busy, and all that passed for them.
fn processors() -> Result<(f64, f64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let mut sum = (0.0, 0.0);
    for name in ["cpu0 ", "cpu1 "] {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).context("/proc/stat has no cpu1")?;
        // user, nice, system, idle, iowait, irq, softirq, steal
        let ticks: Vec<f64> =
            line.split_whitespace().take(8).filter_map(|ticks| ticks.parse().ok()).collect();
        let idle: f64 = ticks.iter().skip(3).take(2).sum();
        let all: f64 = ticks.iter().sum();
        sum.0 += (all - idle) / TICKS_A_SECOND;
        sum.1 += all / TICKS_A_SECOND;
    }
    Ok(sum)
}
