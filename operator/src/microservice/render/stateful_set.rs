//! The StatefulSet: pods with a name and volumes of their own.

use flotilla_crds::v1alpha1::{AccessMode, DataPolicy, VolumeClaimTemplate};
use k8s_openapi::{
    api::{
        apps::v1::{
            RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy,
            StatefulSetSpec, StatefulSetUpdateStrategy,
        },
        core::v1::{
            PersistentVolumeClaim, PersistentVolumeClaimSpec, Service, ServiceSpec,
            VolumeResourceRequirements,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
    },
};

use super::{container::canonical, deployment::annotations, metadata, service};
use crate::microservice::{scale::Replicas, validate::Validated};

/// More pods than a service may have.
const MOST_PODS: i32 = 10_001;

/// The name of the Service that gives each pod a name.
pub(super) fn governing_name(service: &Validated) -> String {
    format!("{}-pods", service.name)
}

/// The Service that gives each pod a name: `<service>-0.<service>-pods.<namespace>.svc`.
pub(super) fn governing_service(service: &Validated) -> Service {
    let ports: Vec<_> = service.ports.iter().map(|own| service::port(service, own)).collect();
    Service {
        metadata: ObjectMeta { name: Some(governing_name(service)), ..metadata(service) },
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            // Members of a cluster look for each other before they are ready.
            publish_not_ready_addresses: Some(true),
            selector: Some(service.selector.clone()),
            ports: (!ports.is_empty()).then_some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The StatefulSet without its template, which is that of the revision.
pub(super) fn render(service: &Validated, revision: &str, paused: bool, replicas: &Replicas) -> StatefulSet {
    let when_deleted = match service.data_policy {
        DataPolicy::Retain => "Retain",
        DataPolicy::Delete => "Delete",
    };
    let claims: Vec<_> = service.claims.iter().map(claim).collect();
    StatefulSet {
        metadata: ObjectMeta { annotations: Some(annotations(revision, replicas)), ..metadata(service) },
        spec: Some(StatefulSetSpec {
            replicas: replicas.applied(),
            service_name: Some(governing_name(service)),
            selector: LabelSelector {
                match_labels: Some(service.selector.clone()),
                ..LabelSelector::default()
            },
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                // Only pods with a number from the partition on are replaced.
                rolling_update: paused.then_some(RollingUpdateStatefulSetStrategy {
                    partition: Some(MOST_PODS),
                    ..RollingUpdateStatefulSetStrategy::default()
                }),
            }),
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some(when_deleted.to_owned()),
                // A pod that comes back finds its data, whatever a scaler did meanwhile.
                when_scaled: Some("Retain".to_owned()),
            }),
            volume_claim_templates: (!claims.is_empty()).then_some(claims),
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

fn claim(template: &VolumeClaimTemplate) -> PersistentVolumeClaim {
    let mode = match template.access_mode.unwrap_or_default() {
        AccessMode::ReadWriteOnce => "ReadWriteOnce",
        AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
        AccessMode::ReadWriteMany => "ReadWriteMany",
    };
    let storage = Quantity(canonical(&template.storage.0));
    PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some(template.name.clone()), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![mode.to_owned()]),
            storage_class_name: template.storage_class_name.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), storage)].into()),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
