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
