//! The kind provider: nodes as Docker containers, where Docker can pull their image.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::addons;
use super::kubectl::Kubectl;
use super::layout::Layout;
use super::provider::Provider;
use super::tools::KIND;
use super::{Options, addon_images, supervise};
use crate::{cache, host, process, progress};

/// The cluster's name in kind.
const NAME: &str = "flotilla";
/// The node image that the pinned kind is tested with.
const NODE_IMAGE: &str =
    "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";
/// How long Docker may take to answer at all.
const DOCKER_TIMEOUT: &str = "10";
/// How long Docker may take to pull the node image.
const PULL_TIMEOUT: &str = "600";
const READY_TIMEOUT: Duration = Duration::from_secs(300);

/// Why kind cannot be used here, if it cannot. Pulls the node image to find out.
pub(crate) fn obstacle() -> Option<String> {
    if host::find("docker").is_none() {
        return Some("Docker is not installed".to_owned());
    }
    // `timeout` is coreutils': Docker's client waits for ever on some broken daemons.
    let docker = |timeout: &str, arguments: &[&str]| {
        let mut command = Command::new("timeout");
        command.arg(timeout).arg("docker").args(arguments);
        command
    };
    if !process::succeeds(&mut docker(DOCKER_TIMEOUT, &["version"])) {
        return Some("Docker's daemon does not answer".to_owned());
    }
    if process::succeeds(&mut docker(DOCKER_TIMEOUT, &["image", "inspect", NODE_IMAGE])) {
        return None;
    }
    let pull = progress::during(format!("Pulling {NODE_IMAGE}"), || {
        process::run(
            &mut docker(PULL_TIMEOUT, &["pull", NODE_IMAGE]),
            &cache::root()?.join("logs/docker-pull.log"),
        )
    });
    pull.err().map(|_| format!("Docker cannot pull {NODE_IMAGE}"))
}

/// Creates the cluster if it is not there, and installs what kind's own lacks.
pub(crate) fn up(layout: &Layout, options: &Options) -> Result<()> {
    let log = layout.log("kind");
    let metrics_server = addon_images::metrics_server()?;
    layout.claim()?;
    Provider::Kind.note(layout)?;
    let clusters = process::output(kind()?.args(["get", "clusters"]))?;
    if clusters.lines().any(|line| line == NAME) {
        process::run(
            kind()?.args(["export", "kubeconfig", "--name", NAME, "--kubeconfig"]).arg(layout.kubeconfig()),
            &log,
        )?;
    } else {
        let config = layout.config().join("kind.yaml");
        let workers = (1..options.nodes).map(|_| json!({"role": "worker"}));
        let nodes: Vec<_> = std::iter::once(json!({"role": "control-plane"})).chain(workers).collect();
        let text =
            json!({"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": nodes}).to_string();
        supervise::write(&config, text.as_bytes())?;
        progress::during("Creating a kind cluster", || {
            let mut create = kind()?;
            create.args([
                "create",
                "cluster",
                "--name",
                NAME,
                "--image",
                NODE_IMAGE,
                "--wait=180s",
                "--config",
            ]);
            process::run(create.arg(&config).arg("--kubeconfig").arg(layout.kubeconfig()), &log)
        })?;
    }
    let kubectl = Kubectl::new(&layout.kubeconfig())?;
    progress::during("Installing add-ons", || {
        load(std::slice::from_ref(&metrics_server.archive))?;
        // kind's kubelets sign their own serving certificates.
        kubectl.apply(&addons::metrics_server(&metrics_server, "--kubelet-insecure-tls")?)?;
        addons::apply_gateway_api(&kubectl, options.gateway_api)?;
        kubectl.rollout("kube-system", "deployment/metrics-server", READY_TIMEOUT)
    })
}

/// Deletes the cluster.
pub(crate) fn down(layout: &Layout) -> Result<()> {
    progress::during("Deleting the kind cluster", || {
        process::output(kind()?.args(["delete", "cluster", "--name", NAME]))
    })?;
    std::fs::remove_dir_all(layout.state()).with_context(|| format!("removing {}", layout.state().display()))
}

/// Imports image archives into every node.
pub(crate) fn load(archives: &[PathBuf]) -> Result<()> {
    for archive in archives {
        process::output(kind()?.args(["load", "image-archive", "--name", NAME]).arg(archive))?;
    }
    Ok(())
}

fn kind() -> Result<Command> {
    Ok(Command::new(KIND.build()?.program("kind")))
}
