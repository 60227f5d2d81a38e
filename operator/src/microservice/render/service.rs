//! The Service: the address of the pods inside the cluster.

use flotilla_crds::v1alpha1::Port;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::{labels, metadata};
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
            ports: Some(service.ports.iter().map(|own| port(service, own)).collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

pub(super) fn port(service: &Validated, port: &Port) -> ServicePort {
    // By name: pods of two versions may use different numbers during a rollout. But the pods of a workload that was
    // taken over do not have our names.
    let by_name = service.selector == labels::selector(&service.name);
    ServicePort {
        name: Some(port.name.clone()),
        port: port.service_port().into(),
        target_port: Some(if by_name {
            IntOrString::String(port.name.clone())
        } else {
            IntOrString::Int(port.port.into())
        }),
        protocol: Some(port.protocol().transport().to_owned()),
        app_protocol: port.protocol().app_protocol().map(str::to_owned),
        node_port: None,
    }
}
