//! Opens a connection to an endpoint of a stream's backend, and to another when that fails.

use std::{sync::Arc, time::Instant};

use flotilla_gateway_config::ProxyVersion;
use http::HeaderMap;
use smallvec::SmallVec;

use super::{Failure, Record, Stream, is_ours};
use crate::{
    proxy_protocol::Addresses,
    upstream::{ConnectError, InFlight, Raw, Upstream},
    worker::Worker,
};

/// How many endpoints are tried. Until one of them takes the connection, not a byte of the client has gone.
const ATTEMPTS: u32 = 3;

/// A connection, which is counted as long as what comes with it is there.
pub(super) async fn open(
    worker: &Worker,
    stream: &Stream,
    record: &Record,
) -> Result<(Raw, InFlight), Failure> {
    let (upstream, version) = choose(worker, stream)?;
    let first = version.map(|version| {
        let client = record.client();
        Addresses::new(client.peer, client.destination).header(version)
    });
    let wish = upstream.wish(&HeaderMap::new(), || record.client().peer.ip());
    let mut tried: SmallVec<[u64; 4]> = SmallVec::new();
    for _ in 0..ATTEMPTS {
        let endpoint =
            upstream.choose(wish, &tried, Instant::now(), fastrand::u64(..)).ok_or(Failure::NoEndpoint)?;
        if tried.contains(&endpoint.id) {
            break;
        }
        record.asked(&upstream.name, &endpoint);
        let in_flight = endpoint.begin();
        match endpoint.open(first.as_deref().unwrap_or_default()).await {
            Ok(opened) => {
                endpoint.health.succeeded();
                return Ok((opened, in_flight));
            }
            Err(ConnectError::Tcp(error)) if is_ours(&error) => return Err(Failure::NoSocket(error)),
            Err(error) => {
                tracing::debug!(backend = %upstream.name, %error, "an endpoint takes no stream");
                endpoint.health.failed(Instant::now());
                worker.metrics.backend_failed(&upstream.name, "connect");
                tried.push(endpoint.id);
            }
        }
    }
    Err(Failure::Unreachable)
}

/// The backend that chance names, in proportion to weights, and what it wants to be told first. The snapshot is not held:
/// a stream may run for days.
fn choose(worker: &Worker, stream: &Stream) -> Result<(Arc<Upstream>, Option<ProxyVersion>), Failure> {
    let share = stream.backends.pick(fastrand::u32(..)).ok_or(Failure::NoBackend)?;
    let name = share.backend.as_ref().ok_or(Failure::NoBackend)?;
    let snapshot = worker.snapshot();
    let upstream = snapshot.upstreams.get(name).ok_or(Failure::NoBackend)?;
    let written = snapshot.config.backends.get(&**name);
    Ok((Arc::clone(upstream), written.and_then(|written| written.proxy_protocol)))
}
