//! Which optional kinds the cluster serves: those of the Gateway API, of Prometheus and of KEDA.
//!
//! Their definitions may come and go while the operator runs; nothing is polled for that.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, future, stream};
use kube::{
    Api, Client,
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind},
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use tokio::sync::watch;

use super::kind::{Kind, Written};

/// A kind that a cluster may lack.
pub trait Optional: Written + Ord + std::fmt::Display + Send + Sync + 'static {
    /// The name of its definition; `None` for a kind that every cluster of ours has.
    fn definition(self) -> Option<String>;
}

impl Optional for Kind {
    fn definition(self) -> Option<String> {
        self.definition()
    }
}

/// What is known of the optional kinds.
#[derive(Debug)]
pub struct Capabilities<K = Kind> {
    served: BTreeMap<K, watch::Sender<Option<bool>>>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new(Kind::ALL)
    }
}

impl<K: Optional> Capabilities<K> {
    /// Of those of these kinds that a cluster may lack.
    pub fn new(kinds: impl IntoIterator<Item = K>) -> Self {
        let optional = kinds.into_iter().filter(|kind| kind.definition().is_some());
        Self { served: optional.map(|kind| (kind, watch::Sender::new(None))).collect() }
    }

    /// Whether the cluster serves the kind. Kinds that every cluster has are always served.
    pub fn is_served(&self, kind: K) -> bool {
        self.served.get(&kind).is_none_or(|served| *served.borrow() == Some(true))
    }

    /// Waits until it is known of every kind.
    pub async fn wait_until_known(&self) {
        for served in self.served.values() {
            // The sender lives in `self`, so the only error, a dropped sender, cannot happen while this waits.
            served.subscribe().wait_for(Option::is_some).await.ok();
        }
    }

    /// Whether it is known of every kind.
    pub fn are_known(&self) -> bool {
        self.served.values().all(|served| served.borrow().is_some())
    }

    /// Changes of one kind; `None` for a kind that every cluster has.
    pub fn subscribe(&self, kind: K) -> Option<watch::Receiver<Option<bool>>> {
        self.served.get(&kind).map(watch::Sender::subscribe)
    }

    fn set(&self, kind: K, now: bool) {
        let Some(served) = self.served.get(&kind) else {
            return;
        };
        let changed = served.send_if_modified(|known| {
            let changed = *known != Some(now);
            *known = Some(now);
            changed
        });
        if changed {
            tracing::info!(%kind, served = now, "an optional kind");
        }
    }

    /// Follows the definitions of the cluster for ever. It needs the right to watch them.
    pub async fn follow(self: Arc<Self>, client: Client) {
        let resource = ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
            "customresourcedefinitions",
        );
        let watches = self.served.keys().filter_map(|kind| {
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let config = watcher::Config::default().fields(&format!("metadata.name={}", kind.definition()?));
            let kind = *kind;
            Some(watcher(api, config).default_backoff().map(move |event| (kind, event)).boxed())
        });
        // Whether the running list has shown the definition.
        let mut listed: BTreeMap<K, bool> = BTreeMap::new();
        stream::select_all(watches)
            .for_each(|(kind, event)| {
                match event {
                    Ok(watcher::Event::Init) => drop(listed.insert(kind, false)),
                    Ok(watcher::Event::InitApply(definition)) => {
                        listed.insert(kind, is_served(kind, &definition));
                    }
                    Ok(watcher::Event::InitDone) => self.set(kind, listed.remove(&kind).unwrap_or(false)),
                    Ok(watcher::Event::Apply(definition)) => self.set(kind, is_served(kind, &definition)),
                    Ok(watcher::Event::Delete(_)) => self.set(kind, false),
                    Err(error) => {
                        tracing::warn!(%error, %kind, "the watch of a definition failed and is started again");
                    }
                }
                future::ready(())
            })
            .await;
    }

    /// Asks once which kinds the cluster serves, for an operator that may not watch definitions.
    pub async fn discover(&self, client: &Client) {
        for kind in self.served.keys() {
            let resource = kind.api_resource();
            let found = client.list_api_group_resources(&resource.api_version).await;
            let served = match found {
                Ok(list) => list.resources.iter().any(|found| found.name == resource.plural),
                // A group that is not served has no answer of its own, only the status code.
                Err(kube::Error::Api(status)) if status.code == 404 => false,
                Err(error) => {
                    tracing::warn!(%error, %kind, "cannot ask whether the cluster serves a kind: it counts as missing");
                    false
                }
            };
            self.set(*kind, served);
        }
    }
}

/// Whether a definition is established, and serves the version that we write.
fn is_served(kind: impl Written, definition: &DynamicObject) -> bool {
    if definition.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let wanted = kind.api_resource().version;
    let items = |pointer: &str| {
        definition.data.pointer(pointer).and_then(|list| list.as_array()).into_iter().flatten()
    };
    items("/spec/versions").any(|version| version["name"] == *wanted && version["served"] == true)
        && items("/status/conditions")
            .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(version: &str, served: bool, established: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "httproutes.gateway.networking.k8s.io"},
            "spec": {"versions": [{"name": "v1beta1", "served": true}, {"name": version, "served": served}]},
            "status": {"conditions": [{"type": "Established", "status": established}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_definition_serves_when_it_is_established_with_our_version() {
        for (definition, served) in [
            (definition("v1", true, "True"), true),
            (definition("v1", false, "True"), false),
            (definition("v2", true, "True"), false),
            (definition("v1", true, "False"), false),
        ] {
            assert_eq!(is_served(Kind::HttpRoute, &definition), served);
        }
    }

    #[test]
    fn what_every_cluster_has_is_served_and_the_rest_is_not_known_at_first() {
        let capabilities = Capabilities::default();
        assert!(capabilities.is_served(Kind::Deployment));
        assert!(!capabilities.is_served(Kind::HttpRoute));
        assert!(!capabilities.are_known());
        capabilities.set(Kind::HttpRoute, true);
        assert!(capabilities.is_served(Kind::HttpRoute));
    }
}
