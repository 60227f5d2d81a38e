//! Installs the operator into a cluster as a user would: images, then Helm.

use std::process::Command;

use anyhow::Result;

use crate::cluster::{Cluster, HELM, Provider};
use crate::{cache, images, process, progress, workspace_root};

/// The namespace of the operator.
pub(crate) const NAMESPACE: &str = "flotilla-system";

/// The name of the Helm release.
const RELEASE: &str = "flotilla";

/// The images that tests of the operator and documents need.
pub(crate) const IMAGES: [&str; 7] =
    ["operator", "api-gateway", "podinfo", "podinfo-1", "redis", "rabbitmq", "postgres"];

/// Builds the images of these names, loads them, and installs or upgrades the chart.
pub(crate) fn install(cluster: &Cluster, image_names: &[&str]) -> Result<()> {
    let built = match cluster.provider {
        Provider::Host => images::build(image_names)?,
        // It pulls the public images of everybody else.
        Provider::Kind => images::build(&["operator"])?,
        Provider::External => Vec::new(),
    };
    if !built.is_empty() {
        images::load(cluster, &built)?;
    }
    progress::during("Installing the operator with Helm", || {
        upgrade(cluster, &[])?;
        restart(cluster)
    })
}

/// The image keeps its tag while it is developed, and Helm sees no change: takes what was just loaded.
fn restart(cluster: &Cluster) -> Result<()> {
    let deployment = "deployment/flotilla-operator";
    cluster.kubectl.output(&["--namespace", NAMESPACE, "rollout", "restart", deployment])?;
    cluster.kubectl.rollout(NAMESPACE, deployment, std::time::Duration::from_secs(180))
}

/// Builds and loads the operator's image, and installs the chart with these further arguments of Helm.
pub(crate) fn install_with(cluster: &Cluster, arguments: &[&str]) -> Result<()> {
    if cluster.provider != Provider::External {
        images::load(cluster, &images::build(&["operator"])?)?;
    }
    progress::during("Installing the operator with Helm", || {
        upgrade(cluster, arguments)?;
        restart(cluster)
    })
}

/// Installs the chart without a running operator: its definitions are there, and nothing acts on their objects.
pub(crate) fn install_paused(cluster: &Cluster) -> Result<()> {
    progress::during("Installing the definitions with Helm", || {
        upgrade(cluster, &["--set=replicas=0"])?;
        let gone = ["wait", "pods", "--all", "--for=delete", "--timeout=60s", "--namespace", NAMESPACE];
        cluster.kubectl.output(&gone).map(drop)
    })
}

/// Installs or upgrades the chart, with these further arguments of Helm.
pub(crate) fn upgrade(cluster: &Cluster, arguments: &[&str]) -> Result<()> {
    let mut helm = helm(cluster)?;
    helm.args(["upgrade", "--install", RELEASE]).arg(workspace_root().join("charts/flotilla"));
    helm.args(["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout=3m"]);
    // Without it, Helm keeps the values of the release before: a paused operator would stay paused.
    helm.arg("--reset-values").args(arguments);
    process::run(&mut helm, &log()?)
}

/// Helm, bound to a cluster.
pub(crate) fn helm(cluster: &Cluster) -> Result<Command> {
    let mut helm = Command::new(HELM.build()?.program("helm"));
    helm.arg("--kubeconfig").arg(&cluster.kubeconfig);
    Ok(helm)
}

fn log() -> Result<std::path::PathBuf> {
    Ok(cache::root()?.join("logs/helm.log"))
}
