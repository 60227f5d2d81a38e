//! What the tests against a real cluster share: a namespace each, waiting, kubectl, and the audit log.

mod audit;
mod fault;
mod kubectl;
mod machine;
mod namespace;
mod operator;
mod prober;
mod program;
mod wait;

pub use audit::{AuditLog, Position, Request};
pub use fault::{Fault, Faults, Faulty, Proxy};
pub use kubectl::{kubectl, server_side_diff};
pub use machine::{Machine, Usage};
pub use namespace::{TEST_LABEL, TestNamespace, allow_callers, condition, in_namespace};
pub use operator::{newest_pod, restart_operator};
pub use prober::Prober;
pub use program::{Ended, program};
pub use wait::{eventually, eventually_within, stays};

use anyhow::{Context, Result};
use kube::{Client, Config};

/// The image of the README's example.
pub const PODINFO: &str = "ghcr.io/stefanprodan/podinfo:6.9.2";

/// An old release of the same program, without its command-line tool.
pub const PODINFO_1: &str = "docker.io/stefanprodan/podinfo:1.8.0";

/// The namespace of the installed operator.
pub const OPERATOR_NAMESPACE: &str = "flotilla-system";

/// A client of the cluster that `KUBECONFIG` names.
pub async fn client() -> Result<Client> {
    // A second installation in the same process is refused, and changes nothing.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let config =
        Config::infer().await.context("set KUBECONFIG to the cluster to test, or run cargo xtask test")?;
    Ok(Client::try_from(config)?)
}
