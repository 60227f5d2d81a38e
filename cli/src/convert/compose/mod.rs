//! From a compose file: a `Microservice` for each service.

mod health;
mod interpolate;
mod ports;
mod units;
mod volumes;
mod words;

use serde_json::{Map, Value, json};

use super::{Converted, Fields, Notes, fields::plain, microservice, names};
use units::{memory, seconds};

/// Converts a compose file. `variable` gives the values of `${NAME}`.
pub fn convert(file: &Value, variable: &dyn Fn(&str) -> Option<String>) -> Converted {
    let mut notes = Notes::default();
    let file = interpolate::all(file, variable, &mut notes);
    let mut file = Fields::of("", file);
    file.ignore(&["version", "name"]);
    file.refuse(
        "networks",
        "is not carried over: a service is reached by those that name it in dependsOn",
        &mut notes,
    );
    file.refuse("include", "is not read: convert the included files too", &mut notes);
    for (top, kind) in [("secrets", "Secret"), ("configs", "ConfigMap")] {
        let found = file.take(top).unwrap_or_default();
        for name in found.as_object().into_iter().flatten().map(|(name, _)| name) {
            notes.add(format!("{top}.{name}: create it as a {kind}, and mount it with files"));
        }
    }
    // Which volumes there are is seen where they are mounted.
    file.ignore(&["volumes"]);
    let services = file.take("services").unwrap_or_default();
    let services = services.as_object().cloned().unwrap_or_default();
    let mut objects = Vec::new();
    for (name, service) in &services {
        objects.push(one(name, service.clone(), &services, &mut notes));
    }
    file.finish(&mut notes);
    notes.add(super::NETWORK);
    Converted { objects, notes: notes.0 }
}

fn one(name: &str, service: Value, all: &Map<String, Value>, notes: &mut Notes) -> Value {
    let path = format!("services.{name}");
    let mut fields = Fields::of(&path, service);
    let own = names::of_service(name);
    if own != name {
        notes.add(format!("{path}: is named {own}, which others must call it by"));
    }
    let mut spec = Map::new();
    let build = fields.take("build");
    spec.insert("image".to_owned(), image(&path, &own, fields.text("image"), build.is_some(), notes).into());
    if fields.text("pull_policy").as_deref() == Some("always") {
        spec.insert("imagePullPolicy".to_owned(), "Always".into());
    }
    spec.insert("command".to_owned(), words::list(fields.take("entrypoint")));
    spec.insert("args".to_owned(), words::list(fields.take("command")));
    spec.insert("ports".to_owned(), ports::all(&mut fields, notes));
    spec.insert("env".to_owned(), environment(&mut fields, notes));
    fields.refuse(
        "env_file",
        "create a ConfigMap of it (kubectl create configmap --from-env-file) and name it in envFrom",
        notes,
    );
    spec.insert("dependsOn".to_owned(), depends_on(&mut fields, all, notes));
    spec.insert("probes".to_owned(), health::probes(&mut fields, notes));
    volumes::all(&own, &mut fields, &mut spec, notes);
    deploy(&mut fields, &mut spec, notes);
    security(&mut fields, &mut spec, notes);
    if let Some(grace) = fields.take("stop_grace_period") {
        spec.insert(
            "lifecycle".to_owned(),
            json!({"terminationGracePeriodSeconds": seconds(&plain(&grace))}),
        );
    }
    ignored(&mut fields, notes);
    fields.finish(notes);
    microservice(&own, spec)
}

fn image(path: &str, name: &str, image: Option<String>, is_built: bool, notes: &mut Notes) -> String {
    match (image, is_built) {
        (Some(image), false) => image,
        (Some(image), true) => {
            notes.add(format!("{path}.build: build the image and push it as {image}"));
            image
        }
        (None, _) => {
            notes.add(format!("{path}.build: build the image, push it, and write its name to spec.image"));
            format!("registry.example.com/{name}:latest")
        }
    }
}

