//! kubectl of the pinned release, bound to one cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::tools::KUBECTL;
use crate::process;

/// kubectl with a kubeconfig.
#[derive(Clone)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// Builds kubectl if that has not been done yet.
    pub(crate) fn new(kubeconfig: &Path) -> Result<Self> {
        Ok(Self { program: KUBECTL.build()?.program("kubectl"), kubeconfig: kubeconfig.to_owned() })
    }

    /// The program itself, for those who bring their own kubeconfig.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// A command to add arguments to.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command
    }

    /// Runs it and returns what it wrote.
    pub(crate) fn output(&self, arguments: &[&str]) -> Result<String> {
        process::output(self.command().args(arguments))
    }

    /// Reads an object or a list.
    pub(crate) fn get(&self, arguments: &[&str]) -> Result<Value> {
        Ok(serde_json::from_str(&self.output(&[&["get", "--output=json"], arguments].concat())?)?)
    }

    /// Applies manifests, taking over fields that others manage.
    pub(crate) fn apply(&self, manifests: &str) -> Result<()> {
        self.apply_with(&[], manifests)
    }

    /// Applies manifests that say no namespace, in this one.
    pub(crate) fn apply_in(&self, namespace: &str, manifests: &str) -> Result<()> {
        self.apply_with(&["--namespace", namespace], manifests)
    }

    fn apply_with(&self, arguments: &[&str], manifests: &str) -> Result<()> {
        let mut command = self.command();
        command.args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=flotilla-xtask",
            "--filename=-",
        ]);
        process::output_with_input(command.args(arguments), manifests.as_bytes()).map(drop)
    }

    /// Waits until a workload's pods are ready. When they are not in time, the error has what they say.
    pub(crate) fn rollout(&self, namespace: &str, workload: &str, timeout: Duration) -> Result<()> {
        let timeout = format!("--timeout={}s", timeout.as_secs());
        let Err(error) = self.output(&["--namespace", namespace, "rollout", "status", workload, &timeout])
        else {
            return Ok(());
        };
        let ask = |arguments: &[&str]| {
            self.output(&[&["--namespace", namespace], arguments].concat())
                .unwrap_or_else(|error| error.to_string())
        };
        let pods = ask(&["get", "pods", "--output=wide"]);
        let events = ask(&["events", "--types=Warning"]);
        let logs = ask(&["logs", workload, "--all-containers", "--tail=20"]);
        Err(error.context(format!("{workload} in {namespace} is not ready\n{pods}\n{events}\n{logs}")))
    }

    /// Whether the API server answers that it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        process::succeeds(self.command().args(["get", "--raw=/readyz", "--request-timeout=5s"]))
    }
}
