//! Two forms of an object side by side, as `diff -u` has it. Pure.

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::Change;
use crate::{
    Error,
    output::{Paint, yaml},
};

/// The unified diff of a change; empty when nothing that people write or the operator decides has changed.
pub(super) fn unified(change: &Change, paint: Paint) -> Result<String, Error> {
    let (before, after) = (text(&change.before)?, text(&change.after)?);
    if before == after {
        return Ok(String::new());
    }
    let name = |side: &str, value: &Value| {
        if value.is_null() { "/dev/null".to_owned() } else { format!("{side}/{}", change.title) }
    };
    let (old, new) = (name("live", &change.before), name("next", &change.after));
    let mut out = paint.strong(&format!("--- {old}")) + "\n" + &paint.strong(&format!("+++ {new}")) + "\n";
    let diff = TextDiff::from_lines(&before, &after);
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        out.push_str(&paint.place(hunk.header().to_string().trim_end()));
        out.push('\n');
        for line in hunk.iter_changes() {
            let value = line.value().trim_end_matches('\n');
            let text = match line.tag() {
                ChangeTag::Equal => format!(" {value}"),
                ChangeTag::Insert => paint.good(&format!("+{value}")),
                ChangeTag::Delete => paint.bad(&format!("-{value}")),
            };
            out.push_str(&text);
            out.push('\n');
        }
    }
    Ok(out)
}

/// An object without what the API server and controllers write by themselves.
fn text(object: &Value) -> Result<String, Error> {
    if object.is_null() {
        return Ok(String::new());
    }
    let mut object = object.clone();
    if let Value::Object(fields) = &mut object {
        fields.remove("status");
    }
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        for field in
            ["managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"]
        {
            metadata.remove(field);
        }
        let last = "kubectl.kubernetes.io/last-applied-configuration";
        if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
            annotations.remove(last);
        }
        // The UID of a service that is not stored yet is another one each time.
        for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(owner) = owner {
                owner.remove("uid");
            }
        }
        metadata.retain(|_, value| *value != json!({}) && *value != json!([]));
    }
    // Items of a list come without these two, answers to a write with them.
    for field in ["apiVersion", "kind"] {
        if let Value::Object(fields) = &mut object {
            fields.remove(field);
        }
    }
    yaml(&object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(image: &str, version: &str) -> Value {
        json!({"metadata": {"name": "orders", "resourceVersion": version, "uid": "u", "annotations": {}},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "orders", "image": image,
                "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "yes"}]}]}}}, "status": {"replicas": 2}})
    }

    fn change(before: Value, after: Value) -> Change {
        Change { title: "Deployment/orders".to_owned(), before, after }
    }

    #[test]
    fn what_is_changed() {
        let change = change(deployment("orders:1", "1"), deployment("orders:2", "2"));
        insta::assert_snapshot!(unified(&change, Paint::default()).unwrap());
    }

    #[test]
    fn what_comes_and_what_goes() {
        let small = json!({"metadata": {"name": "orders"}});
        let come = unified(&change(Value::Null, small.clone()), Paint::default()).unwrap();
        let go = unified(&change(small, Value::Null), Paint::default()).unwrap();
        insta::assert_snapshot!(come + &go);
    }

    #[test]
    fn what_the_api_server_counts_is_no_difference() {
        let same = change(deployment("orders:1", "1"), deployment("orders:1", "9"));
        assert_eq!(unified(&same, Paint::default()).unwrap(), "");
    }
}
