//! Who makes the cluster, and how that is chosen.

use std::fs;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::layout::Layout;
use super::{external, host, kind};

/// Who makes the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Provider {
    /// kind, in Docker
    Kind,
    /// Processes of this machine (Linux, root)
    Host,
    /// Somebody else: the cluster that KUBECONFIG names
    External,
}

impl Provider {
    fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Host => "host",
            Self::External => "external",
        }
    }

    /// Notes in the state folder who made the cluster.
    pub(crate) fn note(self, layout: &Layout) -> Result<()> {
        super::supervise::write(&layout.provider(), self.name().as_bytes())
    }
}

/// The provider for `up`: the one asked for, else the one that has made the cluster, else the first that can.
pub(crate) fn choose(layout: &Layout, asked: Option<Provider>) -> Result<Provider> {
    let noted = noted(layout);
    if let Some(asked) = asked {
        if let Some(noted) = noted.filter(|noted| *noted != asked && asked != Provider::External) {
            bail!("a cluster made by {} is up; take it down first: cargo xtask cluster down", noted.name());
        }
        return Ok(asked);
    }
    if external::is_named(layout) {
        return Ok(Provider::External);
    }
    if let Some(noted) = noted {
        return Ok(noted);
    }
    let Some(kind_obstacle) = kind::obstacle() else { return Ok(Provider::Kind) };
    match host::obstacle() {
        None => Ok(Provider::Host),
        Some(obstacle) => bail!(
            "this machine can make no cluster:\n  kind: {kind_obstacle}\n  host: {obstacle}\n\
             Start Docker, or run this as root on Linux, or set KUBECONFIG to a cluster that you have."
        ),
    }
}

/// The provider of the cluster that is up, if there is one.
pub(crate) fn current(layout: &Layout) -> Option<Provider> {
    if external::is_named(layout) { Some(Provider::External) } else { noted(layout) }
}

fn noted(layout: &Layout) -> Option<Provider> {
    let name = fs::read_to_string(layout.provider()).ok()?;
    [Provider::Kind, Provider::Host].into_iter().find(|provider| provider.name() == name.trim())
}
