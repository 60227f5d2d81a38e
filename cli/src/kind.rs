//! The kinds that this program looks at, by the names that people type.

use kube::core::{ApiResource, GroupVersionKind};

use crate::Error;

/// A kind that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    group: &'static str,
    version: &'static str,
    /// Its name.
    pub kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
}

const fn known(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
) -> Known {
    Known { group, version, kind, plural, short }
}

const ALL: [Known; 20] = [
    known("flotilla.dev", "v1alpha1", "Microservice", "microservices", &["msvc"]),
    known("flotilla.dev", "v1alpha1", "MicroserviceRevision", "microservicerevisions", &["msvcrev"]),
    known("flotilla.dev", "v1alpha1", "TrafficPolicy", "trafficpolicies", &["tpol"]),
    known("", "v1", "Pod", "pods", &["po"]),
    known("", "v1", "Service", "services", &["svc"]),
    known("", "v1", "ServiceAccount", "serviceaccounts", &["sa"]),
    known("", "v1", "ConfigMap", "configmaps", &["cm"]),
    known("apps", "v1", "Deployment", "deployments", &["deploy"]),
    known("apps", "v1", "ReplicaSet", "replicasets", &["rs"]),
    known("apps", "v1", "StatefulSet", "statefulsets", &["sts"]),
    known("batch", "v1", "Job", "jobs", &[]),
    known("batch", "v1", "CronJob", "cronjobs", &["cj"]),
    known("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors", &["smon"]),
    known("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", &[]),
    known("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", &["netpol"]),
    known("networking.k8s.io", "v1", "Ingress", "ingresses", &["ing"]),
    known("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"]),
    known("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"]),
    known("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes", &[]),
    known("gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes", &[]),
];

impl Known {
    /// The kind of an object that somebody refers to.
    pub fn find(group: &str, kind: &str) -> Option<Self> {
        ALL.into_iter().find(|known| known.group == group && known.kind == kind)
    }

    /// The kind and the name in `KIND/NAME`.
    pub fn parse(text: &str) -> Result<(Self, &str), Error> {
        let usage = |why: String| Error::Usage(format!("{why}: write KIND/NAME, such as pod/hello-1234"));
        let (kind, name) = text.split_once('/').ok_or_else(|| usage(format!("{text:?} has no kind")))?;
        if name.is_empty() {
            return Err(usage(format!("{text:?} has no name")));
        }
        let asked = kind.to_ascii_lowercase();
        // As in kubectl, the group may follow the name of the kind.
        let (asked, group) =
            asked.split_once('.').map_or((asked.as_str(), None), |(kind, group)| (kind, Some(group)));
        let fits = |known: &Known| {
            let names = known.plural == asked
                || known.kind.eq_ignore_ascii_case(asked)
                || known.short.contains(&asked);
            names && group.is_none_or(|group| group == known.group)
        };
        let all: Vec<_> = ALL.iter().map(|known| known.kind).collect();
        let found = ALL.into_iter().find(fits);
        found.map(|found| (found, name)).ok_or_else(|| {
            Error::Usage(format!("{kind:?} is none of the kinds that can be traced: {}", all.join(", ")))
        })
    }

    /// How the API server serves it.
    pub fn api_resource(self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&gvk, self.plural)
    }

    /// Whether it leads traffic to Services.
    pub fn is_route(self) -> bool {
        matches!(self.kind, "HTTPRoute" | "GRPCRoute" | "Ingress")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_names_of_kubectl() {
        for text in ["pod/a", "po/a", "pods/a", "Pod/a"] {
            let (known, name) = Known::parse(text).unwrap();
            assert_eq!((known.kind, name), ("Pod", "a"), "{text}");
        }
        assert_eq!(Known::parse("deployments.apps/a").unwrap().0.kind, "Deployment");
        assert_eq!(Known::parse("svc/a").unwrap().0.kind, "Service");
    }

    #[test]
    fn what_is_no_object_is_told_so() {
        for (text, expected) in [
            ("hello", "\"hello\" has no kind"),
            ("pod/", "\"pod/\" has no name"),
            ("node/a", "\"node\" is none of"),
        ] {
            let error = Known::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
