//! From a live Deployment, with the Services and Ingresses that lead to its pods.

mod container;
mod ports;
mod probes;
mod security;

use flotilla_operator::cluster::MICROSERVICE_LABEL;
use serde_json::{Map, Value, json};

use super::{Converted, Fields, Notes, microservice, names};

/// Converts a Deployment.
pub fn convert(deployment: &Value, services: &Value, ingresses: &Value) -> Converted {
    let mut notes = Notes::default();
    let name = deployment["metadata"]["name"].as_str().unwrap_or_default();
    let own = names::of_service(name);
    if own == name {
        notes.add(format!(
            "Deployment {name}: Flotilla takes over no object of others: delete this one (and Services of this name) when the Microservice is applied, or give the Microservice another name"
        ));
    } else {
        notes.add(format!("Deployment {name}: the Microservice is named {own}"));
    }
    let mut fields = Fields::of("spec", deployment["spec"].clone());
    let mut template = fields.object("template");
    let labels = deployment["spec"]["template"]["metadata"]["labels"].clone();
    metadata(&mut template, &deployment["spec"]["selector"]["matchLabels"], &mut notes);
    let mut pod = template.object("spec");
    template.finish(&mut notes);
    pod.path = String::from("pod");

    let mut spec = Map::new();
    spec.insert("replicas".to_owned(), fields.number("replicas").filter(|replicas| *replicas != 1).into());
    spec.insert("rollout".to_owned(), rollout(&mut fields));
    // The labels of the pods are the operator's; the selector goes by them.
    fields.ignore(&["selector"]);
    fields.refuse("minReadySeconds", "is not carried over: the readiness check decides alone", &mut notes);
    fields.finish(&mut notes);

    let all = container::split(&own, &mut pod, &mut notes);
    let found = ports::all(&own, &all.main, &labels, services, ingresses, &mut notes);
    spec.insert("ports".to_owned(), found);
    let pod_security = pod.object("securityContext");
    container::main(all.main, pod_security, &mut spec, &mut notes);
    spec.insert(
        "initContainers".to_owned(),
        all.init.into_iter().map(|one| container::extra(one, true, &mut notes)).collect(),
    );
    spec.insert(
        "sidecars".to_owned(),
        all.sidecars.into_iter().map(|one| container::extra(one, false, &mut notes)).collect(),
    );
    spec.insert("volumes".to_owned(), volumes(&mut pod, &mut notes));
    rest_of_pod(&mut pod, &mut spec, &mut notes);
    pod.finish(&mut notes);
    notes.add(super::NETWORK);
    Converted { objects: vec![microservice(&own, spec)], notes: notes.0 }
}

/// Recommended labels of Kubernetes that the operator writes.
const OWN_LABELS: [&str; 2] = ["app.kubernetes.io/name", "app.kubernetes.io/managed-by"];

fn metadata(template: &mut Fields, selector: &Value, notes: &mut Notes) {
    let mut metadata = template.object("metadata");
    let labels = metadata.take("labels").unwrap_or_default();
    // Flotilla writes these itself.
    let is_ours = |label: &str| label == MICROSERVICE_LABEL || OWN_LABELS.contains(&label);
    for (label, value) in labels.as_object().into_iter().flatten().filter(|(label, _)| !is_ours(label)) {
        let value = super::fields::plain(value);
        let advice = if selector[label].is_null() {
            "is not carried over: pods have Flotilla's labels"
        } else {
            "is not carried over: whatever selects pods by it must select flotilla.dev/microservice"
        };
        notes.add(format!("the pods' label {label}={value}: {advice}"));
    }
    let annotations = metadata.take("annotations").unwrap_or_default();
    for (annotation, _) in annotations.as_object().into_iter().flatten() {
        // What `kubectl rollout restart` leaves behind.
        if annotation != "kubectl.kubernetes.io/restartedAt" {
            notes.add(format!("the pods' annotation {annotation}: is not carried over"));
        }
    }
    metadata.ignore(&["creationTimestamp", "name", "namespace"]);
    metadata.finish(notes);
}

