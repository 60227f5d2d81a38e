//! What comes from the API server: every watch, as changes of what is known.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use flotilla_crds::gateway_api::{
    BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ListenerSet, ReferenceGrant, TcpRoute,
    TlsRoute, UdpRoute,
};
use flotilla_crds::v1alpha1::TrafficPolicy;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, PartialObjectMeta},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};

use super::{
    compile::RouteKind,
    infrastructure::{CLUSTER_ROLE, plan::Live},
    kind::Kind,
    names::GATEWAY_LABEL,
    objects::{Deleted, Key, Objects, Store, Watched},
};
use crate::cluster::{
    cache::Kept,
    capability::Capabilities,
    kind::Written,
    optional,
    unread::{Unread, convert, readable},
};

/// How many objects a list asks for at once.
const PAGE_SIZE: u32 = 500;

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Known {
    /// What gateways follow from.
    pub objects: Objects,
    /// What is there for gateways.
    pub live: Live,
    /// What was made and is gone.
    deleted: Deleted,
    /// Versions of ConfigMaps, by which it is known when one must be read again.
    pub config_maps: BTreeMap<Key, String>,
    /// The kinds of which the first list is complete, beside those of `objects`.
    listed: std::collections::BTreeSet<&'static str>,
}

impl Known {
    /// Takes in the answer to a write of what is made for a gateway.
    pub fn wrote(&mut self, kind: Kind, object: DynamicObject) {
        if !self.deleted.has(object.metadata.uid.as_ref()) {
            self.made(kind, object);
        }
    }

    fn made(&mut self, kind: Kind, object: DynamicObject) {
        let key = (kind, object.namespace().unwrap_or_default(), object.name_any());
        self.live.insert(key, object);
    }

    /// What is not known yet. `serves` says which kinds the cluster has.
    pub fn waiting(&self, serves: impl Fn(Kind) -> bool) -> Vec<&'static str> {
        let objects = &self.objects;
        let mut waiting = Vec::new();
        let mut ask = |kind: Kind, is_ready: bool| {
            if serves(kind) && !is_ready {
                waiting.push(kind.name());
            }
        };
        ask(Kind::GatewayClass, objects.classes.is_ready());
        ask(Kind::Gateway, objects.gateways.is_ready());
        ask(Kind::ListenerSet, objects.listener_sets.is_ready());
        ask(Kind::BackendTlsPolicy, objects.backend_tls_policies.is_ready());
        ask(Kind::TrafficPolicy, objects.traffic_policies.is_ready());
        ask(Kind::ReferenceGrant, objects.grants.is_ready());
        ask(Kind::Route(RouteKind::Http), objects.http_routes.is_ready());
        ask(Kind::Route(RouteKind::Grpc), objects.grpc_routes.is_ready());
        ask(Kind::Route(RouteKind::Tls), objects.tls_routes.is_ready());
        ask(Kind::Route(RouteKind::Tcp), objects.tcp_routes.is_ready());
        ask(Kind::Route(RouteKind::Udp), objects.udp_routes.is_ready());
        let others = [
            ("Namespace", objects.namespaces.is_ready()),
            ("Service", objects.services.is_ready()),
            ("Secret (TLS)", objects.secrets.is_ready()),
            ("Microservice", objects.microservices.is_ready()),
            (CONFIG_MAPS, self.listed.contains(CONFIG_MAPS)),
        ];
        waiting.extend(others.into_iter().filter(|(_, is_ready)| !is_ready).map(|(name, _)| name));
        let made = LIVE.iter().map(|kind| kind.name());
        waiting.extend(made.filter(|name| !self.listed.contains(name)));
        waiting
    }
}

const CONFIG_MAPS: &str = "ConfigMap (metadata)";

/// The kinds of what is made, each watched whole.
const LIVE: [Kind; 6] = [
    Kind::Secret,
    Kind::Role,
    Kind::RoleBinding,
    Kind::ClusterRoleBinding,
    Kind::Service,
    Kind::Microservice,
];

