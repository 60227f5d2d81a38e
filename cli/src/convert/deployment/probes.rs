//! Health checks.

use serde_json::{Value, json};

use crate::convert::{Fields, Notes};

/// What Kubernetes fills in.
const DEFAULTS: [(&str, i64); 5] = [
    ("initialDelaySeconds", 0),
    ("periodSeconds", 10),
    ("timeoutSeconds", 1),
    ("failureThreshold", 3),
    ("successThreshold", 1),
];

/// A check. `ports` are those of a sidecar, whose checks write numbers; of the service itself, names are known.
pub(super) fn probe(mut probe: Fields, ports: &Value, notes: &mut Notes) -> Value {
    let mut ours = handler(&mut probe, ports, notes);
    if ours.is_null() {
        return ours;
    }
    for (field, default) in DEFAULTS {
        if let Some(number) = probe.number(field).filter(|number| *number != default) {
            ours[field] = number.into();
        }
    }
    probe.finish(notes);
    ours
}

/// A startup check: how long it may take is one number.
pub(super) fn startup(mut probe: Fields, notes: &mut Notes) -> Value {
    let mut ours = handler(&mut probe, &Value::Null, notes);
    if ours.is_null() {
        return ours;
    }
    let mut number = |field: &str, default: i64| probe.number(field).unwrap_or(default);
    let budget =
        number("initialDelaySeconds", 0) + number("periodSeconds", 10) * number("failureThreshold", 3);
    ours["budgetSeconds"] = budget.into();
    probe.ignore(&["timeoutSeconds", "successThreshold"]);
    probe.finish(notes);
    ours
}

fn handler(probe: &mut Fields, ports: &Value, notes: &mut Notes) -> Value {
    let number = |port: Option<Value>| match port {
        Some(Value::String(name)) => {
            let found = ports.as_array().into_iter().flatten().find(|port| port["name"] == *name);
            found.map_or(Value::String(name), |port| port["containerPort"].clone())
        }
        other => other.unwrap_or_default(),
    };
    if let Some(http) = probe.take("httpGet") {
        let mut http = Fields::of(probe.join("httpGet"), http);
        let ours = json!({"http": {
            "path": http.take("path"),
            "port": number(http.take("port")),
            "scheme": http.take("scheme").filter(|scheme| scheme != "HTTP"),
            "httpHeaders": http.take("httpHeaders"),
        }});
        http.finish(notes);
        ours
    } else if let Some(mut tcp) = probe.take("tcpSocket") {
        json!({"tcp": {"port": number(Some(tcp["port"].take()))}})
    } else if let Some(grpc) = probe.take("grpc") {
        json!({"grpc": {"port": grpc["port"], "service": grpc["service"].as_str().filter(|name| !name.is_empty())}})
    } else if let Some(exec) = probe.take("exec") {
        json!({"exec": exec})
    } else {
        Value::Null
    }
}
