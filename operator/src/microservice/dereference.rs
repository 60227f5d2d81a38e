//! Step 1: what the caches know of a `Microservice`. Reads memory only, never the API server.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flotilla_crds::v1alpha1::{
    DEFAULT_CLASS_ANNOTATION, Microservice, MicroserviceClass, Revisions, ServiceReference,
};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::{
    ResourceExt,
    api::{DynamicObject, PartialObjectMeta},
};

use super::{
    claims::{Claims, Rival},
    edges::{self, Edges},
    kept,
    peers::{self, Caller, Peer},
    provisioned::{Provision, Provisioned},
    referrers::Referrers,
    validate::{self, Class, Reference, mentions, replaces_pods},
    warnings::{Warning, Warnings},
};
use crate::cluster::{MICROSERVICE_LABEL, cache::Cache, capability::Capabilities, kind::Kind};

/// The caches of one scope: a namespace, or the whole cluster.
#[derive(Debug)]
pub struct Caches {
    /// What teams wrote.
    pub microservices: Cache<Microservice>,
    /// What the operator writes, by kind.
    children: BTreeMap<Kind, Cache<DynamicObject>>,
    /// Who calls whom.
    pub edges: Edges,
    /// Who claims which hosts and paths.
    pub claims: Claims,
    /// Who refers to which ConfigMaps and Secrets.
    pub referrers: Referrers,
    /// Classes; `None` when the operator may not see them.
    pub classes: Option<Cache<MicroserviceClass>>,
    /// Objects that say which Secret has their credentials.
    pub provisioned: Provisioned,
    /// Which optional kinds the cluster serves.
    pub capabilities: Arc<Capabilities>,
    /// Whether the operator runs gateways, so that policies can be written for them.
    pub has_gateways: bool,
    /// Pods of services.
    pub pods: Cache<Pod>,
    /// What is said of pods in events.
    pub warnings: Warnings,
    /// Metadata of ConfigMaps and Secrets, whose versions tell when pods must be replaced; `None` when the operator
    /// may not see them.
    pub references: Option<References>,
}

/// Metadata of what services may refer to. Their data is never read.
#[derive(Debug)]
pub struct References {
    /// ConfigMaps.
    pub config_maps: Cache<PartialObjectMeta<ConfigMap>>,
    /// Secrets.
    pub secrets: Cache<PartialObjectMeta<Secret>>,
}

impl Caches {
    /// Empty caches.
    pub fn new(watch_references: bool, whole_cluster: bool, capabilities: Arc<Capabilities>) -> Self {
        Self {
            microservices: Cache::new(kept::microservice),
            children: Kind::ALL.into_iter().map(|kind| (kind, Cache::new(kept::child(kind)))).collect(),
            edges: Edges::default(),
            claims: Claims::default(),
            referrers: Referrers::default(),
            classes: whole_cluster.then(|| Cache::new(kept::class)),
            capabilities,
            has_gateways: false,
            pods: Cache::new(kept::pod),
            provisioned: Provisioned::default(),
            warnings: Warnings::default(),
            references: watch_references.then(|| References {
                config_maps: Cache::new(kept::reference),
                secrets: Cache::new(kept::reference),
            }),
        }
    }

    /// The caches of the kinds that the operator writes.
    pub fn children(&self) -> impl Iterator<Item = (Kind, &Cache<DynamicObject>)> {
        self.children.iter().map(|(kind, cache)| (*kind, cache))
    }

    /// The cache of a kind that the operator writes.
    pub fn of(&self, kind: Kind) -> Option<&Cache<DynamicObject>> {
        self.children.get(&kind)
    }

    /// Takes in the API server's answer to a write of ours.
    pub fn wrote(&self, kind: Kind, object: DynamicObject) {
        if let Some(cache) = self.of(kind) {
            cache.wrote(object);
        }
    }

    /// Waits until the first list of each cache is complete.
    pub async fn wait_until_ready(&self) {
        self.microservices.wait_until_ready().await;
        self.capabilities.wait_until_known().await;
        for (_, cache) in self.children().filter(|(kind, _)| self.capabilities.is_served(*kind)) {
            cache.wait_until_ready().await;
        }
        self.pods.wait_until_ready().await;
        self.warnings.wait_until_ready().await;
        self.provisioned.wait_until_settled().await;
        if let Some(classes) = &self.classes {
            classes.wait_until_ready().await;
        }
        if let Some(references) = &self.references {
            references.config_maps.wait_until_ready().await;
            references.secrets.wait_until_ready().await;
        }
    }

