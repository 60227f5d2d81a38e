//! Step 1: what the caches know of a `Microservice`. Reads memory only, never the API server.

use std::{collections::BTreeMap, sync::Arc};

use flotilla_crds::v1alpha1::Microservice;
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::DynamicObject};

use crate::cluster::{MICROSERVICE_LABEL, cache::Cache, kind::Kind, ownership};

/// The caches of one scope: a namespace, or the whole cluster.
#[derive(Debug, Default)]
pub struct Caches {
    /// What teams wrote.
    pub microservices: Cache<Microservice>,
    /// ServiceAccounts.
    pub service_accounts: Cache<DynamicObject>,
    /// Services.
    pub services: Cache<DynamicObject>,
    /// Deployments.
    pub deployments: Cache<DynamicObject>,
    /// Pods of services.
    pub pods: Cache<Pod>,
}

impl Caches {
    /// The cache of a kind that the operator writes.
    pub fn of(&self, kind: Kind) -> &Cache<DynamicObject> {
        match kind {
            Kind::ServiceAccount => &self.service_accounts,
            Kind::Service => &self.services,
            Kind::Deployment => &self.deployments,
        }
    }

    /// Waits until the first list of each cache is complete.
    pub async fn wait_until_ready(&self) {
        self.microservices.wait_until_ready().await;
        for kind in Kind::ALL {
            self.of(kind).wait_until_ready().await;
        }
        self.pods.wait_until_ready().await;
    }

    /// The names of the caches whose first list is not complete.
    pub fn waiting(&self) -> Vec<&'static str> {
        let mut waiting: Vec<_> =
            Kind::ALL.into_iter().filter(|kind| !self.of(*kind).is_ready()).map(Kind::name).collect();
        if !self.microservices.is_ready() {
            waiting.push("Microservice");
        }
        if !self.pods.is_ready() {
            waiting.push("Pod");
        }
        waiting
    }
}

/// What the cluster has of one service.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Objects that it owns, and objects of others that bear a name it may want.
    pub objects: BTreeMap<(Kind, String), Arc<DynamicObject>>,
    /// Its pods.
    pub pods: Vec<Arc<Pod>>,
}

impl Observed {
    /// The object of this kind and name.
    pub fn get(&self, kind: Kind, name: &str) -> Option<&Arc<DynamicObject>> {
        self.objects.get(&(kind, name.to_owned()))
    }
}

/// Collects what the caches know of a service.
pub fn dereference(microservice: &Microservice, caches: &Caches) -> Observed {
    let namespace = microservice.namespace().unwrap_or_default();
    let name = microservice.name_any();
    let uid = microservice.uid().unwrap_or_default();
    let prefix = format!("{name}-");
    let mut observed = Observed::default();
    for kind in Kind::ALL {
        let found = caches.of(kind).find_in(&namespace, |object| {
            let other = object.metadata.name.as_deref().unwrap_or_default();
            ownership::is_controlled_by(&object.metadata, &uid) || other == name || other.starts_with(&prefix)
        });
        observed.objects.extend(found.into_iter().map(|object| ((kind, object.name_any()), object)));
    }
    observed.pods = caches.pods.find_in(&namespace, |pod| {
        pod.metadata.labels.as_ref().and_then(|labels| labels.get(MICROSERVICE_LABEL)) == Some(&name)
    });
    observed
}
