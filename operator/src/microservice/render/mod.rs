//! Step 3: the objects that a `Microservice` becomes. Pure: no I/O, no clock, the same input gives the same
//! bytes. The command line calls this very function, so what is reviewed is what is applied.

mod container;
mod deployment;
mod labels;
mod probe;
mod service;
mod service_account;
#[cfg(test)]
pub(crate) mod tests;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use serde::Serialize;
use serde_json::Value;

pub use self::labels::selector;
use super::validate::Validated;
use crate::cluster::kind::Kind;

/// Why the objects cannot be rendered: a defect of the operator, not of the object.
#[derive(Debug, thiserror::Error)]
#[error("{kind} cannot be written as JSON")]
pub struct Error {
    kind: Kind,
    #[source]
    source: serde_json::Error,
}

/// An object that the operator wants.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its kind.
    pub kind: Kind,
    /// Its name, in the namespace of the `Microservice`.
    pub name: String,
    /// The object as it is applied: every field in it is owned by the operator.
    pub manifest: Value,
}

/// Every object that a `Microservice` becomes, in the order of apply.
pub fn render(service: &Validated) -> Result<Vec<Object>, Error> {
    let mut objects = Vec::new();
    if let Some(account) = service_account::render(service) {
        objects.push(object(Kind::ServiceAccount, &account)?);
    }
    if let Some(cluster_service) = service::render(service) {
        objects.push(object(Kind::Service, &cluster_service)?);
    }
    objects.push(object(Kind::Deployment, &deployment::render(service))?);
    Ok(objects)
}

fn object<K>(kind: Kind, object: &K) -> Result<Object, Error>
where
    K: Serialize + Resource<DynamicType = ()>,
{
    let mut manifest = serde_json::to_value(object).map_err(|source| Error { kind, source })?;
    manifest["apiVersion"] = Value::from(kind.api_version());
    manifest["kind"] = Value::from(kind.name());
    let name = object.meta().name.clone().unwrap_or_default();
    Ok(Object { kind, name, manifest })
}

/// Metadata of a child that carries the name of the service.
fn metadata(service: &Validated) -> ObjectMeta {
    ObjectMeta {
        name: Some(service.name.clone()),
        namespace: Some(service.namespace.clone()),
        labels: Some(labels::all(&service.name)),
        owner_references: Some(vec![OwnerReference {
            api_version: format!("{}/v1alpha1", flotilla_crds::GROUP),
            kind: "Microservice".to_owned(),
            name: service.name.clone(),
            uid: service.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    }
}
