//! Checks that a cluster really does what the tests rely on: `cargo xtask cluster check`.

mod admission;
mod lifecycle;
mod netpol;
mod network_policy;
mod nodes;
mod workload;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::addon_images;
use super::{Cluster, Provider};
use crate::progress;

pub(crate) use self::lifecycle::run as run_lifecycle;
pub(crate) use self::netpol::run as run_netpol;

/// Where the checks put their objects. It enforces Pod Security `restricted`.
const NAMESPACE: &str = "flotilla-check";
/// How long a pod, a volume or a replica may take to be there.
const TIMEOUT: Duration = Duration::from_secs(120);

/// How a suite ended.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Summary {
    /// Runs one check and counts it; a failed one is printed and does not stop the others.
    fn check(&mut self, title: &str, check: impl FnOnce() -> Result<()>) {
        match progress::during(title, check) {
            Ok(()) => self.passed += 1,
            Err(error) => {
                self.failed += 1;
                eprintln!("{error:#}");
            }
        }
    }

    /// Prints the closing line. Failed checks are an error.
    pub(crate) fn end(&self) -> Result<()> {
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed > 0 {
            bail!("the cluster does not do all that it should");
        }
        Ok(())
    }
}

/// Checks a cluster by using it; it stays as it was.
pub(crate) fn run(cluster: &Cluster) -> Result<Summary> {
    let busybox = addon_images::busybox()?;
    if cluster.provider != Provider::External {
        cluster.load(std::slice::from_ref(&busybox.archive))?;
    }
    let check = Check { cluster, shell_image: &busybox.reference };
    check.remove_namespace()?;
    check.create_namespace()?;
    let mut summary = Summary::default();
    workload::run(&check, &mut summary);
    nodes::run(&check, &mut summary)?;
    admission::run(&check, &mut summary);
    network_policy::run(&check, &mut summary);
    check.remove_namespace()?;
    Ok(summary)
}

/// What every check needs.
struct Check<'a> {
    cluster: &'a Cluster,
    /// An image with a shell, an HTTP server and its client.
    shell_image: &'a str,
}

impl Check<'_> {
    fn create_namespace(&self) -> Result<()> {
        self.cluster.kubectl.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {NAMESPACE}\n  labels:\n    \
             pod-security.kubernetes.io/enforce: restricted\n"
        ))
    }

    fn remove_namespace(&self) -> Result<()> {
        let timeout = format!("--timeout={}s", TIMEOUT.as_secs());
        self.cluster
            .kubectl
            .output(&["delete", "namespace", NAMESPACE, "--ignore-not-found", &timeout])
            .map(drop)
    }

    /// Runs kubectl in the checks' namespace.
    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.kubectl.output(&[&["--namespace", NAMESPACE], arguments].concat())
    }

    fn rollout(&self, deployment: &str) -> Result<()> {
        self.cluster.kubectl.rollout(NAMESPACE, &format!("deployment/{deployment}"), TIMEOUT)
    }

    /// Runs a shell command in a pod of a deployment.
    fn shell(&self, deployment: &str, script: &str) -> Result<String> {
        self.kubectl(&["exec", &format!("deployment/{deployment}"), "--", "sh", "-c", script])
    }
}

/// Repeats a probe until it says yes. The error of the last try is the reason when time runs out.
fn eventually(what: &str, timeout: Duration, mut probe: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        match probe() {
            Ok(true) => return Ok(()),
            outcome if Instant::now() > deadline => {
                outcome.with_context(|| format!("waited {} s in vain until {what}", timeout.as_secs()))?;
                bail!("waited {} s in vain until {what}", timeout.as_secs());
            }
            _ => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}
