//! Where the Services are that a configuration names, by the `EndpointSlices` of the cluster. A change reaches the workers
//! without a new configuration: the list of endpoints of one upstream is swapped. When the API server does not answer,
//! what is known stays.

mod known;
mod slice;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use kube::{Api, runtime::watcher};
use tokio::{sync::watch, time::sleep};

pub use self::known::{Changed, Known, Service, service};
use self::slice::{EndpointSlice, SERVICE_NAME};
use crate::{
    cluster::{self, Access, Backoff},
    metrics::Metrics,
};

/// What is known of Services. Whoever changes it, or takes over a configuration, holds it meanwhile, so that no change falls
/// between the two.
#[derive(Debug)]
pub struct Discovery {
    known: Mutex<Known>,
    is_needed: watch::Sender<bool>,
    is_listed: AtomicBool,
}

impl Discovery {
    /// For a gateway in a zone.
    pub fn new(zone: Option<Arc<str>>) -> Self {
        Self {
            known: Mutex::new(Known::new(zone)),
            is_needed: watch::Sender::new(false),
            is_listed: AtomicBool::new(false),
        }
    }

    /// Does something with what is known, while nobody changes it.
    pub fn hold<T>(&self, body: impl FnOnce(&mut Known) -> T) -> T {
        body(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A configuration names a Service: from now on the cluster is asked.
    pub fn need(&self) {
        self.is_needed.send_if_modified(|is_needed| !std::mem::replace(is_needed, true));
    }

    /// Whether all slices have been seen once.
    pub fn is_listed(&self) -> bool {
        self.is_listed.load(Ordering::Acquire)
    }

    /// Waits until Services are needed, and follows them for ever. `changed` is told of each Service whose addresses may be
    /// others, or of all.
    pub async fn follow(
        &self,
        access: &Access,
        metrics: &Arc<Metrics>,
        mut changed: impl FnMut(&Known, Option<&Service>),
    ) {
        let mut needed = self.is_needed.subscribe();
        // It is there as long as `self` is.
        let _gone = needed.wait_for(|is_needed| *is_needed).await.is_err();
        let mut backoff = Backoff::default();
        let client = loop {
            match access.client(metrics) {
                Ok(client) => break client,
                Err(error) => {
                    tracing::error!(error = %cluster::whole(&error), "there is no client of the cluster")
                }
            }
            sleep(backoff.pause()).await;
        };
        let mut listed = self.hold(|known| known.anew());
        let selection = cluster::selection().labels(SERVICE_NAME);
        let api: Api<EndpointSlice> = Api::all(client);
        cluster::follow(api, selection, "endpointslices", metrics, |event| match event {
            watcher::Event::Init => listed = listed.anew(),
            watcher::Event::InitApply(slice) => drop(listed.apply(slice)),
            watcher::Event::InitDone => {
                self.hold(|known| {
                    let anew = listed.anew();
                    *known = std::mem::replace(&mut listed, anew);
                    changed(known, None);
                });
                self.is_listed.store(true, Ordering::Release);
            }
            watcher::Event::Apply(slice) => self.hold(|known| {
                known.apply(slice).iter().for_each(|service| changed(known, Some(service)));
            }),
            watcher::Event::Delete(slice) => self.hold(|known| {
                known.delete(&slice).iter().for_each(|service| changed(known, Some(service)));
            }),
        })
        .await;
    }
}
