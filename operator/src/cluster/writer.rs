//! The only code that writes to the cluster: server-side apply with one field manager, by the leader alone.

use flotilla_crds::v1alpha1::{Microservice, MicroserviceStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
    core::Status,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{FIELD_MANAGER, kind::Written};
use crate::{leader::Leadership, metrics::WriteMetrics};

/// A resource version that no object has. In an apply it means: create, and fail when there is one already.
const NEVER_EXISTED: &str = "1";

/// Who owns the `replicas` that the operator has let go of, until an autoscaler changes them.
const REPLICAS_MANAGER: &str = "flotilla-replicas";

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another replica of the operator leads.
    #[error("this replica is not the leader")]
    NotLeader,
    /// The object is not the one that the cache showed; the watch will bring the news.
    #[error("{kind} {name:?} has changed meanwhile")]
    Outdated {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The API server refuses the object as it is: trying again will not help.
    #[error("the API server refuses {kind} {name:?}: {message}")]
    Refused {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What the API server says of it.
        message: String,
    },
    /// The request failed; it may work the next time.
    #[error("cannot write {kind} {name:?}: {source}")]
    Api {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// What happened.
        source: Box<kube::Error>,
    },
}

impl Error {
    /// From a fixed list, for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotLeader => "NotLeader",
            Self::Outdated { .. } => "Outdated",
            Self::Refused { .. } => "Refused",
            Self::Api { .. } => "ApiServerError",
        }
    }
}

/// Writes objects of one operator.
#[derive(Clone, Debug)]
pub struct Writer {
    client: ClientHandle,
    leadership: Leadership,
    metrics: WriteMetrics,
}

/// `Client` has no `Debug`.
#[derive(Clone)]
struct ClientHandle(Client);

impl std::fmt::Debug for ClientHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Client")
    }
}

impl Writer {
    /// A writer that writes only while this replica leads.
    pub fn new(client: Client, leadership: Leadership, metrics: WriteMetrics) -> Self {
        Self { client: ClientHandle(client), leadership, metrics }
    }

    /// Whether writes are allowed at this moment.
    pub fn leads(&self) -> bool {
        self.leadership.holds()
    }

    /// Creates an object that must not exist yet.
    pub async fn create(
        &self,
        kind: impl Written,
        namespace: &str,
        manifest: &Value,
    ) -> Result<DynamicObject, Error> {
        self.apply(kind, namespace, manifest, json!({"resourceVersion": NEVER_EXISTED})).await
    }

    /// Applies to the object with this UID, and to no successor of the same name.
    pub async fn update(
        &self,
        kind: impl Written,
        namespace: &str,
        manifest: &Value,
        uid: &str,
    ) -> Result<DynamicObject, Error> {
        self.apply(kind, namespace, manifest, json!({"uid": uid})).await
    }

    async fn apply(
        &self,
        kind: impl Written,
        namespace: &str,
        manifest: &Value,
        precondition: Value,
    ) -> Result<DynamicObject, Error> {
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        self.check_leadership()?;
        let mut body = manifest.clone();
        if let (Value::Object(metadata), Value::Object(precondition)) = (&mut body["metadata"], precondition)
        {
            metadata.extend(precondition);
        }
        let api = self.api(kind, namespace);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let result = api.patch(name, &params, &Patch::Apply(&body)).await;
        self.metrics.wrote(kind.name(), "apply", result.is_ok());
        result.map_err(|error| classify(kind.name(), name, error))
    }

    /// Has a second field manager own the live `replicas`, so that they stay when the operator lets go of them.
    pub async fn hand_over(
        &self,
        kind: impl Written,
        namespace: &str,
        name: &str,
        uid: &str,
        replicas: i32,
    ) -> Result<(), Error> {
        self.check_leadership()?;
        let body = json!({
            "apiVersion": kind.api_resource().api_version,
            "kind": kind.name(),
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "spec": {"replicas": replicas},
        });
        let api = self.api(kind, namespace);
        let params = PatchParams::apply(REPLICAS_MANAGER).force();
        let result = api.patch(name, &params, &Patch::Apply(&body)).await;
        self.metrics.wrote(kind.name(), "apply", result.is_ok());
        result.map(drop).map_err(|error| classify(kind.name(), name, error))
    }

