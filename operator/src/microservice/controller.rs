//! The controller of one scope: its watches, what they trigger, and its end.

mod classes;
mod provisioned;
mod references;
mod warnings;

use std::{collections::BTreeSet, marker::PhantomData, sync::Arc};

use flotilla_crds::v1alpha1::Microservice;
use futures::{
    Stream, StreamExt,
    channel::mpsc,
    future,
    stream::{self, BoxStream},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::DynamicObject,
    core::NamespaceResourceScope,
    runtime::{
        Config, Controller, Predicate, PredicateConfig, WatchStreamExt, predicates, reflector,
        reflector::ObjectRef,
        watcher::{self, watcher},
    },
};

pub use self::provisioned::resource;
use super::{
    dereference::Caches,
    edges::Key,
    kept::is_microservice,
    reconcile::{Context, Handle, reconcile, retry},
};
use crate::{
    cluster::{
        MICROSERVICE_LABEL, PART_OF_LABEL,
        cache::{Kept, Observation},
        kind::Kind,
        optional, ownership,
        unread::{Unread, convert, readable},
    },
    leader::Leadership,
};

/// Time for which news of one object is gathered before it is reconciled.
const DEBOUNCE: std::time::Duration = std::time::Duration::from_millis(50);

/// How many objects a list asks for at once: a page is in memory as a whole before any of it is kept.
const PAGE_SIZE: u32 = 100;

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
    let (reader, queue) = reflector::store();
    let (announce, announced) = mpsc::unbounded();
    let microservices = microservices(&client, namespace.as_deref(), Arc::clone(&caches), queue, announce)
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

/// The watch of the main kind. The queue gets no more than names: the caches have the rest.
fn microservices(
    client: &Client,
    namespace: Option<&str>,
    caches: Arc<Caches>,
    mut queue: reflector::store::Writer<Handle>,
    announce: mpsc::UnboundedSender<ObjectRef<Handle>>,
) -> impl Stream<Item = watcher::Result<watcher::Event<Handle>>> + Send + 'static {
    let api: Api<Unread<Microservice>> = typed(client, namespace);
    let readable =
        |event: watcher::Result<_>| future::ready(event.map(|event| convert(event, readable)).transpose());
    watcher(api, watch_config())
        .default_backoff()
        .filter_map(readable)
        .map(move |event| {
            let mut event = event.inspect_err(|error| {
                tracing::warn!(%error, kind = "Microservice", "the watch failed and is started again");
            })?;
            let gone = caches.microservices.observe(&mut event).gone;
            for (namespace, name) in concerned(&event, &gone, &caches) {
                // Nobody listens any more when the controller ends.
                announce.unbounded_send(ObjectRef::new(&name).within(&namespace)).ok();
            }
            let handle = |service: Microservice| {
                Some(Handle { types: None, metadata: service.metadata, _phantom: PhantomData })
            };
            let Some(event) = convert(event, handle) else { return Ok(None) };
            queue.apply_watcher_event(&event.clone().modify(name_only));
            Ok(Some(event))
        })
        .filter_map(|event| future::ready(event.transpose()))
}

fn name_only(handle: &mut Handle) {
    let ObjectMeta { name, namespace, uid, .. } = std::mem::take(&mut handle.metadata);
    handle.metadata = ObjectMeta { name, namespace, uid, ..ObjectMeta::default() };
}

/// The services that are concerned by the news of others: at the other ends of edges, or with the same claims.
fn concerned(event: &watcher::Event<Microservice>, gone: &[Microservice], caches: &Caches) -> BTreeSet<Key> {
    let mut concerned = BTreeSet::new();
    let deleted = match event {
        watcher::Event::Delete(service) => Some(service),
        _ => None,
    };
    for service in gone.iter().chain(deleted) {
        let key = (service.namespace().unwrap_or_default(), service.name_any());
        concerned.extend(caches.edges.remove(&key));
        concerned.extend(caches.claims.remove(&key));
        caches.provisioned.remove(&key);
        caches.referrers.remove(&key);
    }
    if let watcher::Event::Apply(service) | watcher::Event::InitApply(service) = event {
        concerned.extend(caches.edges.update(service));
        concerned.extend(caches.claims.update(service));
        caches.provisioned.update(service);
        caches.referrers.update(service);
    }
    concerned
}

/// How everything is watched.
fn watch_config() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_SIZE)
}

