//! Schemas that the derive macros cannot say.

use schemars::{Schema, SchemaGenerator, json_schema};

/// The name or number of a port, as the core API has it.
pub(super) fn port_reference(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "minimum": 1,
        "maximum": 65535,
        "minLength": 1,
        "maxLength": 15,
    })
}

/// A part of an object of Kubernetes, in its own form.
pub(super) fn patch(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string", "maxLength": 317},
            "kind": {"type": "string", "maxLength": 63},
            "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        },
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// A number or a share in percent, as the core API has it.
pub(super) fn int_or_percent(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "minimum": 0,
        "maximum": 10000,
        "maxLength": 4,
        "pattern": "^([0-9]|[1-9][0-9]|100)%$",
    })
}
