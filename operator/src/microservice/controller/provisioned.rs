//! The watches of what services are bound to: one for each kind that some service names.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{
    Stream, StreamExt, future,
    stream::{self, BoxStream, SelectAll},
};
use kube::{
    Api, Client, ResourceExt,
    api::DynamicObject,
    core::{ApiResource, GroupVersion},
    runtime::{
        WatchStreamExt,
        reflector::ObjectRef,
        watcher::{self, watcher},
    },
};
use tokio::sync::watch;

use super::watch_config;
use crate::microservice::{
    dereference::Caches,
    provisioned::{Access, Known, Type},
    reconcile::Handle,
};

/// Time before a kind that the cluster does not serve is asked for again, doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The longest time between two questions.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// The services whose bindings have news.
pub(super) fn news(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
) -> impl Stream<Item = ObjectRef<Handle>> + Send + 'static {
    let state = State {
        client: client.clone(),
        namespace: namespace.map(str::to_owned),
        types: caches.provisioned.types(),
        caches: Arc::clone(caches),
        watched: BTreeSet::new(),
        running: SelectAll::new(),
    };
    stream::unfold(state, |mut state| async move {
        let news = state.next().await?;
        Some((news, state))
    })
}

struct State {
    client: Client,
    namespace: Option<String>,
    caches: Arc<Caches>,
    types: watch::Receiver<BTreeSet<Type>>,
    watched: BTreeSet<Type>,
    running: SelectAll<BoxStream<'static, ObjectRef<Handle>>>,
}

impl State {
    /// The next news; `None` when nobody can name anything any more.
    async fn next(&mut self) -> Option<ObjectRef<Handle>> {
        loop {
            self.start();
            tokio::select! {
                changed = self.types.changed() => changed.ok()?,
                Some(news) = self.running.next(), if !self.running.is_empty() => return Some(news),
            }
        }
    }

    /// Starts the watches of kinds that are named for the first time. Those of others end by themselves.
    fn start(&mut self) {
        let wanted = self.types.borrow_and_update().clone();
        for type_ in wanted.difference(&self.watched) {
            let Some(known) = self.caches.provisioned.known(type_) else {
                continue;
            };
            let watched = watched(self.client.clone(), self.namespace.clone(), type_.clone(), known);
            let (ended, caches) = (type_.clone(), Arc::clone(&self.caches));
            let mut types = self.types.clone();
            let unwanted = async move {
                // A dropped sender ends the watch as well.
                types.wait_for(|types| !types.contains(&ended)).await.ok();
            };
            let of_type = type_.clone();
            let news = watched.flat_map(move |(namespace, name)| {
                let keys = caches.provisioned.naming(&of_type, namespace.as_deref(), name.as_deref());
                stream::iter(
                    keys.into_iter().map(|(namespace, name)| ObjectRef::new(&name).within(&namespace)),
                )
            });
            self.running.push(news.take_until(unwanted).boxed());
        }
        self.watched = wanted;
    }
}

/// Namespace and name of each object of a kind that has news; without a name, all of them have.
fn watched(
    client: Client,
    namespace: Option<String>,
    type_: Type,
    known: Arc<Known>,
) -> impl Stream<Item = (Option<String>, Option<String>)> + Send + 'static {
    let (looked_up, for_lookup) = (Arc::clone(&known), client.clone());
    let found = stream::unfold(Some(Duration::ZERO), move |wait| {
        let (known, client, type_) = (Arc::clone(&looked_up), for_lookup.clone(), type_.clone());
        async move {
            let wait = wait?;
            tokio::time::sleep(wait).await;
            match resource(&client, &type_).await {
                Ok(resource) => {
                    known.set_access(Access::Open);
                    Some((Some(resource), None))
                }
                Err(problem) => {
                    known.set_access(Access::Closed(problem));
                    Some((None, Some((wait * 2).clamp(FIRST_RETRY, LAST_RETRY))))
                }
            }
        }
    });
    found.flat_map(move |resource| match resource {
        None => stream::iter([(None, None)]).boxed(),
        Some(resource) => {
            let api: Api<DynamicObject> = match &namespace {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
                None => Api::all_with(client.clone(), &resource),
            };
            objects(api, Arc::clone(&known)).boxed()
        }
    })
}

fn objects(
    api: Api<DynamicObject>,
    known: Arc<Known>,
) -> impl Stream<Item = (Option<String>, Option<String>)> + Send + 'static {
    watcher(api, watch_config()).default_backoff().filter_map(move |event| {
        let news = match event {
            Ok(event) => {
                let mut event = event.modify(reduce);
                known.set_access(Access::Open);
                known.objects.observe(&mut event);
                match &event {
                    watcher::Event::Apply(object) | watcher::Event::Delete(object) => {
                        Some((object.namespace(), Some(object.name_any())))
                    }
                    watcher::Event::InitDone => Some((None, None)),
                    watcher::Event::Init | watcher::Event::InitApply(_) => None,
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the watch of a provisioned service failed and is started again");
                let is_forbidden = error.to_string().contains("forbidden");
                is_forbidden.then(|| {
                    let advice = "the operator may not; allow it by a ClusterRole with the label servicebinding.io/controller: \"true\"";
                    known.set_access(Access::Closed(advice.to_owned()));
                    (None, None)
                })
            }
        };
        future::ready(news)
    })
}

/// How the cluster serves a kind, or why it does not.
pub async fn resource(client: &Client, type_: &Type) -> Result<ApiResource, String> {
    let list = if type_.api_version == "v1" {
        client.list_core_api_resources("v1").await
    } else {
        client.list_api_group_resources(&type_.api_version).await
    };
    let list = match list {
        Ok(list) => list.resources,
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    let Some(found) = list.iter().find(|found| found.kind == type_.kind && !found.name.contains('/')) else {
        return Err("the cluster does not serve this kind: install it".to_owned());
    };
    if !found.namespaced {
        return Err("its objects belong to no namespace".to_owned());
    }
    let version: GroupVersion =
        type_.api_version.parse().map_err(|_| "its apiVersion is not one".to_owned())?;
    Ok(ApiResource::from_gvk_with_plural(&version.with_kind(&type_.kind), &found.name))
}

/// Keeps what names the Secret.
fn reduce(object: &mut DynamicObject) {
    object.metadata.managed_fields = None;
    object.metadata.annotations = None;
    object.metadata.labels = None;
    let binding = object.data.pointer("/status/binding").cloned().unwrap_or_default();
    object.data = serde_json::json!({"status": {"binding": binding}});
}
