//! What an overlay may change. It says what no field of `spec` can, not what another field has decided.

use flotilla_crds::v1alpha1::{Overlay, OverlayKind, SecurityProfile};
use serde_json::{Map, Value};

use super::Error;
use crate::cluster::kind::Kind;

/// Labels and annotations with this prefix are the operator's own.
const OWN_PREFIX: &str = "flotilla.dev/";

/// Fields of metadata that an overlay may change.
const METADATA: [&str; 2] = ["labels", "annotations"];

/// Fields of a pod that say what it may do on its node, and so are the profile's.
const OF_PROFILE: [&str; 9] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostUsers",
    "hostPath",
    "hostPort",
    "securityContext",
    "automountServiceAccountToken",
    "ephemeralContainers",
];

/// Fields whose value another field of `spec` decides: where they are, and which one that is.
const DECIDED: [(&[&str], &str, &str); 6] = [
    (&["Deployment", "StatefulSet"], "/spec/replicas", "spec.replicas or spec.autoscaling"),
    (&["Deployment", "StatefulSet", "Service", "PodDisruptionBudget"], "/spec/selector", "the operator"),
    (&["Deployment"], "/spec/paused", "spec.rollout.paused"),
    (&["HorizontalPodAutoscaler", "ScaledObject"], "/spec/scaleTargetRef", "the operator"),
    (&["NetworkPolicy"], "/spec/podSelector", "the operator"),
    (&["Deployment", "StatefulSet"], "/spec/template/spec/serviceAccountName", "spec.serviceAccount.name"),
];

/// Checks every overlay. Returns them as they are.
pub(super) fn check(overlays: &[Overlay], profile: SecurityProfile) -> Result<Vec<Overlay>, Error> {
    for (index, overlay) in overlays.iter().enumerate() {
        let fail = |path: &str, why: String| Error::Overlay { index, path: path.to_owned(), why };
        let whole = Value::Object(overlay.patch.clone());
        let other = overlay.patch.keys().find(|field| !matches!(field.as_str(), "metadata" | "spec"));
        if let Some(field) = other {
            return Err(fail(field, "a patch holds metadata and spec, nothing else".to_owned()));
        }
        metadata(&whole["metadata"], "metadata").map_err(|(path, why)| fail(&path, why))?;
        let template = "spec.template.metadata";
        metadata(&whole["spec"]["template"]["metadata"], template).map_err(|(path, why)| fail(&path, why))?;
        let kind = kind(overlay.target.kind);
        for (kinds, pointer, decider) in DECIDED {
            if kinds.contains(&kind.name()) && whole.pointer(pointer).is_some() {
                let field = pointer.trim_start_matches('/').replace('/', ".");
                return Err(fail(&field, format!("{decider} decides this")));
            }
        }
        if profile != SecurityProfile::Custom
            && let Some(path) = of_profile(&whole["spec"], "spec")
        {
            let why = format!(
                "the profile {profile:?} decides this: remove it, or write spec.security.profile: Custom if the class allows it"
            );
            return Err(fail(&path, why));
        }
    }
    Ok(overlays.to_vec())
}

/// The kind that an overlay changes.
pub fn kind(kind: OverlayKind) -> Kind {
    match kind {
        OverlayKind::ServiceAccount => Kind::ServiceAccount,
        OverlayKind::NetworkPolicy => Kind::NetworkPolicy,
        OverlayKind::Service => Kind::Service,
        OverlayKind::Job => Kind::Job,
        OverlayKind::Deployment => Kind::Deployment,
        OverlayKind::StatefulSet => Kind::StatefulSet,
        OverlayKind::PodDisruptionBudget => Kind::PodDisruptionBudget,
        OverlayKind::HorizontalPodAutoscaler => Kind::HorizontalPodAutoscaler,
        OverlayKind::CronJob => Kind::CronJob,
        OverlayKind::HttpRoute => Kind::HttpRoute,
        OverlayKind::GrpcRoute => Kind::GrpcRoute,
        OverlayKind::ServiceMonitor => Kind::ServiceMonitor,
        OverlayKind::PodMonitor => Kind::PodMonitor,
        OverlayKind::PrometheusRule => Kind::PrometheusRule,
        OverlayKind::ScaledObject => Kind::ScaledObject,
    }
}

/// What is wrong with a patch of metadata, and where.
fn metadata(part: &Value, path: &str) -> Result<(), (String, String)> {
    let empty = Map::new();
    let fields = part.as_object().unwrap_or(&empty);
    if let Some(field) = fields.keys().find(|field| !METADATA.contains(&field.as_str())) {
        let why = "a patch of metadata holds labels and annotations, nothing else".to_owned();
        return Err((format!("{path}.{field}"), why));
    }
    for (field, entries) in fields {
        for (name, value) in entries.as_object().unwrap_or(&empty) {
            let own = name.starts_with(OWN_PREFIX) || name.starts_with("app.kubernetes.io/");
            if own {
                return Err((format!("{path}.{field}[{name}]"), "the operator decides this".to_owned()));
            }
            if !value.is_string() && !value.is_null() {
                return Err((format!("{path}.{field}[{name}]"), "write a string, in quotes".to_owned()));
            }
        }
    }
    Ok(())
}

/// Where a patch touches what the profile decides.
fn of_profile(part: &Value, path: &str) -> Option<String> {
    match part {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let path = format!("{path}.{name}");
            if OF_PROFILE.contains(&name.as_str()) { Some(path) } else { of_profile(value, &path) }
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| of_profile(item, &format!("{path}[{index}]")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::microservice::{
        render::tests::microservice,
        validate::{Class, validate},
    };

    fn check(overlay: &str, more: &str) -> Result<(), String> {
        let service = microservice(&format!("spec: {{image: app, overlays: [{overlay}], {more}}}"));
        validate(&service, &Class::default()).map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn what_another_field_decides_is_refused() {
        for (kind, patch, path) in [
            ("Deployment", "spec: {replicas: 3}", "spec.replicas"),
            ("Deployment", "spec: {selector: {}}", "spec.selector"),
            ("Deployment", "spec: {template: {spec: {hostNetwork: true}}}", "spec.template.spec.hostNetwork"),
            (
                "Deployment",
                "spec: {template: {spec: {containers: [{name: a, securityContext: {}}]}}}",
                "spec.template.spec.containers[0].securityContext",
            ),
            (
                "Deployment",
                "spec: {template: {metadata: {labels: {flotilla.dev/microservice: a}}}}",
                "spec.template.metadata.labels[flotilla.dev/microservice]",
            ),
            ("Service", "metadata: {ownerReferences: []}", "metadata.ownerReferences"),
            ("Service", "metadata: {annotations: {a: 1}}", "metadata.annotations[a]"),
            ("Service", "data: {}", "data"),
        ] {
            let error = check(&format!("{{target: {{kind: {kind}}}, patch: {{{patch}}}}}"), "").unwrap_err();
            assert!(error.starts_with(&format!("spec.overlays[0].patch.{path}: ")), "{error}");
        }
    }

    #[test]
    fn the_custom_profile_decides_nothing() {
        let overlay = "{target: {kind: Deployment}, patch: {spec: {template: {spec: {hostNetwork: true}}}}}";
        assert!(check(overlay, "security: {profile: Custom}").is_ok());
    }

    #[test]
    fn the_rest_is_allowed() {
        let overlay = "{target: {kind: Deployment}, patch: {metadata: {labels: {team: a}}, spec: {template: {spec: {dnsPolicy: Default}}}}}";
        assert_eq!(check(overlay, ""), Ok(()));
    }
}
