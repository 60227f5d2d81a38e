//! kro as a peer: an operator that makes the same objects from one definition. It runs in a process of this machine,
//! with an account of its own and with as much done at once as the operator does.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::cluster::{Cluster, Kubectl};
use crate::tool::{ToolSet, Tools};
use crate::{cache, process, progress};

/// The release that `tools/kro/go.mod` pins.
pub(super) const VERSION: &str = "v0.9.4";

const MODULE: &str = "github.com/kubernetes-sigs/kro";

const KRO: ToolSet = ToolSet {
    renames: &[("controller", "kro")],
    ..ToolSet::go("kro", &["github.com/kubernetes-sigs/kro/cmd/controller"])
};

const NAMESPACE: &str = "kro-system";

/// The definition of what is measured.
const DEFINITION: &str = include_str!("kro.yaml");

/// kro, built and with its definitions installed.
pub(super) struct Kro {
    tools: Tools,
    kubectl: Kubectl,
    kubeconfig: PathBuf,
}

/// A running kro. It ends with this value.
pub(super) struct Running(Child);

impl Kro {
    /// Builds it and gives it an account.
    pub(super) fn install(cluster: &Cluster) -> Result<Self> {
        let tools = KRO.build()?;
        let definitions = KRO.module(MODULE)?.join("helm/crds");
        let kubectl = cluster.kubectl.clone();
        for file in
            fs::read_dir(&definitions).with_context(|| format!("reading {}", definitions.display()))?
        {
            kubectl.apply(&fs::read_to_string(file?.path())?)?;
        }
        let account = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "kro", "namespace": NAMESPACE}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "kro"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "ServiceAccount", "name": "kro", "namespace": NAMESPACE}]},
        ]});
        kubectl.apply(&account.to_string())?;
        let kubeconfig = kubeconfig(&kubectl)?;
        Ok(Self { tools, kubectl, kubeconfig })
    }

    /// Starts it and waits until it serves the definition.
    pub(super) fn start(&self) -> Result<Running> {
        let log = cache::root()?.join("logs/kro.log");
        let out = process::open_log(&log)?;
        let child = Command::new(self.tools.program("kro"))
            .args([
                "--metrics-bind-address=127.0.0.1:18078",
                "--health-probe-bind-address=127.0.0.1:18079",
                "--zap-devel=false",
                "--zap-log-level=error",
                // Its defaults are one object at once and ten a second: then those would be what is measured.
                "--dynamic-controller-concurrent-reconciles=16",
                "--dynamic-controller-rate-limiter-rate-limit=10000",
                "--dynamic-controller-rate-limiter-burst-limit=10000",
                "--client-qps=10000",
                "--client-burst=10000",
            ])
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .context("starting kro")?;
        let running = Running(child);
        self.kubectl.apply(DEFINITION)?;
        let began = Instant::now();
        let served = || -> Result<bool> {
            let found = self.kubectl.get(&["resourcegraphdefinition", "application"])?;
            Ok(found["status"]["state"] == "Active")
        };
        while !served()? {
            if began.elapsed() > Duration::from_secs(60) {
                bail!("kro does not take its definition\n{}", process::tail(&log));
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        Ok(running)
    }

    /// Removes what was installed.
    pub(super) fn uninstall(self) -> Result<()> {
        progress::during("Removing kro", || {
            // Their finalizers wait for an operator that has ended.
            for kind in ["resourcegraphdefinitions.kro.run", "graphrevisions.internal.kro.run"] {
                let objects = self.kubectl.output(&["get", kind, "--output=name"])?;
                for object in objects.lines() {
                    let none = "--patch={\"metadata\":{\"finalizers\":null}}";
                    self.kubectl.output(&["patch", object, "--type=merge", none])?;
                }
            }
            for what in [
                ["resourcegraphdefinition", "application"],
                ["crd", "applications.kro.run"],
                ["crd", "resourcegraphdefinitions.kro.run"],
                ["crd", "graphrevisions.internal.kro.run"],
                ["clusterrolebinding", "kro"],
                ["namespace", NAMESPACE],
            ] {
                self.kubectl.output(&["delete", what[0], what[1], "--ignore-not-found", "--timeout=120s"])?;
            }
            Ok(())
        })
    }
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which the run has then failed for.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The administrator's kubeconfig with the account's token: administrators pass by the API server's fair queuing.
fn kubeconfig(kubectl: &Kubectl) -> Result<PathBuf> {
    let token = kubectl.output(&["create", "token", "kro", "--namespace", NAMESPACE, "--duration=24h"])?;
    let text = kubectl.output(&["config", "view", "--raw", "--minify", "--output=json"])?;
    let mut config: serde_json::Value = serde_json::from_str(&text)?;
    for user in config["users"].as_array_mut().into_iter().flatten() {
        user["user"] = json!({"token": token.trim()});
    }
    let path = cache::root()?.join("bench/kro.kubeconfig");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path)?;
    serde_json::to_writer(file, &config)?;
    Ok(path)
}
