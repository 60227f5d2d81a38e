//! Volumes: named ones become claims, those in memory folders; those of the host have no counterpart.

use serde_json::{Map, Value, json};

use crate::convert::{Fields, Notes, fields::plain, names};

pub(super) fn all(service: &str, fields: &mut Fields, spec: &mut Map<String, Value>, notes: &mut Notes) {
    let path = fields.join("volumes");
    let mut files = Vec::new();
    for volume in fields.list("volumes") {
        let (source, target, read_only) = parse(&volume);
        let Some(target) =
            target.map(|target| target.trim_end_matches('/').to_owned()).filter(|path| path.len() > 1)
        else {
            notes.add(format!("{path}: {} is not carried over: it names no folder", plain(&volume)));
            continue;
        };
        match source {
            Some(source) if source.starts_with(['.', '/', '~']) => notes.add(format!(
                "{path}: {source} of the host is not carried over: put it into the image, or into a ConfigMap that files mounts at {target}"
            )),
            Some(source) => {
                let claim = format!("{service}-{}", names::of_service(&source));
                notes.add(format!(
                    "{path}: {source} becomes the claim {claim}: create that PersistentVolumeClaim, and copy the data"
                ));
                let source = json!({"claimName": claim, "readOnly": read_only.then_some(true)});
                files.push(json!({"mountPath": target, "persistentVolumeClaim": source}));
            }
            None => files.push(json!({"mountPath": target, "emptyDir": {}})),
        }
    }
    let folders = match fields.take("tmpfs") {
        Some(Value::Array(items)) => items.iter().map(plain).collect(),
        Some(one) => vec![plain(&one)],
        None => Vec::new(),
    };
    for folder in folders {
        let target = folder.split(':').next().unwrap_or_default().trim_end_matches('/').to_owned();
        files.push(json!({"mountPath": target, "emptyDir": {"medium": "Memory"}}));
    }
    spec.insert("files".to_owned(), files.into());
}

/// Source, folder in the container, and whether it is read-only.
fn parse(volume: &Value) -> (Option<String>, Option<String>, bool) {
    if let Value::Object(long) = volume {
        let text = |name: &str| long.get(name).map(plain);
        return (text("source"), text("target"), long.get("read_only") == Some(&Value::Bool(true)));
    }
    let text = plain(volume);
    let mut parts = text.split(':').map(ToOwned::to_owned);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(source), Some(target), mode) => {
            (Some(source), Some(target), mode.is_some_and(|mode| mode.split(',').any(|word| word == "ro")))
        }
        (target, ..) => (None, target, false),
    }
}
