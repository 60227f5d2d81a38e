//! Envoy, with one worker. Its routes are a list, as its control planes write them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use serde_json::{Value, json};

use super::peers::ENVOY;
use super::subject::{HOST, Setup, Subject};

pub(super) struct Envoy {
    pub(super) program: PathBuf,
}

impl Subject for Envoy {
    fn name(&self) -> &'static str {
        "Envoy"
    }

    fn version(&self) -> &'static str {
        ENVOY
    }

    fn command(&self, setup: &Setup<'_>) -> Result<Command> {
        let file = setup.folder.join("envoy.json");
        fs::write(&file, config(setup).to_string())?;
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(file);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
        Ok(command)
    }
}

fn config(setup: &Setup<'_>) -> Value {
    let routes: Vec<_> = setup
        .prefixes()
        .map(|prefix| json!({"match": {"prefix": prefix}, "route": {"cluster": "backend"}}))
        .collect();
    let manager = json!({
        "@type": any("filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "bench",
        "use_remote_address": true,
        "append_x_forwarded_port": true,
        "always_set_request_id_in_response": true,
        "route_config": {"virtual_hosts": [{
            "name": "bench",
            "domains": [HOST],
            "routes": routes,
            "request_headers_to_add": [
                {"header": {"key": "x-forwarded-host", "value": "%REQ(:authority)%"}},
            ],
        }]},
        "http_filters": [{
            "name": "router",
            "typed_config": {"@type": any("filters.http.router.v3.Router")},
        }],
    });
    let mut chain = json!({"filters": [{"name": "http", "typed_config": manager}]});
    if setup.scenario.is_secure() {
        chain["transport_socket"] = json!({"name": "tls", "typed_config": {
            "@type": any("transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{
                    "certificate_chain": {"filename": setup.certificate.chain},
                    "private_key": {"filename": setup.certificate.key},
                }],
            },
        }});
    }
    // Its limits are lower than what is kept open elsewhere.
    let limits = json!({"max_connections": 8192, "max_pending_requests": 8192, "max_requests": 8192});
    let mut cluster = json!({
        "name": "backend",
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {"cluster_name": "backend", "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": address(setup.backend)}}]},
        ]},
    });
    if setup.scenario.is_grpc() {
        cluster["typed_extension_protocol_options"] = json!({
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": any("upstreams.http.v3.HttpProtocolOptions"),
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        });
    }
    json!({"static_resources": {
        "listeners": [{"name": "bench", "address": address(setup.port), "filter_chains": [chain]}],
        "clusters": [cluster],
    }})
}

fn any(name: &str) -> String {
    format!("type.googleapis.com/envoy.extensions.{name}")
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}
