//! The `PeerAuthentication` of Istio: what the mesh asks of the service's callers.

use flotilla_crds::v1alpha1::MutualTls;
use serde_json::json;

use super::{Object, Unmet, labels, metadata};
use crate::{
    cluster::kind::Kind,
    microservice::{dereference::Observed, validate::Validated},
};

/// `None` when neither the service nor its class says anything: then the mesh's own default holds.
pub(super) fn render(service: &Validated, observed: &Observed) -> Option<Result<Object, Unmet>> {
    let mode = match service.network.mtls? {
        MutualTls::Strict => "STRICT",
        MutualTls::Permissive => "PERMISSIVE",
        MutualTls::Disabled => "DISABLE",
    };
    let kind = Kind::PeerAuthentication;
    if observed.unserved.contains(&kind) {
        return Some(Err(Unmet::missing_kind(service, kind, "spec.network.mtls", "install Istio")));
    }
    let manifest = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "metadata": metadata(service),
        "spec": {"selector": {"matchLabels": labels::part_of(&service.name)}, "mtls": {"mode": mode}},
    });
    Some(Ok(Object { kind, name: service.name.clone(), manifest, first_replicas: None }))
}
