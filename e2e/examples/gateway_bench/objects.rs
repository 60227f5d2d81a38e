//! The objects that are measured with. Pure.

use serde_json::{Value, json};

/// The port of the gateway.
pub(crate) const PORT: u16 = 8080;

/// The header by which a changed route is known.
pub(crate) const HEADER: &str = "x-round";

/// The gateway.
pub(crate) fn gateway() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web"},
        "spec": {
            "gatewayClassName": "flotilla",
            "listeners": [{"name": "http", "port": PORT, "protocol": "HTTP"}],
        },
    })
}

/// The service behind all routes.
pub(crate) fn service() -> Value {
    json!({
        "image": flotilla_e2e::PODINFO,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "probes": {"readiness": {"http": {"path": "/readyz"}, "periodSeconds": 1}},
        "routes": [{"name": "public", "parentRefs": [{"name": "web"}]}],
    })
}

/// A route of this name, for the path that is called so; `round` is what its answers have in [`HEADER`].
pub(crate) fn route(name: &str, round: u32) -> Value {
    let set = json!([{"name": HEADER, "value": round.to_string()}]);
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"name": "web"}],
            "rules": [{
                "matches": [{"path": {"type": "PathPrefix", "value": path(name)}}],
                "filters": [
                    {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": set}},
                    {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/version"}}},
                ],
                "backendRefs": [{"name": "shop", "port": 9898}],
            }],
        },
    })
}

/// The path of a route.
pub(crate) fn path(name: &str) -> String {
    format!("/{name}")
}
