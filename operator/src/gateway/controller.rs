//! The loop of the control plane: takes in what has changed, has all that computed, and has written what differs.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, ResourceExt, api::DynamicObject};
use serde::de::DeserializeOwned;
use tokio::{task::JoinSet, time::Instant};

use super::{
    compile::{Compiler, Outcome, RouteKind, needs},
    decide::{Decider, Decision},
    kind::Kind,
    objects::{Key, Objects, Store, Watched},
    publish::{Done, Publisher},
    settings::Settings,
    watch::{Change, Known, changes},
};
use crate::{
    cluster::{capability::Capabilities, events::Events, writer::Writer},
    leader::Leadership,
    metrics::{GatewayMetrics, ReconcileMetrics},
};

/// Time for which changes are gathered: a manifest of several objects is one change.
const GATHER: Duration = Duration::from_millis(2);

/// The longest time for which changes are gathered, however many come.
const GATHER_AT_MOST: Duration = Duration::from_millis(50);

/// How long nobody looks when there is no reason to.
const IDLE: Duration = Duration::from_secs(3600);

/// What the control plane works with.
#[derive(Debug)]
pub struct Context {
    /// Which kinds the cluster has.
    pub capabilities: Arc<Capabilities<Kind>>,
    /// What the platform has decided.
    pub settings: Settings,
    /// What writes.
    pub writer: Writer,
    /// What says something to people.
    pub events: Events,
    /// What is measured of the loop.
    pub reconcile: ReconcileMetrics,
    /// What is measured of gateways.
    pub metrics: GatewayMetrics,
}

/// Runs the control plane until `stop`.
pub async fn run(
    client: Client,
    context: Context,
    mut leadership: Leadership,
    stop: impl Future<Output = ()>,
) {
    let Context { capabilities, settings, writer, events, reconcile, metrics } = context;
    reconcile.concurrency(1);
    let mut changes = changes(&client, &capabilities);
    let mut control = Control {
        client,
        capabilities,
        settings,
        known: Known::default(),
        compiler: Compiler::default(),
        measured: Weak::new(),
        decider: Decider::default(),
        publisher: Publisher::new(writer.clone(), events, reconcile.clone()),
        reconcile,
        metrics,
        reads: JoinSet::new(),
        reading: std::collections::BTreeMap::new(),
        look_again: None,
    };
    tokio::pin!(stop);
    loop {
        let wake = control.wake();
        let is_new = tokio::select! {
            () = stop.as_mut() => return,
            change = changes.next() => match change {
                Some(change) => change(&mut control.known),
                None => return,
            },
            done = control.publisher.done() => control.take_in(done),
            Some(read) = control.reads.join_next() => control.read(read),
            () = leadership.won() => true,
            () = tokio::time::sleep_until(wake) => true,
        };
        if !is_new {
            continue;
        }
        gather(&mut changes, &mut control.known).await;
        while let Some(done) = control.publisher.done().now_or_never() {
            control.take_in(done);
        }
        if writer.leads() {
            control.look();
        }
    }
}

/// Takes in changes that come at once.
async fn gather(changes: &mut (impl futures::Stream<Item = Change> + Unpin), known: &mut Known) {
    let end = Instant::now() + GATHER_AT_MOST;
    loop {
        let until = (Instant::now() + GATHER).min(end);
        match tokio::time::timeout_at(until, changes.next()).await {
            Ok(Some(change)) => drop(change(known)),
            Ok(None) | Err(_) => return,
        }
        if Instant::now() >= end {
            return;
        }
    }
}

/// A ConfigMap that was asked for: its version then, and what was found.
type Read = (Key, String, Result<Option<ConfigMap>, kube::Error>);

struct Control {
    client: Client,
    capabilities: Arc<Capabilities<Kind>>,
    settings: Settings,
    known: Known,
    compiler: Compiler,
    /// What was measured last, which this does not keep.
    measured: Weak<Outcome>,
    decider: Decider,
    publisher: Publisher,
    reconcile: ReconcileMetrics,
    metrics: GatewayMetrics,
    reads: JoinSet<Read>,
    /// The versions of ConfigMaps that were read, or are being read.
    reading: std::collections::BTreeMap<Key, String>,
    look_again: Option<Timestamp>,
}

impl Control {
    /// When to look although nothing has happened.
    fn wake(&self) -> Instant {
        let until = self.look_again.map(|until| {
            let wait = until.duration_since(Timestamp::now());
            Instant::now() + Duration::try_from(wait).unwrap_or_default()
        });
        let wakes = [Some(Instant::now() + IDLE), until, self.publisher.due()];
        wakes.into_iter().flatten().min().unwrap_or_else(Instant::now)
    }

