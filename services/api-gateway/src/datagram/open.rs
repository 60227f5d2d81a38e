//! A client's first datagram: to which endpoint it goes, and those that follow.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use flotilla_gateway_config::ListenerProtocol;
use http::HeaderMap;
use smallvec::SmallVec;
use tokio::task::spawn_local;

use super::{
    Socket,
    session::{self, Key, Session, Towards},
};
use crate::{
    connection::NO_STREAM,
    metrics::StreamFailure,
    stream::{Client, Record, is_ours},
    worker::Worker,
};

/// How many endpoints are tried.
const ATTEMPTS: usize = 3;

/// A datagram, and where it came.
pub(super) struct Arrived<'a> {
    pub(super) key: Key,
    pub(super) socket: &'a Rc<Socket>,
    pub(super) bytes: &'a [u8],
}

/// Begins a session with a datagram, at another endpoint than the one that has failed.
pub(super) fn open(worker: &Rc<Worker>, arrived: &Arrived<'_>, failed: Option<u64>) {
    let snapshot = worker.snapshot();
    let port = arrived.key.port;
    let Some(bare) = snapshot.datagrams.get(&port).map(|datagrams| &datagrams.bare) else { return };
    let Some(stream) = bare.streams.find(None) else {
        return worker.metrics.refused(NO_STREAM);
    };
    let share = stream.backends.pick(fastrand::u32(..)).and_then(|share| share.backend.as_ref());
    let Some(upstream) = share.and_then(|name| snapshot.upstreams.get(name)) else {
        return stream.metrics.failed(StreamFailure::NoBackend);
    };
    let wish = upstream.wish(&HeaderMap::new(), || arrived.key.client.ip());
    let mut tried: SmallVec<[u64; 4]> = failed.into_iter().collect();
    let mut record = None;
    for _ in 0..ATTEMPTS {
        let Some(endpoint) = upstream.choose(wish, &tried, Instant::now(), fastrand::u64(..)) else {
            return stream.metrics.failed(StreamFailure::NoEndpoint);
        };
        if tried.contains(&endpoint.id) && record.is_some() {
            break;
        }
        let record = record.get_or_insert_with(|| {
            let client = Client {
                protocol: ListenerProtocol::Udp,
                port,
                listener: Arc::clone(&bare.listener),
                peer: arrived.key.client,
                destination: SocketAddr::new(arrived.key.local.address(), port),
                server_name: None,
            };
            Rc::new(Record::new(stream, client, &worker.log))
        });
        record.asked(&upstream.name, &endpoint);
        match Towards::new(&endpoint, arrived.bytes, record) {
            Ok(towards) => {
                let towards = Rc::new(towards);
                let task = spawn_local(session::answers(
                    Rc::clone(worker),
                    Rc::clone(arrived.socket),
                    arrived.key,
                    Rc::clone(&towards),
                ));
                let session = Session::new(&upstream.name, towards, task.abort_handle());
                worker.sessions.put(arrived.key, session, Instant::now());
                return;
            }
            Err(error) if is_ours(&error) => {
                tracing::warn!(%error, "there is no socket to be had for a client of datagrams");
                return record.ended(Some(StreamFailure::NoSocket));
            }
            Err(error) => {
                tracing::debug!(backend = %upstream.name, %error, "an endpoint takes no datagrams");
                endpoint.health.failed(Instant::now());
                worker.metrics.backend_failed(&upstream.name, "connect");
                tried.push(endpoint.id);
            }
        }
    }
    if let Some(record) = record {
        record.ended(Some(StreamFailure::Unreachable));
    }
}
