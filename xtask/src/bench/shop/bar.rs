//! What Postgres does alone with the statements of an order, by pgbench: the bar for orders a second.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::measure::PROCESSORS;
use super::stage::Stage;
use crate::bench::running::pinned;
use crate::{host, process};

/// The statements in each database.
const SCRIPTS: [(&str, &str); 2] =
    [("orders", include_str!("orders.pgbench.sql")), ("products", include_str!("products.pgbench.sql"))];

/// Clients that each wait for their answers.
const CLIENTS: u32 = 16;

/// Debian's package has it in PATH; others have it in Postgres's own folder.
fn program() -> Result<PathBuf> {
    host::find("pgbench").context("pgbench is not installed; it comes with postgresql")
}

/// Orders a second, if one database did the statements of both: their times add up.
pub(super) fn orders_a_second(stage: &Stage, seconds: u32) -> Result<f64> {
    stage.reset()?;
    let mut each = 0.0;
    for (database, script) in SCRIPTS {
        let file = stage.folder().join(format!("{database}.pgbench.sql"));
        fs::write(&file, script)?;
        let mut pgbench = Command::new(program()?);
        pgbench.args(["--no-vacuum", "--protocol=prepared", &format!("--client={CLIENTS}")]);
        pgbench.arg(format!("--time={seconds}")).arg("--file").arg(file).arg(stage.url(database));
        // It has the processor that the shops have.
        let said = process::output(&mut pinned(&pgbench, PROCESSORS.0))?;
        each += 1.0 / tps(&said).with_context(|| format!("pgbench says {said}"))?;
    }
    Ok(1.0 / each)
}

/// Transactions a second, of scripts that were whole.
fn tps(said: &str) -> Option<f64> {
    let failed = said.lines().find_map(|line| line.strip_prefix("number of failed transactions: "))?;
    if !failed.starts_with("0 ") {
        return None;
    }
    let line = said.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split(' ').next()?.parse().ok().filter(|tps| *tps > 0.0)
}

#[cfg(test)]
mod tests {
    use super::tps;

    #[test]
    fn what_pgbench_says_is_read_unless_something_failed() {
        let said = |failed: &str| {
            format!(
                "scaling factor: 1\nnumber of transactions actually processed: 613\nnumber of failed transactions: {failed}\n\
                 latency average = 26.1 ms\ninitial connection time = 21.5 ms\ntps = 612.514902 (without initial connection time)\n"
            )
        };
        assert_eq!(tps(&said("0 (0.000%)")), Some(612.514_902));
        assert_eq!((tps(&said("3 (0.500%)")), tps("tps = 0"), tps("")), (None, None, None));
    }
}
