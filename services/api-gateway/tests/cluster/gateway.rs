//! The gateway's program, with the rights of a gateway.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use flotilla_testbed::port;
use http::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    client::{eventually, get},
    namespace::{SECRET, TestNamespace},
};

/// A running gateway, which ends with the test.
pub(crate) struct Gateway {
    /// Where the first listener is, when the configuration uses it.
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    folder: TempDir,
    child: Child,
}

/// An address that nobody has.
pub(crate) fn free_address() -> SocketAddr {
    port::free().unwrap()
}

impl Gateway {
    /// Starts with the Secret of a namespace.
    pub(crate) async fn start(namespace: &TestNamespace) -> Self {
        let secret = format!("{}/{SECRET}", namespace.name);
        Self::with(namespace, None, |_| vec!["--config-secret".to_owned(), secret.clone()]).await
    }

    /// Starts with flags, which may name files in its folder. `server` is where it finds the API server.
    pub(crate) async fn with(
        namespace: &TestNamespace,
        server: Option<&str>,
        flags: impl Fn(&TempDir) -> Vec<String>,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        namespace.kubeconfig(&kubeconfig, server).await;
        let (address, admin) = (free_address(), free_address());
        let child = Command::new(env!("CARGO_BIN_EXE_api-gateway"))
            .args(["--bind", "127.0.0.1", "--admin", &admin.to_string(), "--workers", "2"])
            .args(["--leaving-seconds", "0", "--ending-seconds", "1", "--log-format", "text"])
            .args(flags(&folder))
            .env("KUBECONFIG", &kubeconfig)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let gateway = Self { address, admin, folder, child };
        eventually(
            "the gateway runs",
            async || get(gateway.admin, "/livez").await.map(|(status, _)| status).ok(),
            |status| *status == Some(StatusCode::OK),
        )
        .await;
        gateway
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) async fn ready(&self) {
        eventually("it is ready", async || self.readiness().await, |(status, _)| *status == StatusCode::OK)
            .await;
    }

    pub(crate) async fn readiness(&self) -> (StatusCode, String) {
        get(self.admin, "/readyz").await.unwrap()
    }

    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&get(self.admin, "/status").await.unwrap().1).unwrap()
    }

    /// The sum of a metric over its labels.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let (_, text) = get(self.admin, "/metrics").await.unwrap();
        let is_it = |line: &&str| {
            line.strip_prefix("flotilla_gateway_")
                .and_then(|line| line.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        text.lines().filter(is_it).map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// Where requests would go.
    pub(crate) async fn endpoints(&self) -> Vec<String> {
        let url = format!("http%3A%2F%2Fa.test%3A{}%2F", self.port());
        let (status, text) = get(self.admin, &format!("/explain?url={url}")).await.unwrap();
        if status != StatusCode::OK {
            return vec![text];
        }
        let explained: Value = serde_json::from_str(&text).unwrap();
        let endpoints = explained["backends"][0]["endpoints"].as_array().cloned().unwrap_or_default();
        endpoints.iter().map(|endpoint| endpoint["address"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until it answers a path with a status and a text.
    pub(crate) async fn answers(&self, path: &str, status: u16, text: &str) {
        let look = async || get(self.address, path).await.map_err(|error| error.to_string());
        let is_right = |found: &Result<(StatusCode, String), String>| {
            found.as_ref().is_ok_and(|(found, body)| found.as_u16() == status && body.contains(text))
        };
        eventually(&format!("{path} is answered with {status} {text:?}"), look, is_right).await;
    }

    /// Waits until requests would go to these.
    pub(crate) async fn goes_to(&self, expected: &[SocketAddr]) {
        let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        expected.sort();
        let look = async || {
            let mut found = self.endpoints().await;
            found.sort();
            found
        };
        eventually(&format!("requests go to {expected:?}"), look, |found| *found == expected).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // What has ended by itself cannot be killed.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
