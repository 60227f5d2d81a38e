//! The installed operator, as benchmarks need it.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, ResourceExt, api::ListParams};

use crate::{OPERATOR_NAMESPACE, kubectl};

/// Starts it anew, so that its memory is that of what follows.
pub async fn restart_operator() -> Result<()> {
    for arguments in [["rollout", "restart"].as_slice(), &["rollout", "status", "--timeout=120s"]] {
        let all = [arguments, &["deployment/flotilla-operator", "-n", OPERATOR_NAMESPACE]].concat();
        kubectl(&all, "").await?;
    }
    Ok(())
}

/// The UID of the newest pod of a namespace that is wanted and does not go.
pub async fn newest_pod(
    client: &Client,
    namespace: &str,
    is_wanted: impl Fn(&Pod) -> bool,
) -> Result<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let newest = pods
        .list(&ListParams::default())
        .await?
        .into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none() && is_wanted(pod))
        .max_by_key(|pod| pod.creation_timestamp().map(|time| time.0));
    newest.and_then(|pod| pod.uid()).with_context(|| format!("no such pod is in {namespace}"))
}
