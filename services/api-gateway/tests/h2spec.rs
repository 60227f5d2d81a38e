//! The gateway's server against the RFC of HTTP/2, as h2spec (146 cases, strict) reads it.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::{path::PathBuf, process::Command};

use axum::{Router, body::Bytes};
use clap::Parser;
use flotilla_api_gateway::{app::Gateway, config::Config};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::spawn_blocking};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs h2spec: cargo xtask test gateway"]
async fn every_case_passes() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let backend = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = backend.local_addr().unwrap().port();
    // The body is read to its end, and the answer is long enough for windows to matter.
    let router = Router::new().fallback(|_body: Bytes| async { "x".repeat(1024) });
    tokio::spawn(async move { axum::serve(backend, router).await });

    let folder = TempDir::new().unwrap();
    let port = flotilla_testbed::port::free().unwrap().port();
    let own = generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let quoted = |pem: String| serde_json::to_string(&pem).unwrap();
    let (chain, key) = (quoted(own.cert.pem()), quoted(own.signing_key.serialize_pem()));
    // In TLS, where what is spoken is agreed: without it, what does not begin as HTTP/2 is taken for HTTP/1.1.
    let yaml = format!(
        "
listeners: [{{name: web, port: {port}, protocol: HTTPS, tls: {{certificates: [own]}}}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{{host: 127.0.0.1, port: {to}}}]}}}}
certificates: {{own: {{chain: {chain}, key: {key}}}}}
"
    );
    let file = folder.path().join("gateway.yaml");
    std::fs::write(&file, yaml).unwrap();
    let file = file.to_str().unwrap();
    let arguments = ["api-gateway", "--config", file, "--bind", "127.0.0.1", "--admin", "127.0.0.1:0"];
    let quick = ["--workers", "1", "--leaving-seconds", "0", "--access-log", "0"];
    let config = Config::parse_from(arguments.into_iter().chain(quick));
    let gateway = Gateway::start(&config).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(gateway.run_until(async {
        let _dropped = stopped.await.is_err();
    }));

    let program = PathBuf::from(std::env::var_os("H2SPEC").unwrap());
    let report = spawn_blocking(move || {
        let mut h2spec = Command::new(program);
        h2spec.args(["--tls", "--insecure", "--strict", "--timeout", "5", "--host", "127.0.0.1", "--port"]);
        h2spec.arg(port.to_string()).output()
    });
    let report = report.await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&report.stdout).into_owned();
    assert!(report.status.success(), "{text}");
    assert!(text.contains("146 tests, 146 passed, 0 skipped, 0 failed"), "{text}");
    drop(stop);
    running.await.unwrap().unwrap();
}
