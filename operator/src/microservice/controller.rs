//! The controller of one scope: its watches, what they trigger, and its end.

mod classes;
mod optional;
mod provisioned;
mod references;
mod warnings;

use std::{collections::BTreeSet, sync::Arc};

use flotilla_crds::v1alpha1::Microservice;
use futures::{
    Stream, StreamExt,
    channel::mpsc,
    future,
    stream::{self, BoxStream},
};
use k8s_openapi::{
    api::core::v1::Pod,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::DynamicObject,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        Config, Controller, Predicate, PredicateConfig, WatchStreamExt, predicates, reflector,
        reflector::ObjectRef,
        watcher::{self, watcher},
    },
};

use super::{
    dereference::Caches,
    edges::Key,
    reconcile::{Context, reconcile, retry},
};
use crate::{
    cluster::{ADOPT_ANNOTATION, FIELD_MANAGER, MICROSERVICE_LABEL, kind::Kind, ownership},
    leader::Leadership,
};

/// Time for which news of one object is gathered before it is reconciled.
const DEBOUNCE: std::time::Duration = std::time::Duration::from_millis(50);

/// A controller of one scope, ready to run.
pub struct Scope {
    /// The namespace; `None` is the whole cluster.
    pub namespace: Option<String>,
    /// Its caches.
    pub caches: Arc<Caches>,
    /// What its reconciler works with.
    pub context: Arc<Context>,
    /// How many objects are reconciled at once.
    pub concurrency: u16,
}

/// Runs the controller until `stop`, and then until what runs is finished.
pub async fn run(
    scope: Scope,
    client: Client,
    leadership: Leadership,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let Scope { namespace, caches, context, concurrency } = scope;
    let (reader, writer) = reflector::store();
    let (announce, announced) = mpsc::unbounded();
    let microservices = microservices(&client, namespace.as_deref(), Arc::clone(&caches), announce)
        .reflect(writer)
        .touched_objects()
        .predicate_filter(
            predicates::generation.combine(predicates::annotations),
            PredicateConfig::default(),
        );
    // A follower reconciles nothing, so whoever wins begins with everything.
    let won = stream::unfold(leadership, |mut leadership| async move {
        leadership.won().await;
        Some(((), leadership))
    });
    Controller::for_stream(microservices, reader)
        .with_config(Config::default().concurrency(concurrency).debounce(DEBOUNCE))
        .reconcile_on(children(&client, namespace.as_deref(), &caches))
        .reconcile_on(announced)
        .reconcile_all_on(won)
        .graceful_shutdown_on(stop)
        .run(reconcile, retry, context)
        .for_each(|_| future::ready(()))
        .await;
}

/// The watch of the main kind. An object that cannot be read is logged and left out: it must not stop the others.
fn microservices(
    client: &Client,
    namespace: Option<&str>,
    caches: Arc<Caches>,
    announce: mpsc::UnboundedSender<ObjectRef<Microservice>>,
) -> impl Stream<Item = watcher::Result<watcher::Event<Microservice>>> + Send + 'static {
    let api: Api<DeserializeGuard<Microservice>> = typed(client, namespace);
    watcher(api, watcher::Config::default())
        .default_backoff()
        .filter_map(|event| future::ready(readable(event).transpose()))
        .inspect(move |event| match event {
            Ok(event) => {
                let gone = caches.microservices.observe(event);
                for (namespace, name) in concerned(event, &gone, &caches) {
                    // Nobody listens any more when the controller ends.
                    announce.unbounded_send(ObjectRef::new(&name).within(&namespace)).ok();
                }
            }
            Err(error) => {
                tracing::warn!(%error, kind = "Microservice", "the watch failed and is started again")
            }
        })
}

/// The services that are concerned by the news of others: at the other ends of edges, or with the same claims.
fn concerned(
    event: &watcher::Event<Microservice>,
    gone: &[Arc<Microservice>],
    caches: &Caches,
) -> BTreeSet<Key> {
    let mut concerned = BTreeSet::new();
    let deleted = match event {
        watcher::Event::Delete(service) => Some(service),
        _ => None,
    };
    for service in gone.iter().map(AsRef::as_ref).chain(deleted) {
        let key = (service.namespace().unwrap_or_default(), service.name_any());
        concerned.extend(caches.edges.remove(&key));
        concerned.extend(caches.claims.remove(&key));
        caches.provisioned.remove(&key);
    }
    if let watcher::Event::Apply(service) | watcher::Event::InitApply(service) = event {
        concerned.extend(caches.edges.update(service));
        concerned.extend(caches.claims.update(service));
        caches.provisioned.update(service);
    }
    concerned
}

fn readable(
    event: watcher::Result<watcher::Event<DeserializeGuard<Microservice>>>,
) -> watcher::Result<Option<watcher::Event<Microservice>>> {
    let open = |guarded: DeserializeGuard<Microservice>| match guarded.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            let (name, namespace) = (&invalid.metadata.name, &invalid.metadata.namespace);
            tracing::error!(
                error = invalid.error,
                ?name,
                ?namespace,
                "this Microservice cannot be read; correct it"
            );
            None
        }
    };
    Ok(match event? {
        watcher::Event::Apply(object) => open(object).map(watcher::Event::Apply),
        watcher::Event::Delete(object) => open(object).map(watcher::Event::Delete),
        watcher::Event::InitApply(object) => open(object).map(watcher::Event::InitApply),
        watcher::Event::Init => Some(watcher::Event::Init),
        watcher::Event::InitDone => Some(watcher::Event::InitDone),
    })
}

