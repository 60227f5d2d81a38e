//! What the operator would have in its caches, read once.

use std::sync::Arc;

use flotilla_crds::v1alpha1::{Microservice, MicroserviceClass};
use flotilla_operator::{
    cluster::{MICROSERVICE_LABEL, capability::Capabilities, kind::Kind},
    microservice::{controller::resource, dereference::Caches, provisioned::Access, validate::references},
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Resource, ResourceExt as _,
    api::{DynamicObject, ListParams, PartialObjectMeta},
    core::NamespaceResourceScope,
};

use serde::de::DeserializeOwned;

use crate::{Error, cluster::Cluster, output::Terminal};

/// The caches with everything that bears on this service, which is taken as it will be.
pub(super) async fn caches(
    cluster: &Cluster,
    next: &Microservice,
    terminal: &mut Terminal<'_>,
) -> Result<Caches, Error> {
    let refers = !references(&next.spec).is_empty();
    let capabilities = Arc::new(Capabilities::default());
    capabilities.discover(&cluster.client).await;
    let mut caches = Caches::new(refers, true, Arc::clone(&capabilities));
    // The chart brings both; what the operator was told besides is not to be seen from here.
    caches.has_gateways = capabilities.is_served(Kind::TrafficPolicy);
    let classes = Api::<MicroserviceClass>::all(cluster.client.clone()).list(&ListParams::default()).await;
    match (classes, &caches.classes) {
        (Ok(classes), Some(known)) => classes.items.into_iter().for_each(|class| known.wrote(class)),
        (Err(error), _) => {
            let error = Error::api("list MicroserviceClasses")(error);
            terminal.say(&format!("{error}: the defaults of the class are not compared"))?;
        }
        (Ok(_), None) => {}
    }
    for kind in Kind::ALL.into_iter().filter(|kind| capabilities.is_served(*kind)) {
        for object in list(cluster, kind, &next.name_any()).await? {
            caches.wrote(kind, object);
        }
    }
    for microservice in microservices(cluster, terminal).await? {
        if (microservice.namespace(), microservice.name_any()) != (next.namespace(), next.name_any()) {
            caches.edges.update(&microservice);
            caches.claims.update(&microservice);
            caches.microservices.wrote(microservice);
        }
    }
    caches.edges.update(next);
    caches.claims.update(next);
    caches.microservices.wrote(next.clone());
    provisioned(cluster, next, &caches).await;
    if let Some(known) = &caches.references {
        let read = async {
            for found in metadata::<ConfigMap>(cluster).await? {
                known.config_maps.wrote(found);
            }
            for found in metadata::<Secret>(cluster).await? {
                known.secrets.wrote(found);
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = read.await {
            // The operator may see them although we may not, so the annotation with their versions differs.
            terminal
                .say(&format!("{error}: the pods' annotation for changed configuration is not compared"))?;
            caches.references = None;
        }
    }
    Ok(caches)
}

/// What the objects say that bindings name. What cannot be read counts as not said, with the reason.
async fn provisioned(cluster: &Cluster, next: &Microservice, caches: &Caches) {
    caches.provisioned.update(next);
    for type_ in caches.provisioned.types().borrow().iter() {
        let Some(known) = caches.provisioned.known(type_) else { continue };
        let read = async {
            let resource = resource(&cluster.client, type_).await?;
            let api: Api<DynamicObject> =
                Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &resource);
            api.list(&ListParams::default()).await.map_err(|error| error.to_string())
        };
        match read.await {
            Ok(list) => {
                known.set_access(Access::Open);
                for object in list.items {
                    known.objects.wrote(object);
                }
            }
            Err(why) => known.set_access(Access::Closed(why)),
        }
    }
}

async fn list(cluster: &Cluster, kind: Kind, service: &str) -> Result<Vec<DynamicObject>, Error> {
    let api: Api<DynamicObject> =
        Api::namespaced_with(cluster.client.clone(), &cluster.namespace, &kind.api_resource());
    let all = ListParams::default();
    let params =
        if kind.is_labelled() { all.labels(&format!("{MICROSERVICE_LABEL}={service}")) } else { all };
    match api.list(&params).await {
        Ok(list) => Ok(list.items),
        // A kind whose definition is not installed has no objects.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(Error::api(format!("list objects of kind {kind}"))(error)),
    }
}

/// The services of the cluster, for what calls what; those of the namespace when others may not be seen.
async fn microservices(cluster: &Cluster, terminal: &mut Terminal<'_>) -> Result<Vec<Microservice>, Error> {
    let all = Api::<Microservice>::all(cluster.client.clone()).list(&ListParams::default()).await;
    let list = match all {
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            terminal.say(
                "you may not list Microservices of other namespaces: calls to and from them are not compared",
            )?;
            cluster.api::<Microservice>().list(&ListParams::default()).await
        }
        other => other,
    };
    Ok(list.map_err(Error::api("list Microservices"))?.items)
}

/// Of Secrets too, only metadata is asked for.
async fn metadata<K>(cluster: &Cluster) -> Result<Vec<PartialObjectMeta<K>>, Error>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = cluster.api();
    let list = api.list_metadata(&ListParams::default()).await;
    Ok(list.map_err(Error::api(format!("list {}", K::plural(&()))))?.items)
}
