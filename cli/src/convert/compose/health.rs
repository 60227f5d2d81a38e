//! `healthcheck`, which is readiness: compose restarts nothing because of it.

use serde_json::{Value, json};

use super::units::seconds;
use crate::convert::{Fields, Notes, fields::plain};

pub(super) fn probes(fields: &mut Fields, notes: &mut Notes) -> Value {
    let mut check = fields.object("healthcheck");
    let path = check.path.clone();
    let disabled = check.take("disable") == Some(Value::Bool(true));
    let command = match check.take("test") {
        Some(Value::String(line)) => Some(shell(&line)),
        Some(Value::Array(items)) => match items.split_first() {
            Some((first, _)) if first == "NONE" => None,
            Some((first, rest)) if first == "CMD-SHELL" => {
                Some(shell(&plain(rest.first().unwrap_or(&Value::Null))))
            }
            Some((_, rest)) => Some(rest.iter().map(plain).collect()),
            None => None,
        },
        _ => None,
    };
    let mut time = |field: &str| check.text(field).and_then(|text| seconds(&text));
    let (interval, timeout, start) = (time("interval"), time("timeout"), time("start_period"));
    let retries = check.number("retries");
    check.ignore(&["start_interval"]);
    check.finish(notes);
    match command {
        _ if disabled => json!({"readiness": {"disabled": true}}),
        None => Value::Null,
        Some(command) => {
            notes.add(format!(
                "{path}: is the readiness check; a check by http, tcp or grpc costs less than a command"
            ));
            json!({
                "readiness": {
                    "exec": {"command": command},
                    // Compose's own defaults, which are not those of Kubernetes.
                    "periodSeconds": interval.unwrap_or(30),
                    "timeoutSeconds": timeout.unwrap_or(30),
                    "failureThreshold": retries.unwrap_or(3),
                },
                "startup": start.filter(|start| *start > 0).map(|start| json!({"budgetSeconds": start})),
            })
        }
    }
}

fn shell(line: &str) -> Vec<String> {
    ["/bin/sh", "-c", line].map(ToOwned::to_owned).to_vec()
}
