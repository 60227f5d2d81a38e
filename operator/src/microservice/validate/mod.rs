//! Step 2: what a `Microservice` means, with every default made explicit. Pure.
//!
//! The API server has checked the object against the schema and its CEL rules when it was written. What is
//! left are objects from before a rule existed, and what the schema cannot say. `Validated` is the only input of
//! `render`.

mod binding;
mod class;
mod extra;
mod job;
mod overlay;
mod probes;
mod quantity;
mod references;
mod resources;
mod scale;
mod security;

use std::collections::BTreeMap;

use flotilla_crds::v1alpha1::{
    DataPolicy, EnvFromSource, EnvVar, FileSource, ImagePullPolicy, Lifecycle, LocalObjectReference,
    Microservice, MicroserviceSpec, Network, Observability, Overlay, Placement, Policies, Port, Rollout,
    Route, SecurityProfile, Volume, VolumeClaimTemplate, VolumeMount, WorkloadKind,
};
use kube::ResourceExt;

use super::render::selector;
use crate::cluster::kind::Kind;

pub use self::{
    binding::{CredentialSource, Credentials, source as credential_source},
    class::Class,
    extra::ExtraContainer,
    job::{MigrationJob, ScheduledJob},
    overlay::kind as overlay_kind,
    probes::{Check, ProbeSet, TimedCheck},
    quantity::{CanonicalQuantity, QuantityError},
    references::{Mention, Reference, mentions, references, replaces_pods},
    resources::ContainerResources,
    scale::{Budget, Scale},
    security::ContainerSecurity,
};

/// What is wrong with a `Microservice`. Each message names the field and says what to do.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The object was not read from an API server.
    #[error("metadata.{0} is missing: only objects that an API server has stored can be reconciled")]
    NotStored(&'static str),
    /// A probe refers to a port that does not exist.
    #[error(
        "spec.probes.{probe}: there is no port {port:?} in spec.ports; use the name of one of them, or a number"
    )]
    UnknownPort {
        /// The probe.
        probe: &'static str,
        /// The port that it names.
        port: String,
    },
    /// A probe needs a port and none is left to choose.
    #[error(
        "spec.probes.{probe}: spec.ports has no port that can be checked; write the port of the probe, or use exec"
    )]
    NoPort {
        /// The probe.
        probe: &'static str,
    },
    /// A probe has not exactly one handler.
    #[error("spec.probes.{probe}: write exactly one of http, grpc, tcp and exec, or disabled: true")]
    Handler {
        /// The probe.
        probe: &'static str,
    },
    /// A startup probe without a handler has nothing to borrow one from.
    #[error(
        "spec.probes.startup: there is no liveness or readiness check to take over; write one of http, grpc, tcp and exec"
    )]
    NothingToStart,
    /// A quantity cannot be read.
    #[error("spec.resources.{list}.{name}: {source}")]
    Quantity {
        /// `requests` or `limits`.
        list: &'static str,
        /// Name of the resource.
        name: String,
        /// What is wrong with it.
        source: QuantityError,
    },
    /// A request is above its limit.
    #[error(
        "spec.resources.requests.{name} ({request}) is more than its limit ({limit}): lower the request or raise the limit"
    )]
    RequestAboveLimit {
        /// Name of the resource.
        name: String,
        /// The request.
        request: String,
        /// The limit.
        limit: String,
    },
    /// The class that is named does not exist.
    #[error("spec.className: there is no MicroserviceClass {wanted:?}; there are: {known}")]
    UnknownClass {
        /// What is wanted.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// Classes are not watched.
    #[error(
        "spec.className: this operator works in some namespaces only and may not read MicroserviceClass objects, which belong to the cluster: remove spec.className"
    )]
    NoClasses,
    /// The profile is less strict than the class allows.
    #[error(
        "spec.security.profile: class {class:?} allows nothing less strict than {minimum:?}, and this is {profile:?}"
    )]
    Profile {
        /// The profile.
        profile: SecurityProfile,
        /// The least strict one.
        minimum: SecurityProfile,
        /// The class.
        class: String,
    },
    /// Two containers of the pod have one name.
    #[error(
        "two containers are named {0:?}: the one that runs the image is named like the service; give each sidecar and init container a name of its own"
    )]
    ContainerName(String),
    /// An overlay changes what it may not.
    #[error("spec.overlays[{index}].patch.{path}: {why}")]
    Overlay {
        /// Which one.
        index: usize,
        /// The field.
        path: String,
        /// Why not, and what to do.
        why: String,
    },
    /// The drain takes longer than the pod lives.
    #[error(
        "spec.lifecycle: drainSeconds ({drain}) must be less than terminationGracePeriodSeconds ({grace})"
    )]
    Drain {
        /// Seconds of drain.
        drain: i64,
        /// Seconds of grace.
        grace: i64,
    },
}

