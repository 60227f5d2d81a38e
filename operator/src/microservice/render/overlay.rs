//! Overlays: changes of the user to rendered objects, merged before they are applied. So they are in the revision, in
//! `diff`, and repaired like everything else.

use serde_json::{Map, Value};

use super::{Object, Unmet};
use crate::{
    cluster::kind::Kind,
    microservice::validate::{Validated, overlay_kind},
};

/// Names of lists whose items have a key, and the fields that may be it: the first that both items have.
const KEYED: [(&str, &[&str]); 13] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("volumes", &["name"]),
    ("env", &["name"]),
    ("imagePullSecrets", &["name"]),
    ("ports", &["name", "containerPort", "port"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey"]),
    ("readinessGates", &["conditionType"]),
    ("schedulingGates", &["name"]),
    ("groups", &["name"]),
];

/// Merges into the template of the pods what overlays of the workload say of it: it is a part of the version.
pub(super) fn template(service: &Validated, template: &mut Value) {
    for overlay in &service.overlays {
        let of_workload = overlay_kind(overlay.target.kind) == service.workload
            && overlay.target.name.as_ref().is_none_or(|name| *name == service.name);
        if of_workload && let Some(patch) = overlay.patch.get("spec").and_then(|spec| spec.get("template")) {
            merge(template, patch);
            canonical(template);
        }
    }
}

/// Merges the rest into the objects. Returns what found no object; with `partial` some are not there yet.
pub(super) fn objects(service: &Validated, objects: &mut [Object], partial: bool) -> Vec<Unmet> {
    let mut unmet = Vec::new();
    for (index, overlay) in service.overlays.iter().enumerate() {
        let kind = overlay_kind(overlay.target.kind);
        let mut patch = overlay.patch.clone();
        if matches!(kind, Kind::Deployment | Kind::StatefulSet) {
            // The version that runs has its own.
            if let Some(spec) = patch.get_mut("spec").and_then(Value::as_object_mut) {
                spec.remove("template");
            }
        }
        let patch = Value::Object(patch);
        let mut found = false;
        for object in objects.iter_mut().filter(|object| {
            object.kind == kind && overlay.target.name.as_ref().is_none_or(|name| *name == object.name)
        }) {
            merge(&mut object.manifest, &patch);
            found = true;
        }
        if !found && !partial {
            let name = overlay.target.name.as_deref().map(|name| format!(" {name:?}")).unwrap_or_default();
            unmet.push(Unmet {
                is_fatal: true,
                reason: "OverlayWithoutTarget",
                message: format!(
                    "spec.overlays[{index}].target: this service has no {kind}{name}: correct or remove it (kubectl flotilla render shows what it has)"
                ),
            });
        }
    }
    unmet
}

/// Merges a patch: maps field by field, lists whose items have a key by that key, all else as a whole. `null` removes.
fn merge(target: &mut Value, patch: &Value) {
    merge_field("", target, patch);
}

fn merge_field(field: &str, target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => merge_map(target, patch),
        (Value::Array(target), Value::Array(patch)) if keys(field).is_some() => {
            let keys = keys(field).unwrap_or_default();
            for item in patch {
                match target.iter_mut().find(|known| is_same(keys, known, item)) {
                    Some(known) => merge_field("", known, item),
                    None => target.push(without_nulls(item)),
                }
            }
        }
        (target, patch) => *target = without_nulls(patch),
    }
}

fn merge_map(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge_field(name, target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}

fn keys(field: &str) -> Option<&'static [&'static str]> {
    KEYED.iter().find(|(name, _)| *name == field).map(|(_, keys)| *keys)
}

fn is_same(keys: &[&str], one: &Value, other: &Value) -> bool {
    let shared = keys.iter().find(|key| one.get(**key).is_some() && other.get(**key).is_some());
    shared.is_some_and(|key| one[*key] == other[*key])
}

