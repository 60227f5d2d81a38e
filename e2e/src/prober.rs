//! Somebody who asks a service all the time and counts what fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};

use crate::{TestNamespace, kubectl};

/// Time between the end of one request and the next.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks a service without a pause, until it is told to end.
pub struct Prober {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<(u32, Vec<String>)>,
}

impl Prober {
    /// Asks a Service, by the name of its port, for a path, as the API server forwards requests.
    pub fn of_service(namespace: &TestNamespace, service: &str, port: &str, path: &str) -> Self {
        let path = format!("/api/v1/namespaces/{}/services/{service}:{port}/proxy{path}", namespace.name);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let (mut answers, mut failures) = (0, Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                match kubectl(&["get", "--raw", &path], "").await {
                    Ok(_) => answers += 1,
                    Err(error) => failures.push(error.to_string()),
                }
                tokio::time::sleep(PAUSE).await;
            }
            (answers, failures)
        });
        Self { stop, task }
    }

    /// How many answers there were; an error when one failed.
    pub async fn end(self) -> Result<u32> {
        self.stop.store(true, Ordering::Relaxed);
        let (answers, failures) = self.task.await?;
        ensure!(failures.is_empty(), "{} of {answers} failed: {failures:?}", failures.len());
        Ok(answers)
    }
}