/// The services whose children or pods have news.
fn children(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
) -> impl Stream<Item = ObjectRef<Handle>> + Send + 'static {
    let mut streams = Vec::new();
    for kind in caches.children().map(|(kind, _)| kind) {
        let (client, namespace, caches) = (client.clone(), namespace.map(str::to_owned), Arc::clone(caches));
        streams.push(match caches.capabilities.subscribe(kind) {
            None => child(&client, namespace.as_deref(), &caches, kind),
            Some(served) => {
                let known = Arc::clone(&caches);
                let watch = move || child(&client, namespace.as_deref(), &caches, kind);
                let switch = move |is_served: bool| {
                    if let Some(cache) = known.of(kind).filter(|_| !is_served) {
                        cache.reset();
                    }
                    everybody(&known)
                };
                optional::switched(served, watch, switch).boxed()
            }
        });
    }
    let pods = Arc::clone(caches);
    // Those of its jobs too.
    let config = watch_config().labels(PART_OF_LABEL);
    let news = observed(watcher(typed(client, namespace), config), "Pod", move |event| {
        Some(pods.pods.observe(event))
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

/// Every service: each looks again when a kind comes or goes.
fn everybody(caches: &Caches) -> Vec<ObjectRef<Handle>> {
    let all = caches.microservices.keys();
    all.iter().map(|(namespace, name)| ObjectRef::new(name).within(namespace)).collect()
}

/// The services whose children of one kind have news.
fn child(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
    kind: Kind,
) -> BoxStream<'static, ObjectRef<Handle>> {
    let api: Api<Unread<DynamicObject>> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind.api_resource()),
        None => Api::all_with(client.clone(), &kind.api_resource()),
    };
    let (feed, known) = (Arc::clone(caches), Arc::clone(caches));
    // No selector: an object of somebody else is in the way when it has the name of a service, and the way is free as
    // soon as it goes.
    let config = watch_config();
    let config = if kind.is_labelled() { config.labels(MICROSERVICE_LABEL) } else { config };
    let news = observed(watcher(api, config), kind.name(), move |event| Some(feed.of(kind)?.observe(event)));
    news.filter_map(move |meta| future::ready(service_of(&meta, &known))).boxed()
}

/// The metadata of what a watch reports as new, after the cache has taken it in; what a new list no longer has is
/// reported as well.
fn observed<K>(
    watch: impl Stream<Item = watcher::Result<watcher::Event<Unread<K>>>> + Send + 'static,
    kind: &'static str,
    observe: impl Fn(&mut watcher::Event<K>) -> Option<Observation<K>> + Send + 'static,
) -> impl Stream<Item = ObjectMeta> + Send + 'static
where
    K: Kept + Send + Sync + 'static,
{
    watch
        .default_backoff()
        .map(move |event| {
            let event = match event {
                Ok(event) => convert(event, readable),
                Err(error) => {
                    tracing::warn!(%error, kind, "the watch failed and is started again");
                    return Vec::new();
                }
            };
            let Some(mut event) = event else { return Vec::new() };
            let Some(Observation { gone, is_news }) = observe(&mut event) else { return Vec::new() };
            let named = match event {
                watcher::Event::Apply(object)
                | watcher::Event::Delete(object)
                | watcher::Event::InitApply(object) => Some(object).filter(|_| is_news),
                watcher::Event::Init | watcher::Event::InitDone => None,
            };
            named.into_iter().chain(gone).map(|mut object| std::mem::take(object.meta_mut())).collect()
        })
        .flat_map(stream::iter)
}

/// The service that an object concerns: its owner, or the one whose name it bears.
fn service_of(meta: &ObjectMeta, caches: &Caches) -> Option<ObjectRef<Handle>> {
    let namespace = meta.namespace.as_deref()?;
    let name = match ownership::controller(meta).filter(|owner| is_microservice(owner)) {
        Some(owner) => &owner.name,
        None => meta.name.as_ref().filter(|name| caches.microservices.contains(namespace, name))?,
    };
    Some(ObjectRef::new(name).within(namespace))
}

fn labelled(meta: &ObjectMeta) -> Option<ObjectRef<Handle>> {
    let name = meta.labels.as_ref()?.get(PART_OF_LABEL)?;
    Some(ObjectRef::new(name).within(meta.namespace.as_deref()?))
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
