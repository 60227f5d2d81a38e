//! The template of the pods: they are spread, do not know each other, and have no more rights than they need.

use std::collections::BTreeMap;

use flotilla_crds::v1alpha1::{Placement, SecurityProfile, TopologySpread};
use k8s_openapi::{
    api::core::v1::{
        Affinity, LocalObjectReference, NodeAffinity, NodeSelector, NodeSelectorRequirement,
        NodeSelectorTerm, PodSecurityContext, PodSpec, PodTemplateSpec, SeccompProfile,
        TopologySpreadConstraint,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};

use super::{Error, container, core_shape, labels, volume};
use crate::{
    cluster::REFERENCES_ANNOTATION,
    microservice::{
        dereference::Observed,
        validate::{ContainerResources, Identity, Validated},
    },
};

/// What pods are spread over, the coarsest first.
const SPREAD_OVER: [&str; 2] = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];

/// The template; `references` is the hash of what the pods refer to, if that shall replace them when it changes.
pub(super) fn template(
    service: &Validated,
    observed: &Observed,
    references: Option<String>,
) -> Result<PodTemplateSpec, Error> {
    let annotations = references.map(|hash| BTreeMap::from([(REFERENCES_ANNOTATION.to_owned(), hash)]));
    Ok(PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels::all(&service.name).into_iter().chain(service.selector.clone()).collect()),
            annotations,
            ..ObjectMeta::default()
        }),
        spec: Some(spec(service, observed)?),
    })
}

/// What a job runs in place of the service.
pub(super) struct Program<'p> {
    /// Entrypoint; that of the image when empty.
    pub(super) command: &'p [String],
    /// Arguments.
    pub(super) args: &'p [String],
    /// Resources.
    pub(super) resources: &'p ContainerResources,
}

/// A pod of a job: as one of the service, with another program, which is not started again in it.
pub(super) fn of_job(
    service: &Validated,
    observed: &Observed,
    program: &Program<'_>,
) -> Result<PodSpec, Error> {
    Ok(PodSpec {
        restart_policy: Some("Never".to_owned()),
        containers: vec![container::job(service, &observed.peers, program)?],
        topology_spread_constraints: None,
        ..spec(service, observed)?
    })
}

fn spec(service: &Validated, observed: &Observed) -> Result<PodSpec, Error> {
    let placement = &service.placement;
    let volumes = volume::volumes(service)?;
    let tolerations: Vec<_> = placement.tolerations.iter().map(core_shape).collect::<Result<_, _>>()?;
    let init = container::before(service)?;
    Ok(PodSpec {
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
        node_selector: (!placement.node_selector.is_empty()).then(|| placement.node_selector.clone()),
        affinity: affinity(placement),
        tolerations: (!tolerations.is_empty()).then_some(tolerations),
        priority_class_name: placement.priority_class_name.clone(),
        topology_spread_constraints: spread(placement, &service.selector),
        init_containers: (!init.is_empty()).then_some(init),
        containers: vec![container::main(service, &observed.peers)?],
        volumes: (!volumes.is_empty()).then_some(volumes),
        ..PodSpec::default()
    })
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

/// Only nodes whose processor the image has been built for.
fn affinity(placement: &Placement) -> Option<Affinity> {
    if placement.architectures.is_empty() {
        return None;
    }
    let mut architectures = placement.architectures.clone();
    architectures.sort();
    let requirement = NodeSelectorRequirement {
        key: "kubernetes.io/arch".to_owned(),
        operator: "In".to_owned(),
        values: Some(architectures),
    };
    let term = NodeSelectorTerm { match_expressions: Some(vec![requirement]), match_fields: None };
    Some(Affinity {
        node_affinity: Some(NodeAffinity {
            required_during_scheduling_ignored_during_execution: Some(NodeSelector {
                node_selector_terms: vec![term],
            }),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    })
}

fn spread(
    placement: &Placement,
    selector: &BTreeMap<String, String>,
) -> Option<Vec<TopologySpreadConstraint>> {
    let when_unsatisfiable = match placement.topology_spread.unwrap_or_default() {
        TopologySpread::Default => "ScheduleAnyway",
        TopologySpread::Strict => "DoNotSchedule",
        TopologySpread::None => return None,
    };
    let constraint = |topology_key: &&str| TopologySpreadConstraint {
        topology_key: (*topology_key).to_owned(),
        max_skew: 1,
        when_unsatisfiable: when_unsatisfiable.to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(selector.clone()),
            ..LabelSelector::default()
        }),
        // Pods of the version that is going away do not count.
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    };
    Some(SPREAD_OVER.iter().map(constraint).collect())
}