/// The services whose children or pods have news.
fn children(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
) -> impl Stream<Item = ObjectRef<Microservice>> + Send + 'static {
    let mut streams = Vec::new();
    for kind in caches.children().map(|(kind, _)| kind) {
        let (client, namespace, caches) = (client.clone(), namespace.map(str::to_owned), Arc::clone(caches));
        streams.push(match caches.capabilities.subscribe(kind) {
            None => child(&client, namespace.as_deref(), &caches, kind),
            Some(served) => optional::switched(served, Arc::clone(&caches), kind, move || {
                child(&client, namespace.as_deref(), &caches, kind)
            })
            .boxed(),
        });
    }
    let pods = Arc::clone(caches);
    let config = watcher::Config::default().labels(MICROSERVICE_LABEL);
    let news = observed(watcher(typed(client, namespace), config), "Pod", reduce_pod, move |event| {
        pods.pods.observe(event)
    });
    streams.push(news.filter_map(|meta| future::ready(labelled(&meta))).boxed());
    if caches.classes.is_some() {
        streams.push(classes::news(client, caches).boxed());
    }
    streams.push(warnings::news(client, namespace, caches).boxed());
    streams.push(provisioned::news(client, namespace, caches).boxed());
    if caches.references.is_some() {
        streams.push(references::news(client, namespace, caches).boxed());
    }
    stream::select_all(streams)
}

/// The services whose children of one kind have news.
fn child(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
    kind: Kind,
) -> BoxStream<'static, ObjectRef<Microservice>> {
    let api = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind.api_resource()),
        None => Api::all_with(client.clone(), &kind.api_resource()),
    };
    let (feed, known) = (Arc::clone(caches), Arc::clone(caches));
    // No selector: an object of somebody else is in the way when it has the name of a service, and the way is free as
    // soon as it goes.
    let config = watcher::Config::default();
    let config = if kind.is_labelled() { config.labels(MICROSERVICE_LABEL) } else { config };
    let news = observed(watcher(api, config), kind.name(), reduce, move |event| {
        feed.of(kind).map(|cache| cache.observe(event)).unwrap_or_default()
    });
    news.filter_map(move |meta| future::ready(service_of(&meta, &known))).boxed()
}

/// The metadata of what a watch reports, after the cache has taken it in; what a new list no longer has is
/// reported as well.
fn observed<K>(
    watch: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    kind: &'static str,
    reduce: fn(&mut K),
    observe: impl Fn(&watcher::Event<K>) -> Vec<Arc<K>> + Send + 'static,
) -> impl Stream<Item = ObjectMeta> + Send + 'static
where
    K: Resource + Clone + Send + Sync + 'static,
{
    watch
        .default_backoff()
        .map(move |event| {
            let event = match event {
                Ok(event) => event.modify(reduce),
                Err(error) => {
                    tracing::warn!(%error, kind, "the watch failed and is started again");
                    return Vec::new();
                }
            };
            let gone = observe(&event);
            let named = match &event {
                watcher::Event::Apply(object)
                | watcher::Event::Delete(object)
                | watcher::Event::InitApply(object) => Some(object.meta().clone()),
                watcher::Event::Init | watcher::Event::InitDone => None,
            };
            named.into_iter().chain(gone.iter().map(|object| object.meta().clone())).collect()
        })
        .flat_map(stream::iter)
}

/// The service that an object concerns: its owner, or the one whose name it bears.
fn service_of(meta: &ObjectMeta, caches: &Caches) -> Option<ObjectRef<Microservice>> {
    let namespace = meta.namespace.as_deref()?;
    let name = match ownership::controller(meta).filter(|owner| is_microservice(owner)) {
        Some(owner) => &owner.name,
        None => meta.name.as_ref().filter(|name| caches.microservices.get(namespace, name).is_some())?,
    };
    Some(ObjectRef::new(name).within(namespace))
}

fn labelled(meta: &ObjectMeta) -> Option<ObjectRef<Microservice>> {
    let name = meta.labels.as_ref()?.get(MICROSERVICE_LABEL)?;
    Some(ObjectRef::new(name).within(meta.namespace.as_deref()?))
}

fn is_microservice(owner: &OwnerReference) -> bool {
    owner.kind == Microservice::kind(&()) && owner.api_version.starts_with(flotilla_crds::GROUP)
}

/// Keeps of an object what a decision can depend on: of others' objects only whose they are.
fn reduce(object: &mut DynamicObject) {
    let ours = ownership::controller(&object.metadata).is_some_and(is_microservice);
    // What may be taken over is looked at as a whole.
    let offered = object.metadata.annotations.iter().flatten().any(|(name, _)| name == ADOPT_ANNOTATION);
    if !ours && !offered {
        object.data = serde_json::Value::Null;
        object.metadata.annotations = None;
    }
    for entry in object.metadata.managed_fields.iter_mut().flatten() {
        if !ours || entry.manager.as_deref() != Some(FIELD_MANAGER) {
            entry.fields_v1 = None;
        }
    }
}

fn reduce_pod(pod: &mut Pod) {
    pod.spec = None;
    pod.metadata.annotations = None;
    pod.metadata.managed_fields = None;
}

fn typed<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