    /// Looks at everything, and starts what has to be written.
    fn look(&mut self) {
        self.look_again = None;
        let is_known = self.capabilities.are_known();
        if !is_known || !self.known.waiting(|kind| self.capabilities.is_served(kind)).is_empty() {
            return;
        }
        if !self.read_config_maps() {
            return;
        }
        let began = Instant::now();
        let running = self.reconcile.start();
        let outcome = self.compiler.compile(&self.known.objects);
        // The same as before was not compiled, and says nothing new.
        let this = Arc::downgrade(&outcome);
        if !self.measured.ptr_eq(&this) {
            self.metrics.compiled(began.elapsed(), outcome.gateways.len(), outcome.counts());
            self.measured = this;
        }
        let failed = self.publisher.failed().clone();
        let Decision { jobs, look_again } =
            self.decider.decide(&self.known, &outcome, &self.settings, &failed, Timestamp::now());
        self.look_again = look_again;
        self.publisher.start(jobs);
        drop(running);
        self.reconcile.finish(began.elapsed(), None);
    }

    /// Has the ConfigMaps read that are needed. Returns whether all are known.
    fn read_config_maps(&mut self) -> bool {
        let needed = needs::config_maps(&self.known.objects);
        let gone: Vec<_> = (self.known.objects.config_maps.iter().map(|(key, _)| key.clone()))
            .filter(|key| !needed.contains(key) || !self.known.config_maps.contains_key(key))
            .collect();
        for key in gone {
            self.known.objects.config_maps.remove(&key);
            self.reading.remove(&key);
        }
        let mut is_complete = true;
        for key in needed {
            let Some(version) = self.known.config_maps.get(&key) else { continue };
            if self.reading.get(&key) != Some(version) {
                self.reading.insert(key.clone(), version.clone());
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &key.0);
                let version = version.clone();
                self.reads.spawn(async move {
                    let found = api.get_opt(&key.1).await;
                    (key, version, found)
                });
                is_complete = false;
            } else if self.known.objects.config_maps.get(&key.0, &key.1).is_none() {
                is_complete = false;
            }
        }
        is_complete
    }

    /// Takes in a ConfigMap that was read.
    fn read(&mut self, read: Result<Read, tokio::task::JoinError>) -> bool {
        match read {
            Ok((_, _, Ok(Some(found)))) => self.known.objects.config_maps.put(found),
            // The watch says when it is gone.
            Ok((_, _, Ok(None))) => false,
            Ok((key, _, Err(error))) => {
                tracing::warn!(%error, namespace = key.0, name = key.1, "a ConfigMap cannot be read");
                self.reading.remove(&key);
                let soon = Timestamp::now() + jiff::SignedDuration::from_secs(1);
                self.look_again = Some(self.look_again.map_or(soon, |known| known.min(soon)));
                false
            }
            Err(error) => {
                tracing::error!(%error, "a read died");
                false
            }
        }
    }

    /// Takes in what was written, as the API server has answered.
    fn take_in(&mut self, done: Done) -> bool {
        for (kind, object) in done.written {
            let objects = &mut self.known.objects;
            match kind {
                Kind::GatewayClass => put(&mut objects.classes, object),
                Kind::Gateway => put(&mut objects.gateways, object),
                Kind::ListenerSet => put(&mut objects.listener_sets, object),
                Kind::BackendTlsPolicy => put(&mut objects.backend_tls_policies, object),
                Kind::TrafficPolicy => put(&mut objects.traffic_policies, object),
                Kind::Route(kind) => put_route(objects, kind, object),
                Kind::Service => {
                    put(&mut objects.services, object.clone());
                    self.known.wrote(kind, object);
                }
                Kind::Microservice => {
                    put(&mut objects.microservices, object.clone());
                    self.known.wrote(kind, object);
                }
                _ => self.known.wrote(kind, object),
            }
        }
        for key in done.deleted {
            self.known.live.remove(&key);
        }
        true
    }
}

fn put_route(objects: &mut Objects, kind: RouteKind, object: DynamicObject) {
    match kind {
        RouteKind::Http => put(&mut objects.http_routes, object),
        RouteKind::Grpc => put(&mut objects.grpc_routes, object),
        RouteKind::Tls => put(&mut objects.tls_routes, object),
        RouteKind::Tcp => put(&mut objects.tcp_routes, object),
        RouteKind::Udp => put(&mut objects.udp_routes, object),
    }
}

/// Takes in an answer to a write, so that what is decided before the watch brings it back knows of it.
fn put<K: Watched + DeserializeOwned>(store: &mut Store<K>, object: DynamicObject) {
    let name = object.name_any();
    match object.try_parse() {
        Ok(object) => store.wrote(object),
        Err(error) => {
            tracing::debug!(%error, name, "an answer cannot be read; the watch will bring the object")
        }
    }
}