    /// The names of the caches whose first list is not complete.
    pub fn waiting(&self) -> Vec<&'static str> {
        let mut waiting: Vec<_> = self
            .children()
            .filter(|(kind, cache)| self.capabilities.is_served(*kind) && !cache.is_ready())
            .map(|(kind, _)| kind.name())
            .collect();
        let mut ask = |is_ready: bool, name| {
            if !is_ready {
                waiting.push(name);
            }
        };
        ask(self.capabilities.are_known(), "CustomResourceDefinition");
        ask(self.microservices.is_ready(), "Microservice");
        ask(self.pods.is_ready(), "Pod");
        ask(self.warnings.is_ready(), "Event");
        ask(self.provisioned.are_settled(), "what bindings name");
        ask(self.classes.as_ref().is_none_or(Cache::is_ready), "MicroserviceClass");
        if let Some(references) = &self.references {
            ask(references.config_maps.is_ready(), "ConfigMap (metadata)");
            ask(references.secrets.is_ready(), "Secret (metadata)");
        }
        waiting
    }

    /// The class of a service: the one that it names, or the default one.
    fn class(&self, named: Option<&str>) -> ClassOf {
        let Some(classes) = &self.classes else {
            return named.map_or_else(ClassOf::default, |_| ClassOf::NotWatched);
        };
        ClassOf::find(&classes.all().collect::<Vec<_>>(), named)
    }

    /// The version of something that a service refers to: `None` when it does not exist.
    fn version(&self, namespace: &str, reference: &Reference) -> Option<String> {
        let known = self.references.as_ref()?;
        let (uid, version) = match reference {
            Reference::ConfigMap(name) => known.config_maps.version(namespace, name)?,
            Reference::Secret(name) => known.secrets.version(namespace, name)?,
        };
        Some(format!("{uid}/{version}"))
    }
}

/// The class of a service.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassOf {
    /// It is known, or it is what is built in.
    Known(Box<Class>),
    /// There is none of that name.
    Unknown {
        /// What is wanted.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// Classes are not watched.
    NotWatched,
}

impl Default for ClassOf {
    fn default() -> Self {
        Self::Known(Box::default())
    }
}

impl ClassOf {
    /// The one of these that a service names, or the default one.
    pub fn find(all: &[MicroserviceClass], named: Option<&str>) -> Self {
        let is_default = |class: &MicroserviceClass| {
            class.annotations().get(DEFAULT_CLASS_ANNOTATION).is_some_and(|value| value == "true")
        };
        // Of several default classes the first by name counts, so that it is always the same.
        let found = match named {
            Some(name) => all.iter().find(|class| class.name_any() == name),
            None => all.iter().find(|class| is_default(class)),
        };
        match (found, named) {
            (Some(class), _) => {
                Self::Known(Box::new(Class { name: Some(class.name_any()), spec: class.spec.clone() }))
            }
            (None, None) => Self::default(),
            (None, Some(wanted)) => Self::Unknown {
                wanted: wanted.to_owned(),
                known: all.iter().map(ResourceExt::name_any).collect::<Vec<_>>().join(", "),
            },
        }
    }

    /// The class, or what is wrong with the service.
    pub fn get(&self) -> Result<&Class, validate::Error> {
        match self {
            Self::Known(class) => Ok(class),
            Self::Unknown { wanted, known } => {
                Err(validate::Error::UnknownClass { wanted: wanted.clone(), known: known.clone() })
            }
            Self::NotWatched => Err(validate::Error::NoClasses),
        }
    }
}

