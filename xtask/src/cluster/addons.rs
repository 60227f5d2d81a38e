//! What a cluster has besides Kubernetes itself: DNS, metrics, storage, the Gateway API's resources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::addon_images;
use super::kubectl::Kubectl;
use super::layout::{DNS_SERVICE, Layout};
use super::node;
use super::template::render;
use super::tools::GATEWAY_API;
use crate::images::archive::Archived;

/// Which Gateway API resources a cluster has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum GatewayApi {
    /// Those that are stable
    Standard,
    /// All
    Experimental,
}

/// The pods' images.
pub(crate) struct Images {
    pause: Archived,
    coredns: Archived,
    metrics_server: Archived,
    provisioner: Archived,
    busybox: Archived,
}

impl Images {
    /// Builds what is not built yet.
    pub(crate) fn build() -> Result<Self> {
        Ok(Self {
            pause: addon_images::pause()?,
            coredns: addon_images::coredns()?,
            metrics_server: addon_images::metrics_server()?,
            provisioner: addon_images::provisioner()?,
            busybox: addon_images::busybox()?,
        })
    }

    /// The archives, for import.
    pub(crate) fn archives(&self) -> Vec<PathBuf> {
        [&self.pause, &self.coredns, &self.metrics_server, &self.provisioner, &self.busybox]
            .map(|image| image.archive.clone())
            .to_vec()
    }

    /// The manifests of a host cluster's add-ons.
    pub(crate) fn manifests(&self, layout: &Layout) -> Result<String> {
        let volumes = layout.volumes().to_string_lossy().into_owned();
        let coredns = render(
            include_str!("addons/coredns.yaml"),
            &[
                ("image", &self.coredns.reference),
                ("address", &DNS_SERVICE.to_string()),
                ("forward", &forward()),
            ],
        )?;
        let storage = render(
            include_str!("addons/storage.yaml"),
            &[
                ("image", &self.provisioner.reference),
                ("shell-image", &self.busybox.reference),
                ("volumes", &volumes),
            ],
        )?;
        let trust = "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
        Ok([coredns, metrics_server(&self.metrics_server, trust)?, storage].join("---\n"))
    }
}

/// metrics-server's manifests, with the flag that says how it trusts kubelets.
pub(crate) fn metrics_server(image: &Archived, kubelet_trust: &str) -> Result<String> {
    render(
        include_str!("addons/metrics-server.yaml"),
        &[("image", &image.reference), ("kubelet-trust", kubelet_trust)],
    )
}

/// Installs or updates the Gateway API's resources, and removes those of another channel.
pub(crate) fn apply_gateway_api(kubectl: &Kubectl, channel: GatewayApi) -> Result<()> {
    let folder = GATEWAY_API.module("sigs.k8s.io/gateway-api")?.join("config/crd");
    let name = match channel {
        GatewayApi::Standard => "standard",
        GatewayApi::Experimental => "experimental",
    };
    kubectl.apply(&resources(&folder.join(name))?).context("installing the Gateway API's resources")
}

/// All manifests of a folder, but not its kustomization.
fn resources(folder: &Path) -> Result<String> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("listing {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    files.retain(|file| file.file_name().is_some_and(|name| name != "kustomization.yaml"));
    let texts: Vec<_> = files
        .iter()
        .map(|file| fs::read_to_string(file).with_context(|| format!("reading {}", file.display())))
        .collect::<Result<_>>()?;
    Ok(texts.join("\n---\n"))
}

/// The part of the Corefile that asks the outside, if the node has anybody to ask.
fn forward() -> String {
    let servers = fs::read_to_string(node::resolv_conf()).unwrap_or_default();
    let mut servers = servers.lines().filter_map(|line| line.strip_prefix("nameserver"));
    // A pod's loopback is its own.
    if servers.any(|server| !server.trim().starts_with("127.")) {
        "forward . /etc/resolv.conf".to_owned()
    } else {
        String::new()
    }
}