/// A change of what is known. Returns whether anything is new.
pub type Change = Box<dyn FnOnce(&mut Known) -> bool + Send>;

macro_rules! kept {
    ($($kind:ty),*) => {$(impl Kept for $kind {})*};
}

kept!(
    GatewayClass,
    Gateway,
    ListenerSet,
    HttpRoute,
    GrpcRoute,
    TlsRoute,
    TcpRoute,
    UdpRoute,
    BackendTlsPolicy,
    TrafficPolicy,
    ReferenceGrant,
    Namespace,
    Service,
    Secret
);

/// All changes.
pub fn changes(client: &Client, capabilities: &Arc<Capabilities<Kind>>) -> BoxStream<'static, Change> {
    let everything = watcher::Config::default().page_size(PAGE_SIZE);
    let labelled = everything.clone().labels(GATEWAY_LABEL);
    let certificates = everything.clone().fields("type=kubernetes.io/tls");
    let binding = everything.clone().fields(&format!("metadata.name={CLUSTER_ROLE}"));
    let mut streams = vec![
        whole(client, &everything, |objects: &mut Objects| &mut objects.namespaces),
        whole(client, &everything, |objects: &mut Objects| &mut objects.services),
        whole(client, &certificates, |objects: &mut Objects| &mut objects.secrets),
        whole(client, &labelled, |objects: &mut Objects| &mut objects.microservices),
        config_maps(client, &everything),
    ];
    for kind in LIVE {
        let config = if kind == Kind::ClusterRoleBinding { &binding } else { &labelled };
        streams.push(made(client, config, kind));
    }
    let mut optional = |kind: Kind, watch: Watch| {
        streams.extend(capabilities.subscribe(kind).map(|served| {
            let client = client.clone();
            let switch = move |is_served: bool| -> Vec<Change> {
                vec![Box::new(move |known: &mut Known| {
                    if !is_served {
                        reset(kind, &mut known.objects);
                    }
                    true
                })]
            };
            optional::switched(served, move || watch(&client), switch).boxed()
        }));
    };
    optional(Kind::GatewayClass, |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.classes)
    });
    optional(Kind::Gateway, |client| whole(client, &all(), |objects: &mut Objects| &mut objects.gateways));
    optional(Kind::ListenerSet, |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.listener_sets)
    });
    optional(Kind::ReferenceGrant, |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.grants)
    });
    optional(Kind::BackendTlsPolicy, |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.backend_tls_policies)
    });
    optional(Kind::TrafficPolicy, |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.traffic_policies)
    });
    optional(Kind::Route(RouteKind::Http), |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.http_routes)
    });
    optional(Kind::Route(RouteKind::Grpc), |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.grpc_routes)
    });
    optional(Kind::Route(RouteKind::Tls), |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.tls_routes)
    });
    optional(Kind::Route(RouteKind::Tcp), |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.tcp_routes)
    });
    optional(Kind::Route(RouteKind::Udp), |client| {
        whole(client, &all(), |objects: &mut Objects| &mut objects.udp_routes)
    });
    stream::select_all(streams).boxed()
}

type Watch = fn(&Client) -> BoxStream<'static, Change>;

fn all() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_SIZE)
}

fn reset(kind: Kind, objects: &mut Objects) {
    match kind {
        Kind::GatewayClass => objects.classes.reset(),
        Kind::Gateway => objects.gateways.reset(),
        Kind::ListenerSet => objects.listener_sets.reset(),
        Kind::BackendTlsPolicy => objects.backend_tls_policies.reset(),
        Kind::TrafficPolicy => objects.traffic_policies.reset(),
        Kind::ReferenceGrant => objects.grants.reset(),
        Kind::Route(RouteKind::Http) => objects.http_routes.reset(),
        Kind::Route(RouteKind::Grpc) => objects.grpc_routes.reset(),
        Kind::Route(RouteKind::Tls) => objects.tls_routes.reset(),
        Kind::Route(RouteKind::Tcp) => objects.tcp_routes.reset(),
        Kind::Route(RouteKind::Udp) => objects.udp_routes.reset(),
        _ => {}
    }
}

