//! The operators that are measured: what an object of theirs is, and when it is done.

use anyhow::{Context, Result};
use clap::ValueEnum;
use flotilla_e2e::{OPERATOR_NAMESPACE, newest_pod, restart_operator};
use kube::{
    Client,
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// The installed one.
    Flotilla,
    /// kro with one definition, in a process of its own.
    Kro,
}

impl Subject {
    /// How it names itself to the API server.
    pub(crate) fn agent(self) -> &'static str {
        match self {
            Self::Flotilla => "flotilla-operator/",
            Self::Kro => "kro/",
        }
    }

    /// The kind that people write.
    pub(crate) fn resource(self) -> ApiResource {
        let (group, version, kind, plural) = match self {
            Self::Flotilla => ("flotilla.dev", "v1alpha1", "Microservice", "microservices"),
            Self::Kro => ("kro.run", "v1alpha1", "Application", "applications"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// An object without pods.
    pub(crate) fn object(self, name: &str, image: &str) -> Value {
        let resource = self.resource();
        let spec = match self {
            Self::Flotilla => json!({
                "image": image,
                "replicas": 0,
                "ports": [{"name": "http", "port": 8080, "protocol": "HTTP"}],
            }),
            Self::Kro => json!({"image": image}),
        };
        json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"name": name},
            "spec": spec,
        })
    }

    /// Whether an object is done with a generation, as the operator says.
    pub(crate) fn is_ready(self, object: &DynamicObject, generation: i64) -> bool {
        let status = &object.data["status"];
        let conditions = status["conditions"].as_array();
        let find = |type_: &str| conditions.into_iter().flatten().find(|found| found["type"] == type_);
        let ready = find("Ready").is_some_and(|ready| ready["status"] == "True");
        match self {
            Self::Flotilla => {
                ready && status["observedGeneration"] == generation && find("Reconciling").is_none()
            }
            Self::Kro => {
                ready
                    && find("Ready").is_some_and(|ready| ready["observedGeneration"] == generation)
                    && status["state"] == "ACTIVE"
            }
        }
    }

    /// Starts the operator anew, if it runs in the cluster.
    pub(crate) async fn restart(self) -> Result<()> {
        if self == Self::Flotilla { restart_operator().await } else { Ok(()) }
    }

    /// The UID of the pod that it runs in.
    pub(crate) async fn pod(client: &Client) -> Result<String> {
        newest_pod(client, OPERATOR_NAMESPACE, |_| true).await.context("the operator has no pod")
    }
}
