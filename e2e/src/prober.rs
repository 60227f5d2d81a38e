//! Somebody who asks a service all the time and counts what fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use http::Request;
use kube::{Client, Config};

use crate::TestNamespace;

/// Time between the end of one request and the next.
const PAUSE: Duration = Duration::from_millis(50);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks a service without a pause, until it is told to end.
pub struct Prober {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(u32, Vec<String>)>,
}

impl Prober {
    /// Asks a Service, by the name of its port, for a path, as the API server forwards requests.
    pub async fn of_service(
        namespace: &TestNamespace,
        service: &str,
        port: &str,
        path: &str,
    ) -> Result<Self> {
        // What fails shall not be tried again unseen.
        let mut config = Config::infer().await?;
        config.default_retry = false;
        let client = Client::try_from(config)?;
        let path = format!("/api/v1/namespaces/{}/services/{service}:{port}/proxy{path}", namespace.name);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let (mut answers, mut failures) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                match tokio::time::timeout(PATIENCE, ask(&client, &path)).await {
                    Ok(Ok(())) => answers += 1,
                    Ok(Err(error)) => failures.push(format!("{error:#}")),
                    Err(_) => failures.push(format!("no answer within {PATIENCE:?}")),
                }
                tokio::time::sleep(PAUSE).await;
            }
            (answers, failures)
        });
        Ok(Self { stop, task })
    }

    /// How many answers there were; an error when one failed.
    pub async fn end(self) -> Result<u32> {
        self.stop.store(true, Ordering::Relaxed);
        let (answers, failures) = self.task.await?;
        ensure!(failures.is_empty(), "{} of {answers} failed: {failures:?}", failures.len());
        Ok(answers)
    }
}

async fn ask(client: &Client, path: &str) -> Result<()> {
    client.request_text(Request::get(path).body(Vec::new())?).await?;
    Ok(())
}