/// A kind that is kept whole.
fn whole<K>(
    client: &Client,
    config: &watcher::Config,
    store: fn(&mut Objects) -> &mut Store<K>,
) -> BoxStream<'static, Change>
where
    K: Watched + Kept + Debug + Send + Sync + 'static,
{
    let api: Api<Unread<K>> = Api::all(client.clone());
    let kind = K::kind(&()).into_owned();
    let change = move |event: watcher::Result<Event<Unread<K>>>| -> Option<Change> {
        let event = event
            .inspect_err(|error| tracing::warn!(%error, kind, "the watch failed and is started again"))
            .ok()?;
        let event = convert(event, readable)?;
        Some(Box::new(move |known: &mut Known| store(&mut known.objects).observe(event)))
    };
    watcher(api, config.clone())
        .default_backoff()
        .filter_map(move |event| std::future::ready(change(event)))
        .boxed()
}

/// ConfigMaps, of which only versions are kept.
fn config_maps(client: &Client, config: &watcher::Config) -> BoxStream<'static, Change> {
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::all(client.clone());
    let change = |event: watcher::Result<Event<PartialObjectMeta<ConfigMap>>>| -> Option<Change> {
        let event = event
            .inspect_err(
                |error| tracing::warn!(%error, "the watch of ConfigMaps failed and is started again"),
            )
            .ok()?;
        Some(Box::new(move |known: &mut Known| {
            let key = |object: &PartialObjectMeta<ConfigMap>| {
                (object.namespace().unwrap_or_default(), object.name_any())
            };
            match event {
                Event::Init => {
                    known.listed.remove(CONFIG_MAPS);
                    known.config_maps.clear();
                    false
                }
                Event::InitDone => known.listed.insert(CONFIG_MAPS),
                Event::Apply(object) | Event::InitApply(object) => {
                    let version = object.resource_version().unwrap_or_default();
                    known
                        .config_maps
                        .insert(key(&object), version.clone())
                        .is_none_or(|known| known != version)
                }
                Event::Delete(object) => known.config_maps.remove(&key(&object)).is_some(),
            }
        }))
    };
    watcher(api, config.clone())
        .default_backoff()
        .filter_map(move |event| std::future::ready(change(event)))
        .boxed()
}

/// What is made for gateways.
fn made(client: &Client, config: &watcher::Config, kind: Kind) -> BoxStream<'static, Change> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind.api_resource());
    let change = move |event: watcher::Result<Event<DynamicObject>>| -> Option<Change> {
        let event = event
            .inspect_err(|error| tracing::warn!(%error, %kind, "the watch failed and is started again"))
            .ok()?;
        Some(Box::new(move |known: &mut Known| {
            let place =
                |object: &DynamicObject| (kind, object.namespace().unwrap_or_default(), object.name_any());
            match event {
                // Until the list is complete nothing is decided: what it has not shown yet would be made again.
                Event::Init => {
                    known.listed.remove(kind.name());
                    known.live.retain(|(found, ..), _| *found != kind);
                    false
                }
                Event::InitDone => {
                    known.listed.insert(kind.name());
                    true
                }
                Event::Apply(object) | Event::InitApply(object) => {
                    let is_new = known
                        .live
                        .get(&place(&object))
                        .is_none_or(|known| known.resource_version() != object.resource_version());
                    known.made(kind, object);
                    is_new
                }
                Event::Delete(object) => {
                    known.deleted.add(object.metadata.uid.as_ref());
                    known.live.remove(&place(&object)).is_some()
                }
            }
        }))
    };
    watcher(api, config.clone())
        .default_backoff()
        .filter_map(move |event| std::future::ready(change(event)))
        .boxed()
}
