//! `EndpointSlice` of discovery.k8s.io/v1, with the fields that a gateway needs. The others are passed over while it is
//! read, as a cluster has tens of thousands of them.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, core::NamespaceResourceScope};
use serde::{Deserialize, Serialize};

/// The label with the name of the Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Some endpoints of a Service. Without the metadata that nobody asks for, such as `managedFields`.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// Its name, and of which Service it is.
    pub metadata: ObjectMeta,
    /// `IPv4`, `IPv6` or `FQDN`.
    #[serde(default)]
    pub address_type: String,
    /// Where it is. The API server writes `null` for none.
    #[serde(default)]
    pub endpoints: Option<Vec<Endpoint>>,
    /// At which ports.
    #[serde(default)]
    pub ports: Option<Vec<Port>>,
}

/// An endpoint.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its addresses. The first is used, as kube-proxy does.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What it can do now.
    #[serde(default)]
    pub conditions: Option<Conditions>,
    /// For whom it is meant.
    #[serde(default)]
    pub hints: Option<Hints>,
}

/// For whom an endpoint is meant, as the cluster shares out endpoints (`trafficDistribution` of the Service).
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Hints {
    /// For clients in these zones.
    #[serde(default)]
    pub for_zones: Option<Vec<ForZone>>,
}

/// A zone.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct ForZone {
    /// As the label `topology.kubernetes.io/zone` of nodes has it.
    pub name: String,
}

/// What an endpoint can do. What is not said is as the API has it.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct Conditions {
    /// Whether it takes new requests. Not said: it does.
    #[serde(default)]
    pub ready: Option<bool>,
    /// Whether it answers, whatever else happens to it. Not said: as `ready`.
    #[serde(default)]
    pub serving: Option<bool>,
    /// Whether it ends. Not said: it does not.
    #[serde(default)]
    pub terminating: Option<bool>,
}

/// A port.
#[derive(Serialize, Deserialize, Clone, Debug, Default)]
pub struct Port {
    /// Its name. A Service with one port may have left it out.
    #[serde(default)]
    pub name: Option<String>,
    /// Its number. Not said: every port, which nobody can send to.
    #[serde(default)]
    pub port: Option<u16>,
}

impl Resource for EndpointSlice {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "EndpointSlice".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "discovery.k8s.io".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "endpointslices".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