/// Both forms of an environment: a map, and a list of `NAME=value`.
fn environment(fields: &mut Fields, notes: &mut Notes) -> Value {
    let path = fields.join("environment");
    let pairs: Vec<(String, Option<String>)> = match fields.take("environment") {
        Some(Value::Object(map)) => {
            map.into_iter().map(|(name, value)| (name, (!value.is_null()).then(|| plain(&value)))).collect()
        }
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                let item = plain(item);
                match item.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (item, None),
                }
            })
            .collect(),
        _ => Vec::new(),
    };
    let mut env = Vec::new();
    for (name, value) in pairs {
        let Some(value) = value else {
            notes
                .add(format!("{path}.{name}: has no value here: compose takes it from your shell; write it"));
            continue;
        };
        if looks_secret(&name) {
            notes.add(format!(
                "{path}.{name}: looks like a secret: put it in a Secret, and refer to it with secretKeyRef"
            ));
        }
        // Kubernetes expands $(NAME), which compose does not.
        env.push(json!({"name": name, "value": value.replace("$(", "$$(")}));
    }
    env.into()
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASSWORD", "SECRET", "TOKEN", "API_KEY", "PRIVATE_KEY"].iter().any(|word| name.ends_with(word))
}

/// Both forms of `depends_on`: a list of names, and a map with conditions.
fn depends_on(fields: &mut Fields, all: &Map<String, Value>, notes: &mut Notes) -> Value {
    let path = fields.join("depends_on");
    let mut found: Vec<(String, Option<String>)> = match fields.take("depends_on") {
        Some(Value::Object(map)) => map
            .into_iter()
            .map(|(name, how)| (name, how["condition"].as_str().map(ToOwned::to_owned)))
            .collect(),
        Some(Value::Array(items)) => items.iter().map(|item| (plain(item), None)).collect(),
        _ => Vec::new(),
    };
    for link in fields.list("links") {
        let link = plain(&link);
        let name = link.split(':').next().unwrap_or_default().to_owned();
        if !found.iter().any(|(known, _)| *known == name) {
            found.push((name, None));
        }
    }
    let mut dependencies = Vec::new();
    for (name, condition) in found {
        let has_ports =
            all.get(&name).is_some_and(|service| !service["ports"].is_null() || !service["expose"].is_null());
        if !has_ports {
            notes.add(format!(
                "{path}.{name}: it names no port in ports or expose; write its ports, or it cannot be called"
            ));
        }
        let gate = match condition.as_deref() {
            Some("service_healthy") => Some("FirstRollout"),
            Some("service_completed_successfully") => {
                notes.add(format!(
                    "{path}.{name}: what runs to its end is an entry of initContainers, or a Job"
                ));
                None
            }
            _ => None,
        };
        dependencies.push(json!({"name": names::of_service(&name), "gate": gate}));
    }
    dependencies.into()
}

/// How many pods there are, and what they need.
fn deploy(fields: &mut Fields, spec: &mut Map<String, Value>, notes: &mut Notes) {
    let mut deploy = fields.object("deploy");
    let replicas = deploy.number("replicas").or(fields.number("scale"));
    spec.insert("replicas".to_owned(), replicas.into());
    let mut resources = deploy.object("resources");
    let (mut limits, mut requests) = (resources.object("limits"), resources.object("reservations"));
    let most = json!({
        "cpu": limits.text("cpus").or(fields.text("cpus")),
        "memory": limits.text("memory").or(fields.text("mem_limit")).map(|text| memory(&text)),
    });
    let least = json!({
        "cpu": requests.text("cpus"),
        "memory": requests.text("memory").or(fields.text("mem_reservation")).map(|text| memory(&text)),
    });
    if most["memory"].is_null() && least["memory"].is_null() {
        notes.add(format!(
            "{}: no memory is written: the service gets 256Mi and no more; write what it needs",
            fields.path
        ));
    }
    spec.insert("resources".to_owned(), json!({"limits": most, "requests": least}));
    limits.finish(notes);
    requests.finish(notes);
    resources.finish(notes);
    if deploy.take("restart_policy").is_some_and(|policy| policy["condition"] == "none") {
        notes.add(format!(
            "{}: pods are always started again; what runs once is a Job",
            deploy.join("restart_policy")
        ));
    }
    deploy.ignore(&["mode", "endpoint_mode"]);
    deploy.finish(notes);
}

