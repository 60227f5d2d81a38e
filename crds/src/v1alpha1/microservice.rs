//! The `Microservice` kind: the object that a team writes.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::{
    Autoscaling, Binding, Config, DeletionPolicy, Dependency, Disruption, EnvFromSource, EnvVar, FileSource,
    InitContainer, Lifecycle, LocalObjectReference, MicroserviceStatus, Migration, Network, Observability,
    Overlay, Placement, Policies, Port, Probes, Resources, Rollout, Route, Schedule, Security,
    ServiceAccount, Sidecar, Volume, VolumeMount, Workload,
};

/// The longest name of a `Microservice`: names of children carry it with a suffix, and the shortest limit
/// among them is that of a `CronJob` (52 characters).
pub const NAME_MAX_LENGTH: usize = 52;

/// What to run and how: the desired state of a `Microservice`.
///
/// The operator never writes it, and nothing in it has a default in the schema: what is left out takes the
/// effective value that `status` and the rendered objects show.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "flotilla.dev",
    version = "v1alpha1",
    kind = "Microservice",
    namespaced,
    status = "MicroserviceStatus",
    derive = "PartialEq",
    shortname = "msvc",
    category = "all",
    category = "microservices",
    doc = "A service: write one, get a running, observed and protected workload. Docs: docs/microservice.md",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    selectable = ".spec.suspend",
    selectable = ".spec.className",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Replicas", type_ = "string", json_path = ".status.ready"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Ready\")].message"
    ),
    printcolumn(name = "Class", type_ = "string", priority = 1, json_path = ".spec.className"),
    printcolumn(name = "Strategy", type_ = "string", priority = 1, json_path = ".spec.rollout.strategy"),
    printcolumn(name = "Revision", type_ = "string", priority = 1, json_path = ".status.revisions.current"),
    printcolumn(name = "Suspended", type_ = "boolean", priority = 1, json_path = ".spec.suspend"),
    validation = Rule::new(
        "size(self.metadata.name) <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
    ).message("metadata.name must be at most 52 lower-case letters, digits or '-', start with a letter and end with a letter or digit: the Service and the pods carry it")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "[self.?probes.?readiness.?http.?port, self.?probes.?readiness.?grpc.?port, self.?probes.?readiness.?tcp.?port].all(port, !port.hasValue() || type(port.value()) != string || (has(self.ports) && self.ports.exists(p, p.name == port.value())))"
    ).message("a probe names a port that is not in spec.ports: use the name of one of them, or a number").field_path(".probes.readiness"),
    validation = Rule::new(
        "[self.?probes.?liveness.?http.?port, self.?probes.?liveness.?grpc.?port, self.?probes.?liveness.?tcp.?port].all(port, !port.hasValue() || type(port.value()) != string || (has(self.ports) && self.ports.exists(p, p.name == port.value())))"
    ).message("a probe names a port that is not in spec.ports: use the name of one of them, or a number").field_path(".probes.liveness"),
    validation = Rule::new(
        "[self.?probes.?startup.?http.?port, self.?probes.?startup.?grpc.?port, self.?probes.?startup.?tcp.?port].all(port, !port.hasValue() || type(port.value()) != string || (has(self.ports) && self.ports.exists(p, p.name == port.value())))"
    ).message("a probe names a port that is not in spec.ports: use the name of one of them, or a number").field_path(".probes.startup"),
    validation = Rule::new(
        "(has(self.ports) && size(self.ports) > 0) || !has(self.probes) || !has(self.probes.readiness) || ((!has(self.probes.readiness.http) || has(self.probes.readiness.http.port)) && (!has(self.probes.readiness.grpc) || has(self.probes.readiness.grpc.port)) && (!has(self.probes.readiness.tcp) || has(self.probes.readiness.tcp.port)))"
    ).message("a probe without a port checks the first of spec.ports, and there is none: write the port of the probe, or use exec").field_path(".probes.readiness"),
    validation = Rule::new(
        "(has(self.ports) && size(self.ports) > 0) || !has(self.probes) || !has(self.probes.liveness) || ((!has(self.probes.liveness.http) || has(self.probes.liveness.http.port)) && (!has(self.probes.liveness.grpc) || has(self.probes.liveness.grpc.port)) && (!has(self.probes.liveness.tcp) || has(self.probes.liveness.tcp.port)))"
    ).message("a probe without a port checks the first of spec.ports, and there is none: write the port of the probe, or use exec").field_path(".probes.liveness"),
    validation = Rule::new(
        "(has(self.ports) && size(self.ports) > 0) || !has(self.probes) || !has(self.probes.startup) || ((!has(self.probes.startup.http) || has(self.probes.startup.http.port)) && (!has(self.probes.startup.grpc) || has(self.probes.startup.grpc.port)) && (!has(self.probes.startup.tcp) || has(self.probes.startup.tcp.port)))"
    ).message("a probe without a port checks the first of spec.ports, and there is none: write the port of the probe, or use exec").field_path(".probes.startup"),
    validation = Rule::new("!has(self.routes) || size(self.routes) == 0 || (has(self.ports) && size(self.ports) > 0)").message("a route leads to a port, and there is none: write spec.ports").field_path(".routes"),
    validation = Rule::new("!has(self.policies) || (has(self.routes) && size(self.routes) > 0)").message("policies are for routes, and there is none: write spec.routes, or remove policies").field_path(".policies"),
    validation = Rule::new("!has(self.routes) || self.routes.all(r, !has(r.port) || type(r.port) != string || (has(self.ports) && self.ports.exists(p, p.name == r.port)))").message("a route names a port that is not in spec.ports").field_path(".routes"),
    validation = Rule::new("!has(self.observability) || !has(self.observability.metrics) || has(self.observability.metrics.port) || (has(self.ports) && size(self.ports) > 0)").message("metrics without a port are read from the first of spec.ports, and there is none: write observability.metrics.port").field_path(".observability.metrics"),
    validation = Rule::new("has(self.workload) == has(oldSelf.workload) || (has(self.workload) && (!has(self.workload.kind) || self.workload.kind == 'Deployment')) || (has(oldSelf.workload) && (!has(oldSelf.workload.kind) || oldSelf.workload.kind == 'Deployment'))").message("workload.kind cannot be changed: delete the service and write it anew").field_path(".workload"),
    validation = Rule::new("!has(self.workload) || !has(self.workload.kind) || self.workload.kind == 'Deployment' || !has(self.rollout) || (!has(self.rollout.strategy) && !has(self.rollout.maxSurge) && !has(self.rollout.maxUnavailable))").message("a StatefulSet replaces its pods one after the other: remove rollout.strategy, maxSurge and maxUnavailable").field_path(".rollout"),
    validation = Rule::new("!(has(self.replicas) && has(self.autoscaling))").message("replicas and autoscaling both say how many pods run: remove one of them; bounds are autoscaling.min and autoscaling.max").field_path(".replicas"),
    validation = Rule::new("!has(self.volumeMounts) || self.volumeMounts.all(m, (has(self.volumes) && self.volumes.exists(v, v.name == m.name)) || (has(self.workload) && has(self.workload.volumeClaimTemplates) && self.workload.volumeClaimTemplates.exists(t, t.name == m.name)))").message("a volumeMount names a volume that is neither in spec.volumes nor in spec.workload.volumeClaimTemplates").field_path(".volumeMounts"),
    validation = Rule::new("!has(self.initContainers) || self.initContainers.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, (has(self.volumes) && self.volumes.exists(v, v.name == m.name)) || (has(self.workload) && has(self.workload.volumeClaimTemplates) && self.workload.volumeClaimTemplates.exists(t, t.name == m.name))))").message("a volumeMount of an init container names a volume that is neither in spec.volumes nor in spec.workload.volumeClaimTemplates").field_path(".initContainers"),
    validation = Rule::new("!has(self.sidecars) || self.sidecars.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, (has(self.volumes) && self.volumes.exists(v, v.name == m.name)) || (has(self.workload) && has(self.workload.volumeClaimTemplates) && self.workload.volumeClaimTemplates.exists(t, t.name == m.name))))").message("a volumeMount of a sidecar names a volume that is neither in spec.volumes nor in spec.workload.volumeClaimTemplates").field_path(".sidecars"),
    validation = Rule::new("!has(self.sidecars) || !has(self.initContainers) || self.sidecars.all(s, !self.initContainers.exists(i, i.name == s.name))").message("a sidecar and an init container have the same name: each container of a pod has a name of its own").field_path(".sidecars")
)]
pub struct MicroserviceSpec {
    /// The MicroserviceClass whose defaults and limits it has. Left out: the default class, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,

