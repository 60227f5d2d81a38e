//! A gateway of the test's own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Once,
    time::Duration,
};

use clap::Parser;
use flotilla_api_gateway::{app, config::Config};
use flotilla_testbed::port;
use tempfile::TempDir;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    backend::Backend,
    client::{get, send},
};

/// How long anything in a test is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway, which ends with the test.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), app::Error>>,
}

/// A port that nobody has.
pub(crate) fn free_port() -> u16 {
    port::free().unwrap().port()
}

pub(crate) fn provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
}

impl Gateway {
    /// Starts with a configuration, in which `PORT` is the port of the test.
    pub(crate) async fn start(yaml: &str) -> Self {
        Self::with(yaml, &[]).await
    }

    /// Starts with flags, before one backend that gets every request.
    pub(crate) async fn before(backend: &Backend, flags: &[&str]) -> Self {
        let yaml = format!(
            "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}]}}}}
",
            backend.endpoint()
        );
        Self::with(&yaml, flags).await
    }

    /// Starts with a configuration and flags.
    pub(crate) async fn with(yaml: &str, flags: &[&str]) -> Self {
        provider();
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let file = folder.path().join("gateway.yaml");
        std::fs::write(&file, yaml.replace("PORT", &port.to_string())).unwrap();
        let file = file.to_str().unwrap();
        let mut arguments = vec!["api-gateway", "--config", file, "--admin", "127.0.0.1:0"];
        for [flag, value] in [["--bind", "127.0.0.1"], ["--workers", "2"], ["--leaving-seconds", "0"]] {
            if !flags.contains(&flag) {
                arguments.extend([flag, value]);
            }
        }
        arguments.extend(flags);
        let gateway = app::Gateway::start(&Config::parse_from(arguments)).await.unwrap();
        let admin = gateway.admin().unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(gateway.run_until(async {
            let _dropped = stopped.await.is_err();
        }));
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        Self { address, admin, folder, stop: Some(stop), running }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.yaml")
    }

    /// Writes another configuration over the first.
    pub(crate) fn rewrite(&self, yaml: &str) {
        let yaml = yaml.replace("PORT", &self.address.port().to_string());
        // As an editor does: a new file in place of the old one.
        let new = self.folder.path().join("new");
        std::fs::write(&new, yaml).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    /// What it measures.
    pub(crate) async fn metrics(&self) -> String {
        let answer = send(self.admin, get("/metrics")).await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    }

    /// Waits until it measures so.
    pub(crate) async fn measures(&self, line: &str) {
        let mut last = String::new();
        let found = async {
            loop {
                last = self.metrics().await;
                if last.lines().any(|found| found == line) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let was_found = timeout(PATIENCE, found).await;
        assert!(was_found.is_ok(), "{line}: {last}");
    }

    /// Writes another configuration over the first, and waits until it is taken.
    pub(crate) async fn reload(&self, yaml: &str) {
        let loads = |metrics: String| {
            let line = metrics.lines().find(|line| line.starts_with("flotilla_gateway_config_loads_total"));
            line.and_then(|line| line.rsplit(' ').next()).unwrap().parse::<u64>().unwrap()
        };
        let before = loads(self.metrics().await);
        self.rewrite(yaml);
        self.measures(&format!("flotilla_gateway_config_loads_total {}", before + 1)).await;
    }

    /// Begins the end.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) {
        self.stop();
        timeout(PATIENCE, self.running).await.expect("it ends").unwrap().unwrap();
    }
}
