//! An operator in this process.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use clap::Parser;
use flotilla_e2e::TestNamespace;
use flotilla_operator::{
    app::{Error, Operator},
    cluster::client,
    config::Config,
    metrics::Metrics,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

/// An operator that watches one namespace.
pub(crate) struct TestOperator {
    stop: oneshot::Sender<()>,
    address: SocketAddr,
    task: JoinHandle<Result<(), Error>>,
}

impl TestOperator {
    /// Starts it. Without further arguments it is alone and needs no Lease.
    pub(crate) async fn start(namespace: &TestNamespace, arguments: &[&str]) -> Result<Self> {
        let defaults =
            ["flotilla-operator", "--watch-namespaces", &namespace.name, "--listen", "127.0.0.1:0"];
        let election = ["--leader-election", "false"];
        let election = if arguments.is_empty() { election.as_slice() } else { &[] };
        let config = Config::parse_from([&defaults, election, arguments].concat());
        let metrics = Arc::new(Metrics::default());
        let client = client::build(kube::Config::infer().await?, metrics.api.clone())?;
        let operator = Box::pin(Operator::start(&config, client, metrics)).await?;
        let address = operator.address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(operator.run_until(async {
            stopped.await.ok();
        }));
        Ok(Self { stop, address, task })
    }

    /// What `/metrics` shows.
    pub(crate) async fn metrics(&self) -> Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// Stops it as SIGTERM would, and waits for its end.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.send(()).ok();
        Ok(self.task.await??)
    }

    /// Stops it as kill -9 would: in the middle of whatever it does.
    pub(crate) fn kill(self) {
        self.task.abort();
    }
}