/// Capabilities that profile Baseline allows.
const BASELINE: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

fn security(fields: &mut Fields, spec: &mut Map<String, Value>, notes: &mut Notes) {
    let path = fields.path.clone();
    let user = fields.text("user");
    let user_id =
        user.as_deref().and_then(|user| user.split(':').next()).and_then(|user| user.parse::<i64>().ok());
    if user.as_deref().is_some_and(|user| user_id.is_none() || user.contains(':')) {
        notes.add(format!("{path}.user: only the number of a user is carried over, no name and no group"));
    }
    let read_only = fields.take("read_only") == Some(Value::Bool(true));
    let added: Vec<_> = fields
        .list("cap_add")
        .iter()
        .map(|capability| plain(capability).trim_start_matches("CAP_").to_ascii_uppercase())
        .collect();
    let (allowed, others): (Vec<_>, Vec<_>) =
        added.into_iter().partition(|name| BASELINE.contains(&name.as_str()));
    for capability in others {
        notes.add(format!(
            "{path}.cap_add: {capability} needs security.profile: Custom, and an administrator's consent"
        ));
    }
    fields.refuse("privileged", "is not carried over: a privileged container owns its node", notes);
    fields.ignore(&["cap_drop", "security_opt"]);
    // Under the default profile an image that runs as root, or writes beside its volumes, does not run.
    let is_restricted = read_only && user_id.is_some_and(|user| user != 0) && allowed.is_empty();
    if !is_restricted {
        notes.add(format!(
            "{path}: security.profile is Baseline, because the image may run as root and write everywhere; remove it if it does not"
        ));
    }
    spec.insert(
        "security".to_owned(),
        json!({
            "profile": (!is_restricted).then_some("Baseline"),
            "runAsUser": user_id,
            "readOnlyRootFilesystem": (read_only && !is_restricted).then_some(true),
            "addCapabilities": allowed,
        }),
    );
}

/// What needs no counterpart, and what is said better than with a general word.
fn ignored(fields: &mut Fields, notes: &mut Notes) {
    fields.ignore(&[
        "container_name",
        "init",
        "tty",
        "stdin_open",
        "platform",
        "logging",
        "networks",
        "external_links",
    ]);
    match fields.text("restart").as_deref() {
        Some("no" | "false") => {
            notes.add(format!(
                "{}: pods are always started again; what runs once is a Job",
                fields.join("restart")
            ));
        }
        Some(other) if other.starts_with("on-failure") => {
            notes.add(format!("{}: pods are started again also after success", fields.join("restart")));
        }
        _ => {}
    }
    for (field, advice) in [
        (
            "working_dir",
            "is not carried over: write it into the image, or into command with sh -c \"cd ... && exec ...\"",
        ),
        ("network_mode", "is not carried over: pods have a network of their own"),
        ("extra_hosts", "is not carried over: name the host in dependsOn with external"),
        ("secrets", "is not carried over: create the Secret, and mount it with files"),
        ("configs", "is not carried over: create the ConfigMap, or write it in config.data, and mount it"),
        ("profiles", "is not carried over: apply only the services that you want"),
        ("labels", "is not carried over: metadata.labels are yours to write"),
        ("extends", "is not read: convert the output of docker compose config"),
        ("hostname", "is not carried over: others reach the service by its name"),
    ] {
        fields.refuse(field, advice, notes);
    }
}

#[cfg(test)]
mod tests;
