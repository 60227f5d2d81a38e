//! `cargo xtask cluster status`.

use anyhow::Result;

use super::layout::Layout;
use super::provider::{self, Provider};
use super::{external, supervise};
use crate::cluster::Kubectl;

/// Prints what runs. A cluster with dead components is an answer, not an error.
pub(crate) fn print(layout: &Layout) -> Result<()> {
    let Some(provider) = provider::current(layout) else {
        println!("No cluster is up.");
        return Ok(());
    };
    let kubeconfig =
        if provider == Provider::External { external::kubeconfig()? } else { layout.kubeconfig() };
    println!("provider    {provider:?}\nkubeconfig  {}", kubeconfig.display());
    for report in supervise::reports(layout)? {
        match report.pid {
            Some(pid) => println!("running     {} (process {pid})", report.name),
            None => println!("dead        {} (see {})", report.name, layout.log(&report.name).display()),
        }
    }
    let kubectl = Kubectl::new(&kubeconfig)?;
    if !kubectl.is_ready() {
        println!("The API server does not answer. `cargo xtask cluster up` repairs a cluster of ours.");
        return Ok(());
    }
    println!("\n{}", kubectl.output(&["get", "nodes", "--output=wide"])?.trim_end());
    println!("\n{}", kubectl.output(&["get", "pods", "--all-namespaces"])?.trim_end());
    Ok(())
}
