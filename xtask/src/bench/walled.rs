//! A network of the benchmark's own, with nothing in it but the loopback: rules of a firewall or of a cluster on this machine
//! would be gone through with every packet, and be measured as the gateways'.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::host::{self, Package};
use crate::process;

/// Whether there can be one: for root, where the kernel allows it.
pub(super) fn can_be() -> Result<bool> {
    if !host::is_root() || !process::succeeds(Command::new("unshare").args(["--net", "true"])) {
        return Ok(false);
    }
    host::require(&[Package::new("iproute2", "ip")])?;
    Ok(true)
}

/// Runs this program once more, with the same arguments, in a network of its own.
pub(super) fn again() -> Result<()> {
    let program = std::env::current_exe().context("finding this program")?;
    let script = "ip link set lo up && exec \"$@\" --walled";
    // It ends with this one, however that ends.
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare", "--net", "--", "sh", "-c", script, "sh"])
        .arg(program)
        .args(std::env::args_os().skip(1));
    let status = command.status().context("starting unshare")?;
    if !status.success() {
        bail!("the benchmark in its own network ended with {status}");
    }
    Ok(())
}
