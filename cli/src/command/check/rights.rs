//! Whether whoever asks may do what has to be done, by the API server's own judgement.

use futures::future::join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, api::PostParams};

use super::Line;
use crate::{Error, cluster::Cluster};

/// A right.
#[derive(Clone, Copy, Debug)]
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    /// Whether it is asked for in the namespace, or for the whole cluster.
    namespaced: bool,
    /// What fails without it.
    purpose: &'static str,
}

const fn right(
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    namespaced: bool,
    purpose: &'static str,
) -> Right {
    Right { verb, group, resource, namespaced, purpose }
}

const TO_INSTALL: [Right; 6] = [
    right("create", "apiextensions.k8s.io", "customresourcedefinitions", false, "to install the definitions"),
    right("create", "rbac.authorization.k8s.io", "clusterroles", false, "to give the operator its rights"),
    right(
        "create",
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        false,
        "to give the operator its rights",
    ),
    right("create", "", "namespaces", false, "for helm install --create-namespace"),
    right("create", "apps", "deployments", true, "to run the operator"),
    right("create", "", "serviceaccounts", true, "to run the operator"),
];

const TO_USE: [Right; 6] = [
    right("create", "flotilla.dev", "microservices", true, "for kubectl apply and kubectl flotilla diff"),
    right("list", "flotilla.dev", "microservices", true, "for kubectl flotilla status"),
    right("watch", "flotilla.dev", "microservices", true, "for kubectl flotilla status --watch"),
    right("list", "", "pods", true, "for kubectl flotilla tree, why and logs"),
    right("get", "", "pods/log", true, "for kubectl flotilla logs"),
    right("list", "", "events", true, "for kubectl flotilla why"),
];

/// Rights to install the operator.
pub(super) async fn to_install(cluster: &Cluster) -> Vec<Line> {
    ask(cluster, &TO_INSTALL, |line| Line::fail(format!("{line}: ask an administrator for it"))).await
}

/// Rights to work with services; whoever lacks one can still do the rest.
pub(super) async fn to_use(cluster: &Cluster) -> Vec<Line> {
    ask(cluster, &TO_USE, |line| Line::warn(format!("{line}: ask an administrator for it"))).await
}

async fn ask(cluster: &Cluster, rights: &[Right], missing: impl Fn(&str) -> Line) -> Vec<Line> {
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let reviews = rights.iter().map(|right| {
        let (api, review) = (api.clone(), review(*right, &cluster.namespace));
        async move { api.create(&PostParams::default(), &review).await }
    });
    let answers = join_all(reviews).await;
    let line = |(right, answer): (&Right, Result<SelfSubjectAccessReview, kube::Error>)| match answer {
        Ok(review) if review.status.as_ref().is_some_and(|status| status.allowed) => {
            Line::ok(described(*right, &cluster.namespace, "may"))
        }
        Ok(_) => missing(&described(*right, &cluster.namespace, "may not")),
        Err(error) => Line::unknown(&Error::api(format!(
            "ask for the right to {} {}",
            right.verb, right.resource
        ))(error)),
    };
    rights.iter().zip(answers).map(line).collect()
}

fn described(right: Right, namespace: &str, may: &str) -> String {
    let Right { verb, resource, namespaced, purpose, .. } = right;
    let place = if namespaced { format!(" in namespace {namespace}") } else { String::new() };
    format!("you {may} {verb} {resource}{place} ({purpose})")
}

fn review(right: Right, namespace: &str) -> SelfSubjectAccessReview {
    let (resource, subresource) = right
        .resource
        .split_once('/')
        .map_or((right.resource, None), |(resource, sub)| (resource, Some(sub)));
    let attributes = ResourceAttributes {
        verb: Some(right.verb.to_owned()),
        group: Some(right.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(ToOwned::to_owned),
        namespace: right.namespaced.then(|| namespace.to_owned()),
        ..ResourceAttributes::default()
    };
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subresources_are_asked_for_as_such() {
        let asked = review(right("get", "", "pods/log", true, ""), "shop").spec.resource_attributes.unwrap();
        assert_eq!((asked.resource.as_deref(), asked.subresource.as_deref()), (Some("pods"), Some("log")));
        assert_eq!(asked.namespace.as_deref(), Some("shop"));
    }

    #[test]
    fn a_right_says_what_it_is_for() {
        assert_eq!(
            described(TO_USE[4], "shop", "may not"),
            "you may not get pods/log in namespace shop (for kubectl flotilla logs)"
        );
    }
}
