//! Ports for those who are measured.

use anyhow::Result;
use flotilla_testbed::port;

/// Ports on loopback that nobody has. They differ.
pub(super) fn free<const COUNT: usize>() -> Result<[u16; COUNT]> {
    let mut ports = [0; COUNT];
    for port in &mut ports {
        *port = port::free()?.port();
    }
    Ok(ports)
}