    /// Image to run, by tag or digest.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-zA-Z0-9._:/@-]*[a-zA-Z0-9])?$') && !self.contains('://')").message("image must be an image reference such as registry.example.com/team/app:1.2.3, with no spaces and no scheme"))]
    pub image: String,

    /// When the image is pulled. Left out: `Always` for the tag `latest` or none, otherwise `IfNotPresent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,

    /// Secrets of type `kubernetes.io/dockerconfigjson` with which the image is pulled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub image_pull_secrets: Vec<LocalObjectReference>,

    /// Entrypoint, not run in a shell. Left out: that of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 4096)), extend("x-kubernetes-list-type" = "atomic"))]
    pub command: Vec<String>,

    /// Arguments of the entrypoint. Left out: those of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), inner(length(max = 4096)), extend("x-kubernetes-list-type" = "atomic"))]
    pub args: Vec<String>,

    /// Ports that the service listens on. Empty: a worker, which gets no Service, no address and no probe of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[x_kube(
        validation = Rule::new("self.all(a, self.exists_one(b, a.port == b.port && (a.?protocol.orValue('TCP') == 'UDP') == (b.?protocol.orValue('TCP') == 'UDP')))").message("two ports have the same number: each port number may be used once for UDP and once for all other protocols"),
        validation = Rule::new("self.all(a, self.exists_one(b, a.?servicePort.orValue(a.port) == b.?servicePort.orValue(b.port) && (a.?protocol.orValue('TCP') == 'UDP') == (b.?protocol.orValue('TCP') == 'UDP')))").message("two ports have the same servicePort: each may be used once for UDP and once for all other protocols")
    )]
    pub ports: Vec<Port>,

    /// Environment variables, in the form that a container has in Kubernetes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Vec<EnvVar>,

    /// ConfigMaps and Secrets whose keys all become environment variables; `env` wins over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub env_from: Vec<EnvFromSource>,

    /// Configuration files, written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Config>,

    /// Folders with files from ConfigMaps, Secrets and claims.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["mountPath"]))]
    pub files: Vec<FileSource>,

    /// Volumes of the pods, for what `files` cannot say or several containers share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volumes: Vec<Volume>,

    /// Where the container that runs the image has volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["mountPath"]))]
    pub volume_mounts: Vec<VolumeMount>,

    /// Containers that run to their end, one after the other, before the service starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub init_containers: Vec<InitContainer>,

    /// Containers that start before the service, run beside it and end after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub sidecars: Vec<Sidecar>,

    /// What kind of workload runs the pods. Left out: a Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,

    /// What stays when the service is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// How many pods to run. Left out: 1. `kubectl scale` writes it; with `autoscaling` it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub replicas: Option<i32>,

    /// How many pods run as the load changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

    /// How many pods may be missing while nodes are drained. Left out: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption: Option<Disruption>,

    /// On which nodes pods run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,

    /// How a new version takes the place of the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,

    /// Health checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,

    /// CPU, memory and other resources of one pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// How a pod ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,

    /// What the container may do on its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,

    /// The identity of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccount>,

    /// Ways in from outside, through gateways. Left out: it is reached inside the cluster only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub routes: Vec<Route>,

    /// What gateways ask of those who call the routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Policies>,

    /// Programs that must succeed before a new version runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub migrations: Vec<Migration>,

    /// Programs that run by the clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub schedules: Vec<Schedule>,

    /// Secrets with the credentials of what the service uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub bindings: Vec<Binding>,

    /// What is measured and traced, and when somebody is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observability: Option<Observability>,

    /// What the service calls. Each gives it an address and opens the way on both sides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub depends_on: Vec<Dependency>,

    /// Who else may call the service, and whom else it may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,

    /// Changes to the objects that the operator makes, for what no other field can say. The last resort.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub overlays: Vec<Overlay>,

    /// Stop writing anything for this service: what runs goes on running as it is. Reported as a condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// When the image is pulled.
#[derive(Serialize, Deserialize, schemars::JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImagePullPolicy {
    /// At every start of a container.
    Always,
    /// When the node does not have it.
    IfNotPresent,
    /// Never: the node must have it.
    Never,
}
