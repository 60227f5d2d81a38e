//! Copies of requests for backends that only look on. What becomes of them is nothing to the client.

use std::{
    pin::Pin,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body::Body;
use tokio::{task::spawn_local, time::timeout};

use super::outgoing::Head;
use crate::{
    body::RequestBody,
    metrics::Metrics,
    upstream::{Pools, Upstream, Wish},
};

/// How long a copy may take, answer included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a copy, soon.
pub(super) fn send(
    pools: &Rc<Pools>,
    metrics: &Arc<Metrics>,
    upstream: &Arc<Upstream>,
    head: &Head,
    body: RequestBody,
) {
    let Ok(admitted) = upstream.admit() else {
        metrics.backend_failed(&upstream.name, "overloaded");
        return;
    };
    let Some(endpoint) = upstream.choose(Wish::None, &[], Instant::now(), fastrand::u64(..)) else {
        metrics.backend_failed(&upstream.name, "no-endpoint");
        return;
    };
    let Ok(request) = head.clone().request(&endpoint, body) else { return };
    let (pools, metrics) = (Rc::clone(pools), Arc::clone(metrics));
    let upstream = Arc::clone(upstream);
    spawn_local(async move {
        let whole = async {
            let (response, mut lease) = pools.send(&upstream, &endpoint, request).await.ok()?;
            lease.hold(admitted);
            let mut body = response.into_body();
            while let Some(frame) =
                std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
            {
                frame.ok()?;
            }
            lease.give_back(Instant::now());
            Some(())
        };
        if timeout(PATIENCE, whole).await.ok().flatten().is_none() {
            metrics.backend_failed(&upstream.name, "mirror");
        }
    });
}
