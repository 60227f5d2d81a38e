//! Gives workers what they go by. A configuration is taken whole or not at all: until everything of it can be used, the
//! one before stays.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use flotilla_gateway_config::GatewayConfig;
use tokio::sync::{mpsc, watch};

use crate::{
    access_log::AccessLog,
    drain::{Announcement, Phase},
    listen,
    metrics::Metrics,
    snapshot::{self, Snapshot},
    worker::{self, Order, Settings, Shared},
};

/// Why a configuration is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something in it cannot be used.
    #[error(transparent)]
    Snapshot(#[from] snapshot::Error),
    /// A port cannot be listened at.
    #[error("listeners: {0}")]
    Listen(#[from] listen::Error),
}

/// All workers.
#[derive(Debug)]
pub struct Control {
    bind: Option<IpAddr>,
    metrics: Arc<Metrics>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    orders: Vec<mpsc::UnboundedSender<Order>>,
    drain: Announcement,
    threads: Mutex<Vec<JoinHandle<io::Result<()>>>>,
}

impl Control {
    /// Starts workers, which have nothing to do yet.
    pub fn start(
        bind: Option<IpAddr>,
        workers: usize,
        settings: &Settings,
        metrics: &Arc<Metrics>,
        log: &Arc<AccessLog>,
    ) -> io::Result<Self> {
        let nothing = Snapshot::nothing(metrics);
        let (snapshots, hears) = watch::channel(Arc::new(nothing));
        let drain = Announcement::default();
        let (mut orders, mut threads) = (Vec::new(), Vec::new());
        for number in 0..workers {
            let (sender, receiver) = mpsc::unbounded_channel();
            let shared = Shared {
                settings: settings.clone(),
                metrics: Arc::clone(metrics),
                log: Arc::clone(log),
                drain: drain.hear(),
                snapshots: hears.clone(),
            };
            threads.push(worker::start(format!("worker-{number}"), shared, receiver)?);
            orders.push(sender);
        }
        let threads = Mutex::new(threads);
        Ok(Self { bind, metrics: Arc::clone(metrics), snapshots, orders, drain, threads })
    }

    /// What workers go by now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Has workers go by another configuration, which has been checked.
    pub fn take(&self, config: GatewayConfig) -> Result<(), Error> {
        let before = self.snapshot();
        let after = Snapshot::compile(config, Some(&before), &self.metrics)?;
        let (old, new) = (before.places(), after.places());
        let opened: Result<Vec<_>, listen::Error> = new
            .difference(&old)
            .map(|place| Ok((*place, place.bind(self.bind, self.orders.len())?)))
            .collect();
        let opened = opened?;
        // Whoever connects to a new port finds its routes.
        self.snapshots.send_replace(Arc::new(after));
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
        self.metrics.loads.inc();
        Ok(())
    }

    /// Whether the end is near.
    pub fn is_leaving(&self) -> bool {
        self.drain.phase() > Phase::Serving
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
