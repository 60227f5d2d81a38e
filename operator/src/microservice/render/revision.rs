//! The MicroserviceRevision: what a version was, so that it can run again.

use flotilla_crds::v1alpha1::MicroserviceRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::metadata;
use crate::microservice::{revision::Revision, validate::Validated};

pub(super) fn render(service: &Validated, revision: &Revision) -> MicroserviceRevision {
    MicroserviceRevision {
        metadata: ObjectMeta { name: Some(revision.name.clone()), ..metadata(service) },
        spec: revision.spec.clone(),
    }
}