    /// Takes over an object of others, so that the next apply owns and can take back what they had written.
    ///
    /// `former` has the fields that they wrote and that an apply may leave out.
    pub async fn adopt(
        &self,
        kind: impl Written,
        namespace: &str,
        name: &str,
        uid: &str,
        former: &Value,
    ) -> Result<(), Error> {
        self.check_leadership()?;
        let api = self.api(kind, namespace);
        // One entry of our own takes the place of all others. A list that is empty would not do: the next apply would fill it
        // with an owner "before-first-apply", who keeps every field (kubernetes.io/docs/reference/using-api/server-side-apply,
        // "Clearing managedFields").
        let ours = json!({
            "manager": FIELD_MANAGER,
            "operation": "Apply",
            "apiVersion": kind.api_resource().api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:selector": {}}},
        });
        let sole_owner = json!({"metadata": {"uid": uid, "managedFields": [ours]}});
        let result = api.patch(name, &PatchParams::default(), &Patch::Merge(&sole_owner)).await;
        self.metrics.wrote(kind.name(), "adopt", result.is_ok());
        result.map_err(|error| classify(kind.name(), name, error))?;
        let mut body = former.clone();
        body["apiVersion"] = Value::from(kind.api_resource().api_version);
        body["kind"] = Value::from(kind.name());
        body["metadata"] = json!({"name": name, "namespace": namespace});
        self.update(kind, namespace, &body, uid).await.map(drop)
    }

    /// Deletes the object with this UID, if it is still there.
    pub async fn delete(
        &self,
        kind: impl Written,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<(), Error> {
        let api = self.api(kind, namespace);
        self.delete_from(api, kind.name(), name, uid).await
    }

    /// Deletes the pod with this UID, if it is still there, so that its owner makes another.
    pub async fn delete_pod(&self, namespace: &str, name: &str, uid: &str) -> Result<(), Error> {
        self.delete_from(Api::<Pod>::namespaced(self.client.0.clone(), namespace), "Pod", name, uid).await
    }

    async fn delete_from<K>(
        &self,
        api: Api<K>,
        kind: &'static str,
        name: &str,
        uid: &str,
    ) -> Result<(), Error>
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        self.check_leadership()?;
        let only_this = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::background() };
        let result = api.delete(name, &params).await;
        self.metrics.wrote(kind, "delete", result.is_ok());
        match result {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            Err(error) => Err(classify(kind, name, error)),
            Ok(_) => Ok(()),
        }
    }

    /// Writes the status of a `Microservice`.
    pub async fn status(
        &self,
        microservice: &Microservice,
        status: &MicroserviceStatus,
    ) -> Result<Microservice, Error> {
        self.check_leadership()?;
        let metadata = microservice.meta();
        let name = metadata.name.as_deref().unwrap_or_default();
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let body = json!({
            "apiVersion": Microservice::api_version(&()),
            "kind": Microservice::kind(&()),
            "metadata": {"name": name, "namespace": namespace, "uid": metadata.uid},
            "status": status,
        });
        let api: Api<Microservice> = Api::namespaced(self.client.0.clone(), namespace);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let result = api.patch_status(name, &params, &Patch::Apply(&body)).await;
        self.metrics.wrote("Microservice/status", "apply", result.is_ok());
        result.map_err(|error| classify("Microservice", name, error))
    }

    /// Replaces the parts of a status that `status` has, unless the object has changed since this version of it.
    pub async fn replace_status(
        &self,
        kind: impl Written,
        namespace: &str,
        name: &str,
        resource_version: &str,
        status: &Value,
    ) -> Result<DynamicObject, Error> {
        self.check_leadership()?;
        let body = json!({"metadata": {"resourceVersion": resource_version}, "status": status});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let result = self.api(kind, namespace).patch_status(name, &params, &Patch::Merge(&body)).await;
        self.metrics.wrote(kind.name(), "status", result.is_ok());
        result.map_err(|error| classify(kind.name(), name, error))
    }

    /// Objects of a kind; without a namespace those of the cluster.
    fn api(&self, kind: impl Written, namespace: &str) -> Api<DynamicObject> {
        let (client, resource) = (self.client.0.clone(), kind.api_resource());
        if namespace.is_empty() {
            Api::all_with(client, &resource)
        } else {
            Api::namespaced_with(client, namespace, &resource)
        }
    }

    fn check_leadership(&self) -> Result<(), Error> {
        if self.leads() { Ok(()) } else { Err(Error::NotLeader) }
    }
}

fn classify(kind: &'static str, name: &str, error: kube::Error) -> Error {
    let name = name.to_owned();
    match error {
        kube::Error::Api(status)
            if status.is_conflict() || status.is_already_exists() || status.is_not_found() =>
        {
            Error::Outdated { kind, name }
        }
        // A UID that is not that of the live object comes back as an invalid field, not as a conflict.
        kube::Error::Api(status) if names_field(&status, "metadata.uid") => Error::Outdated { kind, name },
        kube::Error::Api(status) if is_final(&status) => {
            Error::Refused { kind, name, message: status.message.clone() }
        }
        error => Error::Api { kind, name, source: Box::new(error) },
    }
}

fn names_field(status: &Status, field: &str) -> bool {
    status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.field == field)
}

/// Whether the answer is about the object, not about the moment.
fn is_final(status: &Status) -> bool {
    // An apply with a field that the kind does not have is answered with 500.
    let has_unknown_field = status.message.starts_with("failed to create typed patch object");
    matches!(status.code, 400 | 403 | 405 | 413 | 422) || has_unknown_field
}