/// Left out where it is what Flotilla or Kubernetes does anyway.
fn rollout(fields: &mut Fields) -> Value {
    let mut strategy = fields.object("strategy");
    let kind = strategy.text("type").filter(|kind| kind == "Recreate");
    let mut rolling = strategy.object("rollingUpdate");
    // A Deployment that says nothing has 25% here, which is not a choice; Flotilla takes no pod away before another is ready.
    let mut bound = |field: &str| rolling.take(field).filter(|bound| bound != "25%");
    json!({
        "strategy": kind,
        "maxSurge": bound("maxSurge"),
        "maxUnavailable": bound("maxUnavailable"),
        "progressDeadlineSeconds": fields.number("progressDeadlineSeconds").filter(|seconds| *seconds != 600),
        "revisionHistoryLimit": fields.number("revisionHistoryLimit").filter(|limit| *limit != 10),
        "paused": fields.take("paused"),
    })
}

/// Sources that a service may use.
const SOURCES: [&str; 7] =
    ["configMap", "secret", "emptyDir", "persistentVolumeClaim", "downwardAPI", "projected", "csi"];

fn volumes(pod: &mut Fields, notes: &mut Notes) -> Value {
    let mut kept = Vec::new();
    for volume in pod.list("volumes") {
        let name = volume["name"].as_str().unwrap_or_default();
        if SOURCES.iter().any(|source| !volume[*source].is_null()) {
            kept.push(volume);
        } else {
            let source = volume.as_object().and_then(|fields| fields.keys().find(|key| *key != "name"));
            let source = source.map_or("its source", String::as_str);
            notes.add(format!("volume {name}: {source} is not offered: use one of {}", SOURCES.join(", ")));
        }
    }
    kept.into()
}

fn rest_of_pod(pod: &mut Fields, spec: &mut Map<String, Value>, notes: &mut Notes) {
    let account = pod.text("serviceAccountName").filter(|name| name != "default");
    pod.ignore(&["serviceAccount"]);
    let mount = pod.take("automountServiceAccountToken");
    if account.is_some() && mount.is_none() {
        notes.add("serviceAccount.mountToken: is true, as it was; remove it unless the service calls the API server");
    }
    let mounts =
        mount.or_else(|| account.is_some().then_some(Value::Bool(true))).filter(|mount| *mount == true);
    spec.insert("serviceAccount".to_owned(), json!({"name": account, "mountToken": mounts}));
    spec.insert("imagePullSecrets".to_owned(), pod.take("imagePullSecrets").unwrap_or_default());
    let placement = json!({
        "nodeSelector": pod.take("nodeSelector"),
        "tolerations": pod.take("tolerations"),
        "priorityClassName": pod.take("priorityClassName"),
    });
    spec.insert("placement".to_owned(), placement);
    if let Some(grace) = pod.number("terminationGracePeriodSeconds").filter(|grace| *grace != 30) {
        let lifecycle = spec.entry("lifecycle").or_insert_with(|| json!({}));
        lifecycle["terminationGracePeriodSeconds"] = grace.into();
        let drains = lifecycle["drainSeconds"].as_i64().unwrap_or(5);
        if drains >= grace {
            lifecycle["drainSeconds"] = (grace - 1).max(0).into();
        }
    }
    for (field, advice) in [
        ("affinity", "is not carried over: use placement.nodeSelector and placement.topologySpread"),
        ("topologySpreadConstraints", "is not carried over: pods are spread over zones and nodes anyway"),
        ("hostNetwork", "is not offered: it would give the service its node"),
        ("hostPID", "is not offered: it would give the service its node"),
        ("hostIPC", "is not offered: it would give the service its node"),
    ] {
        pod.refuse(field, advice, notes);
    }
    // What the API server has filled in, or what has no effect of its own.
    for (field, default) in
        [("dnsPolicy", "ClusterFirst"), ("restartPolicy", "Always"), ("schedulerName", "default-scheduler")]
    {
        match pod.text(field) {
            Some(value) if value != default => notes.add(format!("pod.{field}: {value} is not carried over")),
            _ => {}
        }
    }
    pod.ignore(&["enableServiceLinks", "priority", "preemptionPolicy"]);
}

#[cfg(test)]
mod tests;
