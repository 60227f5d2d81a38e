//! Containers: the one that runs the image, and those beside it.

use serde_json::{Map, Value, json};

use super::{probes, security};
use crate::convert::{Fields, Notes};

/// The containers of a pod by what they become.
pub(super) struct Containers {
    pub(super) main: Fields,
    pub(super) init: Vec<Fields>,
    pub(super) sidecars: Vec<Fields>,
}

/// Takes the containers of a pod. The main one is that which is named like the service, or the first.
pub(super) fn split(service: &str, pod: &mut Fields, notes: &mut Notes) -> Containers {
    let fields = |container: Value| {
        let name = container["name"].as_str().unwrap_or_default().to_owned();
        Fields::of(format!("container {name}"), container)
    };
    let mut containers = pod.list("containers");
    let place = containers.iter().position(|found| found["name"] == service).unwrap_or(0);
    let main = if containers.is_empty() { Value::Null } else { containers.remove(place) };
    if let Some(name) = main["name"].as_str().filter(|name| *name != service) {
        notes.add(format!("container {name}: is named {service}, like the service, from now on"));
    }
    // A container beside the others that begins before them, and ends after them.
    let (native, init): (Vec<_>, Vec<_>) =
        pod.list("initContainers").into_iter().partition(|found| found["restartPolicy"] == "Always");
    Containers {
        main: fields(main),
        init: init.into_iter().map(fields).collect(),
        sidecars: native.into_iter().chain(containers).map(fields).collect(),
    }
}

/// Writes the main container into the spec.
pub(super) fn main(
    mut container: Fields,
    pod_security: Fields,
    spec: &mut Map<String, Value>,
    notes: &mut Notes,
) {
    common(&mut container, spec, notes);
    container.ignore(&["name", "ports"]);
    spec.insert("imagePullPolicy".to_owned(), pull_policy(&mut container, spec.get("image")));
    let checks = json!({
        "readiness": probes::probe(container.object("readinessProbe"), &Value::Null, notes),
        "liveness": probes::probe(container.object("livenessProbe"), &Value::Null, notes),
        "startup": probes::startup(container.object("startupProbe"), notes),
    });
    spec.insert("probes".to_owned(), checks);
    spec.insert("lifecycle".to_owned(), json!({"drainSeconds": drain(&mut container, notes)}));
    let mounts_tmp =
        spec.get("volumeMounts").and_then(Value::as_array).into_iter().flatten().any(|mount| {
            mount["mountPath"].as_str().is_some_and(|path| path.trim_end_matches('/') == "/tmp")
        });
    spec.insert("security".to_owned(), security::of(&mut container, pod_security, mounts_tmp, notes));
    if spec.get("resources").is_none_or(|resources| resources["limits"]["memory"].is_null()) {
        notes.add(
            "resources: there was no memory limit; now the memory request is one (256Mi when left out): write what the service needs",
        );
    }
    container.finish(notes);
}

/// A container beside the main one.
pub(super) fn extra(mut container: Fields, is_init: bool, notes: &mut Notes) -> Value {
    container.ignore(&["restartPolicy"]);
    let mut spec = Map::new();
    spec.insert("name".to_owned(), container.take("name").unwrap_or_default());
    common(&mut container, &mut spec, notes);
    let ports = container.take("ports").unwrap_or_default();
    if !is_init {
        let named = ports.as_array().into_iter().flatten().map(|port| {
            let number = port["containerPort"].as_u64().unwrap_or_default();
            let name = port["name"].as_str().map_or_else(|| format!("port-{number}"), ToOwned::to_owned);
            json!({"name": name, "port": number})
        });
        spec.insert("ports".to_owned(), named.collect());
        for (ours, theirs) in
            [("readiness", "readinessProbe"), ("liveness", "livenessProbe"), ("startup", "startupProbe")]
        {
            spec.insert(ours.to_owned(), probes::probe(container.object(theirs), &ports, notes));
        }
    }
    let advice = "is not carried over: containers beside the service run under its security profile";
    container.refuse("securityContext", advice, notes);
    container.ignore(&["imagePullPolicy"]);
    container.finish(notes);
    Value::Object(spec)
}

/// Fields that all containers have in the same form.
fn common(container: &mut Fields, spec: &mut Map<String, Value>, notes: &mut Notes) {
    for field in ["image", "command", "args", "env", "envFrom"] {
        spec.insert(field.to_owned(), container.take(field).unwrap_or_default());
    }
    let mut mounts = Vec::new();
    for mount in container.list("volumeMounts") {
        let path = container.join("volumeMounts");
        let mut mount = Fields::of(path, mount);
        mounts.push(json!({
            "name": mount.take("name"),
            "mountPath": mount.take("mountPath"),
            "subPath": mount.take("subPath"),
            "readOnly": mount.take("readOnly").filter(|read_only| *read_only == true),
        }));
        mount.finish(notes);
    }
    spec.insert("volumeMounts".to_owned(), mounts.into());
    let mut resources = container.object("resources");
    spec.insert(
        "resources".to_owned(),
        json!({"requests": resources.take("requests"), "limits": resources.take("limits")}),
    );
    resources.finish(notes);
    container.refuse("workingDir", "is not carried over: write it into the image", notes);
    container.ignore(&["terminationMessagePath", "terminationMessagePolicy", "stdin", "stdinOnce", "tty"]);
}

/// Left out where Kubernetes would choose the same.
fn pull_policy(container: &mut Fields, image: Option<&Value>) -> Value {
    let image = image.and_then(Value::as_str).unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let is_latest = !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    let chosen = if is_latest { "Always" } else { "IfNotPresent" };
    container.text("imagePullPolicy").filter(|policy| policy != chosen).into()
}

/// A `preStop` that only waits is what Flotilla calls draining.
fn drain(container: &mut Fields, notes: &mut Notes) -> Option<i64> {
    let mut lifecycle = container.object("lifecycle");
    let hook = lifecycle.take("preStop").unwrap_or_default();
    lifecycle.refuse("postStart", "is not carried over: let the program do it when it starts", notes);
    lifecycle.finish(notes);
    if let Some(seconds) = hook["sleep"]["seconds"].as_i64() {
        return Some(seconds);
    }
    let words: Vec<_> =
        hook["exec"]["command"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let line = words.join(" ");
    let sleep = line.rsplit_once("sleep ").and_then(|(before, seconds)| {
        matches!(before.trim(), "" | "/bin/" | "sh -c" | "/bin/sh -c" | "bash -c" | "/bin/bash -c")
            .then_some(seconds)
    });
    let seconds = sleep.and_then(|seconds| seconds.trim().trim_end_matches('s').parse().ok());
    if seconds.is_none() && !hook.is_null() {
        notes.add(format!(
            "{}.lifecycle.preStop: is not carried over: let the program do it at SIGTERM; waiting is lifecycle.drainSeconds",
            container.path
        ));
    }
    seconds
}