/// A `Microservice` with every default made explicit and every reference resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Name of the service and of its children.
    pub name: String,
    /// Namespace of the service and of its children.
    pub namespace: String,
    /// UID of the object, for owner references.
    pub uid: String,
    /// The class, or what is built in.
    pub class: Class,
    /// Image.
    pub image: String,
    /// Pull policy; left to Kubernetes when not written.
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Pull secrets.
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Entrypoint; that of the image when empty.
    pub command: Vec<String>,
    /// Arguments; those of the image when empty.
    pub args: Vec<String>,
    /// Ports; empty for a worker.
    pub ports: Vec<Port>,
    /// Environment.
    pub env: Vec<EnvVar>,
    /// Environment from whole objects.
    pub env_from: Vec<EnvFromSource>,
    /// Inline configuration.
    pub config: Option<InlineConfig>,
    /// Folders with files from other objects.
    pub files: Vec<FileSource>,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Where the container that runs the image has volumes.
    pub volume_mounts: Vec<VolumeMount>,
    /// Containers that run before the others.
    pub init_containers: Vec<ExtraContainer>,
    /// Containers that run beside the one that runs the image.
    pub sidecars: Vec<ExtraContainer>,
    /// Credentials.
    pub bindings: Vec<Credentials>,
    /// Ways in from outside.
    pub routes: Vec<Route>,
    /// What gateways ask of callers.
    pub policies: Policies,
    /// Jobs that must succeed before a version runs.
    pub migrations: Vec<MigrationJob>,
    /// Jobs that run by the clock.
    pub schedules: Vec<ScheduledJob>,
    /// What is measured and traced.
    pub observability: Observability,
    /// What selects its pods.
    pub selector: BTreeMap<String, String>,
    /// The kind of its workload.
    pub workload: Kind,
    /// Volumes of their own for the pods of a StatefulSet.
    pub claims: Vec<VolumeClaimTemplate>,
    /// What becomes of those when the service is deleted.
    pub data_policy: DataPolicy,
    /// Who says how many pods run.
    pub scale: Scale,
    /// How many pods may be missing.
    pub budget: Budget,
    /// Who else may call it, and whom else it may call.
    pub network: Network,
    /// On which nodes pods run.
    pub placement: Placement,
    /// How a new version takes the place of the old one.
    pub rollout: Rollout,
    /// Health checks.
    pub probes: ProbeSet,
    /// Resources.
    pub resources: ContainerResources,
    /// Seconds between the removal from the endpoints and SIGTERM.
    pub drain_seconds: i64,
    /// Seconds until a pod is killed.
    pub termination_grace_period_seconds: i64,
    /// Changes to rendered objects.
    pub overlays: Vec<Overlay>,
    /// What the container may do.
    pub security: ContainerSecurity,
    /// The identity of the pods.
    pub service_account: Identity,
    /// Whether the token is mounted.
    pub mount_token: bool,
}

/// Configuration files that are written in the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlineConfig {
    /// The files, by name.
    pub data: BTreeMap<String, String>,
    /// The folder that has them.
    pub mount_path: String,
}

/// The identity of the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A ServiceAccount of their own, with these annotations.
    Own(BTreeMap<String, String>),
    /// An existing ServiceAccount.
    Existing(String),
}

