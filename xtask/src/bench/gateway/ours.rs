//! Our gateway, with everything on that is on by default.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use super::scenario::Scenario;
use super::subject::{HOST, Setup, Subject};

pub(super) struct Ours {
    pub(super) program: PathBuf,
}

impl Subject for Ours {
    fn name(&self) -> &'static str {
        "Flotilla"
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn command(&self, setup: &Setup<'_>) -> Result<Command> {
        let Scenario { routes, .. } = setup.scenario;
        let tls = if setup.scenario.is_secure() { json!({"certificates": ["bench"]}) } else { json!(null) };
        let route = |(number, prefix): (u32, String)| {
            json!({"name": format!("bench/r{number}"), "hostnames": [HOST], "rules": [{
                "matches": [{"path": {"pathPrefix": prefix}}],
                "backends": [{"backend": "bench"}],
            }]})
        };
        let config = json!({
            "listeners": [{
                "name": "bench",
                "port": setup.port,
                "protocol": if setup.scenario.is_secure() { "HTTPS" } else { "HTTP" },
                "tls": tls,
            }],
            "routes": (0..*routes).zip(setup.prefixes()).map(route).collect::<Vec<_>>(),
            "backends": {"bench": {
                "endpoints": [{"host": "127.0.0.1", "port": setup.backend}],
                "protocol": if setup.scenario.is_grpc() { "HTTP2" } else { "HTTP" },
            }},
            "certificates": {"bench": {
                "chain": fs::read_to_string(&setup.certificate.chain)?,
                "key": fs::read_to_string(&setup.certificate.key)?,
            }},
        });
        let file = setup.folder.join("gateway.yaml");
        fs::write(&file, config.to_string())?;
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(file)
            .args(["--bind", "127.0.0.1", "--workers", "1", "--admin"])
            .arg(format!("127.0.0.1:{}", setup.admin));
        Ok(command)
    }
}
