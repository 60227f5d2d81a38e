//! The Deployment: pods that are spread, that do not know each other, and that are replaced without a gap.

use flotilla_crds::v1alpha1::SecurityProfile;
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            EmptyDirVolumeSource, LocalObjectReference, PodSecurityContext, PodSpec, PodTemplateSpec,
            SeccompProfile, TopologySpreadConstraint, Volume,
        },
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{container, labels, metadata};
use crate::microservice::validate::{Identity, Validated};

/// What pods are spread over, the coarsest first.
const SPREAD_OVER: [&str; 2] = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];

/// Seconds without progress after which a rollout has failed; the default of Kubernetes, written out because
/// `status` depends on it.
const PROGRESS_DEADLINE_SECONDS: i32 = 600;

pub(super) fn render(service: &Validated) -> Deployment {
    Deployment {
        metadata: metadata(service),
        spec: Some(DeploymentSpec {
            replicas: Some(service.replicas),
            selector: LabelSelector {
                match_labels: Some(labels::selector(&service.name)),
                ..LabelSelector::default()
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::String("25%".to_owned())),
                    // A pod goes only when another has taken its place.
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels::all(&service.name)),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(service)),
            },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn pod(service: &Validated) -> PodSpec {
    PodSpec {
        service_account_name: Some(match &service.service_account {
            Identity::Own(_) => service.name.clone(),
            Identity::Existing(name) => name.clone(),
        }),
        automount_service_account_token: Some(service.mount_token),
        // One variable per Service of the namespace slows down every start as the namespace grows.
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(service.termination_grace_period_seconds),
        image_pull_secrets: (!service.image_pull_secrets.is_empty()).then(|| {
            service
                .image_pull_secrets
                .iter()
                .map(|secret| LocalObjectReference { name: secret.name.clone() })
                .collect()
        }),
        security_context: security(service),
        topology_spread_constraints: Some(SPREAD_OVER.iter().map(|key| spread(key, &service.name)).collect()),
        containers: vec![container::render(service)],
        volumes: (!service.security.writable_paths.is_empty())
            .then(|| (0..service.security.writable_paths.len()).map(writable_volume).collect()),
        ..PodSpec::default()
    }
}

fn security(service: &Validated) -> Option<PodSecurityContext> {
    let seccomp = || Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None });
    match service.security.profile {
        SecurityProfile::Restricted => Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: service.security.run_as_user,
            seccomp_profile: seccomp(),
            ..PodSecurityContext::default()
        }),
        SecurityProfile::Baseline => Some(PodSecurityContext {
            run_as_user: service.security.run_as_user,
            seccomp_profile: seccomp(),
            ..PodSecurityContext::default()
        }),
        SecurityProfile::Custom => service
            .security
            .run_as_user
            .map(|user| PodSecurityContext { run_as_user: Some(user), ..PodSecurityContext::default() }),
    }
}

fn spread(topology_key: &str, name: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        topology_key: topology_key.to_owned(),
        max_skew: 1,
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(labels::selector(name)),
            ..LabelSelector::default()
        }),
        // Pods of the version that is going away do not count.
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    }
}

fn writable_volume(index: usize) -> Volume {
    Volume {
        name: container::writable_volume_name(index),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}