/// With quantities as the API server stores them: it would look edited otherwise.
fn canonical(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("limits" | "requests", Value::Object(quantities)) => {
                        quantities.values_mut().for_each(canonical_quantity);
                    }
                    ("sizeLimit", quantity) => canonical_quantity(quantity),
                    (_, other) => canonical(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(canonical),
        _ => {}
    }
}

fn canonical_quantity(value: &mut Value) {
    if let Value::String(text) = value {
        *text = super::container::canonical(text);
    }
}

/// A field that is applied as `null` would be owned and have no value.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::microservice::{
        dereference::Observed,
        render::{Rendered, render, tests::microservice},
        validate::{Class, validate},
    };

    fn rendered(spec: &str) -> Rendered {
        let service = microservice(&format!("spec: {{image: app, {spec}}}"));
        render(&validate(&service, &Class::default()).unwrap(), &Observed::default()).unwrap()
    }

    fn of(rendered: &Rendered, kind: Kind) -> Value {
        rendered.objects.iter().find(|object| object.kind == kind).unwrap().manifest.clone()
    }

    #[test]
    fn lists_with_keys_are_merged_and_others_replaced() {
        let mut pod = json!({
            "containers": [{"name": "a", "args": ["x", "y"], "ports": [{"name": "http", "containerPort": 80}]}],
            "dnsPolicy": "ClusterFirst",
        });
        merge(
            &mut pod,
            &json!({
                "containers": [
                    {"name": "a", "args": ["z"], "ports": [{"containerPort": 80, "hostIP": "127.0.0.1"}]},
                    {"name": "b", "tty": null},
                ],
                "dnsPolicy": null,
                "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
            }),
        );
        assert_eq!(
            pod,
            json!({
                "containers": [
                    {"name": "a", "args": ["z"], "ports": [{"name": "http", "containerPort": 80, "hostIP": "127.0.0.1"}]},
                    {"name": "b"},
                ],
                "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
            })
        );
    }

    #[test]
    fn a_change_of_the_pods_makes_a_version_and_any_other_does_not() {
        let plain = rendered("ports: [{name: http, port: 80}]");
        let metadata = rendered(
            "ports: [{name: http, port: 80}], overlays: [{target: {kind: Deployment}, patch: {metadata: {labels: {team: a}}}},
            {target: {kind: Service}, patch: {spec: {trafficDistribution: PreferClose}}}]",
        );
        assert_eq!(plain.latest, metadata.latest);
        assert_eq!(of(&metadata, Kind::Deployment)["metadata"]["labels"]["team"], "a");
        assert_eq!(of(&metadata, Kind::Service)["spec"]["trafficDistribution"], "PreferClose");
        let pods = rendered(
            "ports: [{name: http, port: 80}], overlays: [{target: {kind: Deployment}, patch: {spec: {template: {spec: {dnsPolicy: Default}}}}}]",
        );
        assert_ne!(plain.latest, pods.latest);
        assert_eq!(of(&pods, Kind::Deployment)["spec"]["template"]["spec"]["dnsPolicy"], "Default");
        assert_eq!(of(&pods, Kind::Revision)["spec"]["template"]["spec"]["dnsPolicy"], "Default");
    }

    #[test]
    fn quantities_are_as_the_api_server_stores_them() {
        let service = rendered(
            "overlays: [{target: {kind: Deployment}, patch: {spec: {template: {spec: {containers: [{name: orders, resources: {limits: {cpu: '0.5'}}}]}}}}}]",
        );
        let deployment = of(&service, Kind::Deployment);
        assert_eq!(
            deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"],
            "500m"
        );
    }

    #[test]
    fn an_overlay_of_nothing_is_named() {
        let worker =
            rendered("overlays: [{target: {kind: Service}, patch: {metadata: {labels: {team: a}}}}]");
        assert_eq!(worker.unmet.len(), 1);
        assert!(worker.unmet[0].message.starts_with("spec.overlays[0].target: this service has no Service"));
    }
}
