//! The Service: the address of the pods inside the cluster.

use flotilla_crds::v1alpha1::Port;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::metadata;
use crate::microservice::validate::Validated;

/// `None` for a worker.
pub(super) fn render(service: &Validated) -> Option<Service> {
    if service.ports.is_empty() {
        return None;
    }
    Some(Service {
        metadata: metadata(service),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(service.selector.clone()),
            ports: Some(service.ports.iter().map(port).collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

pub(super) fn port(port: &Port) -> ServicePort {
    ServicePort {
        name: Some(port.name.clone()),
        port: port.service_port().into(),
        // By name: pods of two versions may use different numbers during a rollout.
        target_port: Some(IntOrString::String(port.name.clone())),
        protocol: Some(port.protocol().transport().to_owned()),
        app_protocol: port.protocol().app_protocol().map(str::to_owned),
        node_port: None,
    }
}
