//! What the container may do: the profile that is nearest to what it had.

use serde_json::{Value, json};

use crate::convert::{Fields, Notes, fields::plain};

/// The block `security`. What the container says comes before what the pod says.
pub(super) fn of(container: &mut Fields, mut pod: Fields, mounts_tmp: bool, notes: &mut Notes) -> Value {
    let mut own = container.object("securityContext");
    let user = own.number("runAsUser").or(pod.number("runAsUser"));
    pod.ignore(&["runAsUser"]);
    let is_not_root = match user {
        Some(user) => user != 0,
        None => own.take("runAsNonRoot").or(pod.take("runAsNonRoot")) == Some(Value::Bool(true)),
    };
    own.ignore(&["runAsNonRoot"]);
    pod.ignore(&["runAsNonRoot"]);
    if is_not_root && user.is_none() {
        notes.add("security.runAsUser: the image named its user; now it is 65532: write another if the image needs it");
    }
    let read_only = own.take("readOnlyRootFilesystem") == Some(Value::Bool(true));
    let mut capabilities = own.object("capabilities");
    let added: Vec<_> = capabilities.list("add").iter().map(plain).collect();
    // Every profile but Custom drops them all.
    capabilities.ignore(&["drop"]);
    capabilities.finish(notes);
    let is_restricted = is_not_root && added.iter().all(|name| name == "NET_BIND_SERVICE");
    if !is_restricted {
        notes.add(
            "security.profile: is Baseline, because the image may run as root; remove it if it does not",
        );
    }
    if own.take("privileged") == Some(Value::Bool(true)) {
        notes.add(format!(
            "{}: a privileged container owns its node: it is not carried over",
            own.join("privileged")
        ));
    }
    for context in [&mut own, &mut pod] {
        context.ignore(&["allowPrivilegeEscalation", "seccompProfile"]);
        context.refuse("runAsGroup", "is not carried over: the group is that of the image", notes);
    }
    pod.refuse("fsGroup", "is not carried over: volumes have the group of whoever made them", notes);
    pod.ignore(&["fsGroupChangePolicy"]);
    own.finish(notes);
    pod.finish(notes);
    json!({
        "profile": (!is_restricted).then_some("Baseline"),
        "runAsUser": user,
        "addCapabilities": added,
        // The profile decides unless it would decide otherwise.
        "readOnlyRootFilesystem": (read_only != is_restricted).then_some(read_only),
        // The folder that would be made writable is there already.
        "writablePaths": (read_only && mounts_tmp).then(Vec::<String>::new),
    })
}