/// What the cluster has of one service.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Objects that it owns, and objects of others that bear a name it may want.
    pub objects: BTreeMap<(Kind, String), Arc<DynamicObject>>,
    /// Its pods.
    pub pods: Vec<Arc<Pod>>,
    /// Pods of its jobs.
    pub job_pods: Vec<Arc<Pod>>,
    /// What is said of all of them in events, by their UID.
    pub warnings: BTreeMap<String, Vec<Warning>>,
    /// What its pods refer to and must be replaced for, each with its version, or without one when it does not exist.
    pub references: BTreeMap<Reference, Option<String>>,
    /// Whether each ConfigMap and Secret that it names exists; empty when the operator may not see them.
    pub named: BTreeMap<Reference, bool>,
    /// What the objects say that its bindings name.
    pub provisioned: BTreeMap<ServiceReference, Provision>,
    /// What it calls.
    pub peers: Vec<Peer>,
    /// Who calls it.
    pub callers: Vec<Caller>,
    /// Who claims the same hosts and paths.
    pub rivals: Vec<Rival>,
    /// Optional kinds that the cluster does not serve.
    pub unserved: BTreeSet<Kind>,
    /// Whether the operator runs gateways.
    pub has_gateways: bool,
    /// Its class, or why it has none.
    pub class: ClassOf,
    /// What is known of its versions.
    pub revisions: Revisions,
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
    let mut observed = Observed::default();
    for (kind, cache) in caches.children() {
        let found = cache.group_or_named(&namespace, &uid, &name);
        observed.objects.extend(found.into_iter().map(|object| ((kind, object.name_any()), object)));
    }
    let serves = |pod: &Arc<Pod>| {
        let labels = pod.metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(MICROSERVICE_LABEL)) == Some(&name)
    };
    (observed.pods, observed.job_pods) = caches.pods.group(&namespace, &name).into_iter().partition(serves);
    observed.provisioned = caches.provisioned.of(microservice);
    observed.warnings = observed
        .pods
        .iter()
        .chain(&observed.job_pods)
        .filter_map(|pod| {
            let uid = pod.uid()?;
            let said = caches.warnings.of(&uid);
            (!said.is_empty()).then_some((uid, said))
        })
        .collect();
    // Without a look at them, all would count as missing for ever.
    if caches.references.is_some() {
        let replaces = replaces_pods(&microservice.spec);
        let direct = mentions(&microservice.spec);
        let direct = direct.into_iter().map(|mention| (mention.reference, mention.is_read));
        let provisioned = observed.provisioned.values().filter_map(|provision| match provision {
            Provision::Secret(name) => Some((Reference::Secret(name.clone()), true)),
            Provision::Missing(_) | Provision::Pending(_) => None,
        });
        for (reference, is_read) in direct.chain(provisioned) {
            let version = caches.version(&namespace, &reference);
            observed.named.insert(reference.clone(), version.is_some());
            if is_read && replaces {
                observed.references.insert(reference, version);
            }
        }
    }
    let find = |(namespace, name): &edges::Key| caches.microservices.get(namespace, name);
    observed.peers = peers::peers(microservice, find);
    observed.callers = peers::callers(microservice, caches.edges.callers(&(namespace, name)));
    observed.class = caches.class(microservice.spec.class_name.as_deref());
    observed.rivals = caches.claims.rivals(microservice);
    observed.unserved = Kind::ALL.into_iter().filter(|kind| !caches.capabilities.is_served(*kind)).collect();
    observed.has_gateways = caches.has_gateways;
    observed.revisions =
        microservice.status.as_ref().and_then(|status| status.revisions.clone()).unwrap_or_default();
    observed
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::*;

    fn class(name: &str, annotations: Value) -> MicroserviceClass {
        serde_json::from_value(json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "MicroserviceClass",
            "metadata": {"name": name, "annotations": annotations}, "spec": {},
        }))
        .unwrap()
    }

    fn name(of: &ClassOf) -> Option<String> {
        of.get().unwrap().name.clone()
    }

    #[test]
    fn a_class_is_found_by_its_name_or_as_the_default_one() {
        let caches = Caches::new(false, true, Arc::default());
        assert_eq!(name(&caches.class(None)), None);
        let classes = caches.classes.as_ref().unwrap();
        classes.observe(&mut Event::Apply(class("small", json!({}))));
        assert_eq!(name(&caches.class(None)), None);
        classes.observe(&mut Event::Apply(class("usual", json!({DEFAULT_CLASS_ANNOTATION: "true"}))));
        assert_eq!(name(&caches.class(None)).as_deref(), Some("usual"));
        assert_eq!(name(&caches.class(Some("small"))).as_deref(), Some("small"));
        let error = caches.class(Some("huge")).get().unwrap_err().to_string();
        assert_eq!(error, "spec.className: there is no MicroserviceClass \"huge\"; there are: small, usual");
    }

    #[test]
    fn an_operator_of_some_namespaces_has_no_classes() {
        let caches = Caches::new(false, false, Arc::default());
        assert_eq!(name(&caches.class(None)), None);
        assert!(caches.class(Some("small")).get().is_err());
    }
}
