//! Whether the operator runs, and one of its replicas leads.

use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease};
use kube::{Api, ResourceExt as _, api::ListParams};

use super::Line;
use crate::{Error, cluster::Cluster, command::version::CLIENT, summary::age};

/// How the chart labels the operator.
const SELECTOR: &str = "app.kubernetes.io/name=flotilla";
/// The name of its Deployment in the chart.
const NAME: &str = "flotilla-operator";
/// Where the documents install it, which is looked at when the whole cluster may not be.
const NAMESPACE: &str = "flotilla-system";
/// The name of the Lease unless it is configured.
const LEASE: &str = "flotilla-operator";
/// Age from which a lease counts as given up: four times what the operator allows, since clocks differ.
const LEASE_IS_OLD: i64 = 60;

/// The operators of the cluster; there should be one.
pub async fn operators(cluster: &Cluster) -> Result<Vec<Deployment>, Error> {
    let params = ListParams::default().labels(SELECTOR);
    let list = match Api::<Deployment>::all(cluster.client.clone()).list(&params).await {
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            Api::<Deployment>::namespaced(cluster.client.clone(), NAMESPACE).list(&params).await
        }
        other => other,
    };
    let all = list.map_err(Error::api("look for the operator"))?.items;
    Ok(all.into_iter().filter(|found| found.name_any() == NAME).collect())
}

/// The version of an operator, by its label.
pub fn version(operator: &Deployment) -> Option<String> {
    operator.labels().get("app.kubernetes.io/version").cloned()
}

/// Checks the operator.
pub(super) async fn check(cluster: &Cluster) -> Vec<Line> {
    let found = match operators(cluster).await {
        Ok(found) => found,
        Err(error) => return vec![Line::unknown(&error)],
    };
    if found.is_empty() {
        return vec![Line::fail(
            "the operator is not installed: helm upgrade --install flotilla charts/flotilla --namespace flotilla-system --create-namespace",
        )];
    }
    let mut lines = Vec::new();
    for operator in &found {
        lines.push(runs(operator));
        lines.extend(is_of_this_version(operator));
        let namespace = operator.namespace().unwrap_or_default();
        let api: Api<Lease> = Api::namespaced(cluster.client.clone(), &namespace);
        lines.push(match api.get_opt(LEASE).await {
            Ok(lease) => leads(lease.as_ref(), Timestamp::now()),
            Err(error) => Line::unknown(&Error::api("read the Lease of the operator")(error)),
        });
    }
    lines
}

fn runs(operator: &Deployment) -> Line {
    let namespace = operator.namespace().unwrap_or_default();
    let wanted = operator.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let available = operator.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0);
    let text =
        format!("the operator runs in namespace {namespace}, {available} of {wanted} replicas are available");
    let advice = format!("kubectl -n {namespace} describe deployment {NAME} tells why");
    match available {
        0 => Line::fail(format!("{text}: {advice}")),
        some if some < wanted => Line::warn(format!("{text}: {advice}")),
        _ => Line::ok(text),
    }
}

fn is_of_this_version(operator: &Deployment) -> Option<Line> {
    let theirs = version(operator)?;
    Some(if theirs == CLIENT {
        Line::ok(format!("the operator is of version {theirs}, as this program"))
    } else {
        Line::warn(format!(
            "the operator is of version {theirs} and this program of {CLIENT}: render and diff may show other objects"
        ))
    })
}

fn leads(lease: Option<&Lease>, now: Timestamp) -> Line {
    let Some(spec) = lease.and_then(|lease| lease.spec.as_ref()) else {
        return Line::warn(format!(
            "there is no Lease {LEASE:?}: it has another name, or leader election is off"
        ));
    };
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty());
    let renewed = spec.renew_time.as_ref().map(|time| time.0);
    match (holder, renewed) {
        (Some(holder), Some(renewed)) if now.duration_since(renewed).as_secs() < LEASE_IS_OLD => {
            Line::ok(format!("{holder} leads"))
        }
        (Some(holder), Some(renewed)) => Line::fail(format!(
            "nobody leads: {holder} renewed the Lease {} ago; look at the log of the operator",
            age(renewed, now)
        )),
        _ => Line::fail("nobody holds the Lease: look at the log of the operator"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::check::Level;

    fn operator(available: i32) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/version": "0.0.9"}},
            "spec": {"replicas": 2, "selector": {}, "template": {}}, "status": {"availableReplicas": available},
        }))
        .unwrap()
    }

    #[test]
    fn replicas_are_counted() {
        let levels = [0, 1, 2].map(|available| runs(&operator(available)).level);
        assert_eq!(levels, [Level::Fail, Level::Warn, Level::Ok]);
    }

    #[test]
    fn another_version_is_a_warning() {
        assert_eq!(is_of_this_version(&operator(2)).unwrap().level, Level::Warn);
    }

    #[test]
    fn a_lease_must_be_held_and_fresh() {
        let now = crate::summary::tests::now();
        let lease =
            |spec: serde_json::Value| -> Lease { serde_json::from_value(json!({"spec": spec})).unwrap() };
        assert_eq!(leads(None, now).level, Level::Warn);
        assert_eq!(leads(Some(&lease(json!({}))), now).level, Level::Fail);
        let held =
            |time: &str| leads(Some(&lease(json!({"holderIdentity": "pod-1", "renewTime": time}))), now);
        assert_eq!(held("2026-01-01T00:59:50.000000Z"), Line::ok("pod-1 leads"));
        assert_eq!(held("2026-01-01T00:50:00.000000Z").level, Level::Fail);
    }
}
