//! Asks endpoints whether they are well, apart from the workers.

mod probe;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use flotilla_gateway_config::HealthCheck;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Endpoint, Upstream};
use crate::{metrics::Metrics, snapshot::Snapshot};

/// Has the endpoints of all upstreams asked, as long as there are workers.
pub async fn follow(mut snapshots: watch::Receiver<Arc<Snapshot>>, metrics: Arc<Metrics>) {
    loop {
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        for upstream in snapshot.upstreams.values() {
            if let Some(check) = &upstream.written.health_check
                && upstream.begin_checks()
            {
                let check = Arc::new(check.clone());
                let placed = upstream.hear();
                tokio::spawn(supervise(Arc::downgrade(upstream), placed, check, Arc::clone(&metrics)));
            }
        }
        drop(snapshot);
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

/// Has each endpoint asked that an upstream has, until the upstream is gone.
async fn supervise(
    upstream: Weak<Upstream>,
    mut placed: watch::Receiver<()>,
    check: Arc<HealthCheck>,
    metrics: Arc<Metrics>,
) {
    let mut tasks = JoinSet::new();
    let mut asked: HashMap<u64, AbortHandle> = HashMap::new();
    loop {
        placed.mark_unchanged();
        let Some(known) = upstream.upgrade() else { return };
        let (name, endpoints) = (Arc::clone(&known.name), known.endpoints());
        drop(known);
        asked.retain(|id, task| {
            let is_there = endpoints.iter().any(|endpoint| endpoint.id == *id);
            if !is_there {
                task.abort();
            }
            is_there
        });
        for endpoint in endpoints {
            let (id, name) = (endpoint.id, Arc::clone(&name));
            asked.entry(id).or_insert_with(|| {
                tasks.spawn(ask(endpoint, name, Arc::clone(&check), Arc::clone(&metrics)))
            });
        }
        // Those that were aborted leave their places.
        while tasks.try_join_next().is_some() {}
        if placed.changed().await.is_err() {
            return;
        }
    }
}

/// Asks an endpoint for ever.
async fn ask(endpoint: Arc<Endpoint>, backend: Arc<str>, check: Arc<HealthCheck>, metrics: Arc<Metrics>) {
    let interval = Duration::from_millis(check.interval_ms);
    let jitter = f64::from(check.jitter_percent) / 100.0;
    let limit = Duration::from_millis(check.timeout_ms);
    sleep(interval.mul_f64(jitter * fastrand::f64())).await;
    // Answers of one kind in a row.
    let (mut good, mut bad) = (0, 0);
    loop {
        let begun = Instant::now();
        let answer = timeout(limit, probe::ask(&endpoint, &check)).await.unwrap_or(Err(probe::Error::Slow));
        metrics.health_checked(&backend, answer.is_ok());
        match answer {
            Ok(()) => {
                (good, bad) = (good + 1, 0);
                if good >= check.healthy_threshold && endpoint.recovers() {
                    tracing::info!(%backend, %endpoint, "an endpoint is well again");
                }
            }
            Err(error) => {
                (good, bad) = (0, bad + 1);
                if bad >= check.unhealthy_threshold && endpoint.health.check_fails() {
                    tracing::warn!(%backend, %endpoint, %error, "an endpoint is not well, and gets no requests");
                }
            }
        }
        let pause = interval.mul_f64(1.0 + jitter * (2.0 * fastrand::f64() - 1.0));
        sleep_until(begun + pause).await;
    }
}
