//! Gives workers what they go by. A configuration is taken whole or not at all: until everything of it can be used, the
//! one before stays.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use flotilla_gateway_config::GatewayConfig;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use crate::{
    discovery::Discovery,
    drain::{Announcement, Phase},
    listen,
    metrics::Metrics,
    snapshot::{self, Snapshot},
    worker::{self, Common, Order, Shared},
};

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something in it cannot be used.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// A Service without a cluster.
    #[error("backends.{0}.service: there is no cluster to look it up in; write endpoints")]
    Service(String),
    /// A port cannot be listened at.
    #[error("listeners: {0}")]
    Listen(#[from] listen::Error),
}

/// What the gateway goes by, and why by nothing newer.
#[derive(Serialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Where the configuration is from that is in force, and its version.
    pub taken: Option<String>,
    /// Why a newer one is not taken.
    pub refused: Option<String>,
}

/// All workers.
#[derive(Debug)]
pub struct Control {
    bind: Option<IpAddr>,
    metrics: Arc<Metrics>,
    discovery: Option<Arc<Discovery>>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    status: Mutex<Status>,
    orders: Vec<mpsc::UnboundedSender<Order>>,
    drain: Announcement,
    was_ready: AtomicBool,
    threads: Mutex<Vec<JoinHandle<io::Result<()>>>>,
}

impl Control {
    /// Starts workers, which have nothing to do yet. Without `discovery` no Service can be looked up.
    pub fn start(
        bind: Option<IpAddr>,
        workers: usize,
        common: Common,
        discovery: Option<Arc<Discovery>>,
    ) -> io::Result<Self> {
        let nothing = Snapshot::nothing(&common.metrics);
        let (snapshots, hears) = watch::channel(Arc::new(nothing));
        let drain = Announcement::default();
        let (mut orders, mut threads) = (Vec::new(), Vec::new());
        for number in 0..workers {
            let (sender, receiver) = mpsc::unbounded_channel();
            let shared = Shared { common: common.clone(), drain: drain.hear(), snapshots: hears.clone() };
            threads.push(worker::start(format!("worker-{number}"), shared, receiver)?);
            orders.push(sender);
        }
        let threads = Mutex::new(threads);
        let (metrics, status) = (common.metrics, Mutex::default());
        let was_ready = AtomicBool::default();
        Ok(Self { bind, metrics, discovery, snapshots, status, orders, drain, was_ready, threads })
    }

    /// What workers go by now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Hears what workers go by.
    pub fn hear(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    /// Has workers go by another configuration, which has been checked. `origin` says where it is from. Not for two at a
    /// time.
    pub fn take(&self, config: GatewayConfig, origin: &str) -> Result<(), Error> {
        let names_service = config.backends.iter().find(|(_, backend)| backend.service.is_some());
        if let (Some((name, _)), None) = (names_service, &self.discovery) {
            return Err(Error::Service(name.clone()));
        }
        let is_needed = names_service.is_some();
        let before = self.snapshot();
        let after = Snapshot::compile(config, Some(&before), &self.metrics)?;
        let (old, new) = (before.places(), after.places());
        let opened: Result<Vec<_>, listen::Error> = new
            .difference(&old)
            .map(|place| Ok((*place, place.bind(self.bind, self.orders.len())?)))
            .collect();
        let opened = opened?;
        // Whoever connects to a new port finds its routes.
        match &self.discovery {
            None => drop(self.snapshots.send_replace(Arc::new(after))),
            Some(discovery) => {
                if is_needed {
                    discovery.need();
                }
                discovery.hold(|known| {
                    after.place_all(known, Some(&before));
                    self.snapshots.send_replace(Arc::new(after));
                });
            }
        }
        for (place, sockets) in opened {
            for (orders, socket) in self.orders.iter().zip(sockets) {
                order(orders, Order::Listen { place, socket });
            }
        }
        for place in old.difference(&new) {
            self.orders.iter().for_each(|orders| order(orders, Order::Close(*place)));
        }
        drop(before);
        self.metrics.keep_routes();
        self.metrics.keep_streams();
        self.metrics.keep_policies(&self.snapshot().config);
        self.metrics.loads.inc();
        self.tell(|status| *status = Status { taken: Some(origin.to_owned()), refused: None });
        Ok(())
    }

    /// A newer configuration is not taken.
    pub fn refused(&self, why: String) {
        self.tell(|status| status.refused = Some(why));
    }

    /// What the gateway goes by, and why by nothing newer.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Why no request should come, if so.
    pub fn unready(&self) -> Option<String> {
        if self.drain.phase() > Phase::Serving {
            return Some("it leaves".to_owned());
        }
        let status = self.status();
        if status.taken.is_none() {
            let why = status.refused.map(|why| format!(": {why}")).unwrap_or_default();
            return Some(format!("there is no configuration yet{why}"));
        }
        let is_listed = self.discovery.as_ref().is_none_or(|discovery| discovery.is_listed());
        let snapshot = self.snapshot();
        if !is_listed && snapshot.follows_services() {
            return Some("the EndpointSlices of the cluster are not known yet".to_owned());
        }
        // Only at first: an issuer that comes later, and is slow, must not take all gateways away at once.
        let awaited = snapshot.policies.providers().find(|provider| provider.keys.are_awaited());
        if let Some(provider) = awaited
            && !self.was_ready.load(Ordering::Relaxed)
        {
            return Some(format!("the keys of provider {:?} are being fetched", provider.name));
        }
        self.was_ready.store(true, Ordering::Relaxed);
        None
    }

    /// Goes on towards the end.
    pub fn enter(&self, phase: Phase) {
        self.drain.enter(phase);
    }

    /// Waits until all workers have ended, which they do after [`Phase::Ending`].
    pub fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a worker could not start"),
                Err(_) => tracing::error!("a worker died"),
            }
        }
    }
}

fn order(orders: &mpsc::UnboundedSender<Order>, order: Order) {
    if orders.send(order).is_err() {
        tracing::error!("a worker has ended and takes no orders");
    }
}
