//! A cluster that the user has, named by `KUBECONFIG`. Nothing is started in it or taken down.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::kubectl::Kubectl;
use super::layout::Layout;

/// Whether `KUBECONFIG` names a cluster other than ours.
pub(crate) fn is_named(layout: &Layout) -> bool {
    kubeconfig().is_ok_and(|path| path != layout.kubeconfig())
}

/// What `KUBECONFIG` says.
pub(crate) fn kubeconfig() -> Result<PathBuf> {
    let value =
        std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()).context("KUBECONFIG is not set")?;
    let path = PathBuf::from(value);
    std::path::absolute(&path).with_context(|| format!("KUBECONFIG is {}", path.display()))
}

/// Checks that its API server answers, and says its version.
pub(crate) fn check() -> Result<()> {
    let path = kubeconfig()?;
    let versions = Kubectl::new(&path)?
        .output(&["version", "--request-timeout=10s"])
        .with_context(|| format!("the cluster that KUBECONFIG={} names does not answer", path.display()))?;
    println!("Using the cluster that KUBECONFIG names:\n{}", versions.trim_end());
    Ok(())
}