/// Checks a `Microservice` and makes its defaults explicit: those of the class, then those that are built in.
pub fn validate(microservice: &Microservice, class: &Class) -> Result<Validated, Error> {
    let spec = &microservice.spec;
    let metadata = &microservice.metadata;
    let account = spec.service_account.clone().unwrap_or_default();
    let (drain_seconds, termination_grace_period_seconds) = lifecycle(spec.lifecycle.as_ref(), &spec.ports)?;
    let name = microservice.name_any();
    let namespace = metadata.namespace.clone().ok_or(Error::NotStored("namespace"))?;
    let security = security::resolve(spec.security.as_ref());
    class.check_profile(security.profile)?;
    let own_resources = spec.resources.as_ref().or(class.spec.resources.as_ref());
    let mut observability = spec.observability.clone().unwrap_or_default();
    if let Some(tracing) = &mut observability.tracing {
        let default = class.spec.observability.as_ref().and_then(|block| block.tracing_endpoint.clone());
        tracing.endpoint = tracing.endpoint.take().or(default);
    }
    let rollout = spec.rollout.clone().unwrap_or_default();
    let (init_containers, sidecars) = (extra::init(spec)?, extra::sidecars(spec)?);
    extra::refuse_same_names(&name, &[&init_containers, &sidecars])?;
    Ok(Validated {
        routes: class.routes(&spec.routes, &name, &namespace),
        policies: spec.policies.clone().unwrap_or_default(),
        name,
        namespace,
        class: class.clone(),
        uid: metadata.uid.clone().ok_or(Error::NotStored("uid"))?,
        image: spec.image.clone(),
        image_pull_policy: spec.image_pull_policy,
        image_pull_secrets: spec.image_pull_secrets.clone(),
        command: spec.command.clone(),
        args: spec.args.clone(),
        ports: spec.ports.clone(),
        env: spec.env.clone(),
        env_from: spec.env_from.clone(),
        config: spec.config.as_ref().and_then(|config| {
            let mount_path = config.mount_path.clone().filter(|_| !config.data.is_empty())?;
            Some(InlineConfig { data: config.data.clone(), mount_path })
        }),
        files: spec.files.clone(),
        volumes: spec.volumes.clone(),
        volume_mounts: spec.volume_mounts.clone(),
        init_containers,
        sidecars,
        bindings: binding::resolve(&spec.bindings),
        migrations: job::migrations(spec, own_resources)?,
        schedules: job::schedules(spec, own_resources)?,
        observability,
        selector: selector(&microservice.name_any()),
        workload: workload_kind(spec),
        claims: spec
            .workload
            .as_ref()
            .map(|workload| workload.volume_claim_templates.clone())
            .unwrap_or_default(),
        data_policy: spec.deletion_policy.as_ref().and_then(|policy| policy.data).unwrap_or_default(),
        scale: scale::resolve(spec),
        budget: scale::budget(spec.disruption.as_ref()),
        network: class.network(spec.network.as_ref()),
        placement: spec.placement.clone().unwrap_or_default(),
        rollout: class
            .spec
            .rollout
            .as_ref()
            .map_or_else(|| rollout.clone(), |block| block.fill(rollout.clone())),
        probes: probes::resolve(spec.probes.as_ref(), &spec.ports)?,
        resources: resources::resolve(own_resources)?,
        overlays: overlay::check(&spec.overlays, security.profile)?,
        drain_seconds,
        termination_grace_period_seconds,
        security,
        service_account: account.name.map_or(Identity::Own(account.annotations), Identity::Existing),
        mount_token: account.mount_token.unwrap_or(false),
    })
}

/// The kind of workload that `spec` asks for.
pub fn workload_kind(spec: &MicroserviceSpec) -> Kind {
    match spec.workload.as_ref().and_then(|workload| workload.kind).unwrap_or_default() {
        WorkloadKind::Deployment => Kind::Deployment,
        WorkloadKind::StatefulSet => Kind::StatefulSet,
    }
}

fn lifecycle(lifecycle: Option<&Lifecycle>, ports: &[Port]) -> Result<(i64, i64), Error> {
    let written = lifecycle.and_then(|lifecycle| lifecycle.drain_seconds);
    let grace = lifecycle
        .and_then(|lifecycle| lifecycle.termination_grace_period_seconds)
        .unwrap_or(Lifecycle::DEFAULT_GRACE_SECONDS);
    // Nobody sends requests to a worker, so there is nothing to wait for unless it is asked for.
    let default = if ports.is_empty() { 0 } else { Lifecycle::DEFAULT_DRAIN_SECONDS };
    let drain = written.unwrap_or(default);
    if drain < grace { Ok((drain, grace)) } else { Err(Error::Drain { drain, grace }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microservice::render::tests::microservice;

    #[test]
    fn defaults_are_explicit() {
        let validated = validate(
            &microservice("spec: {image: app:1, ports: [{name: http, port: 80}]}"),
            &Class::default(),
        )
        .unwrap();
        assert_eq!(validated.scale, Scale::Unwritten);
        assert_eq!((validated.drain_seconds, validated.termination_grace_period_seconds), (5, 30));
        assert_eq!(validated.service_account, Identity::Own(BTreeMap::new()));
        assert!(!validated.mount_token);
    }

    #[test]
    fn a_worker_does_not_drain_unless_asked() {
        assert_eq!(
            validate(&microservice("spec: {image: app:1}"), &Class::default()).unwrap().drain_seconds,
            0
        );
        let asked = microservice("spec: {image: app:1, lifecycle: {drainSeconds: 3}}");
        assert_eq!(validate(&asked, &Class::default()).unwrap().drain_seconds, 3);
    }

    #[test]
    fn a_drain_that_outlives_the_pod_is_refused() {
        let short = microservice(
            "spec: {image: app:1, ports: [{name: http, port: 80}], lifecycle: {terminationGracePeriodSeconds: 5}}",
        );
        assert_eq!(validate(&short, &Class::default()), Err(Error::Drain { drain: 5, grace: 5 }));
    }
}
