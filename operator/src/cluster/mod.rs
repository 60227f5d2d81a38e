//! The edge to the API server: a metered client, caches fed by watches, and the only writer.

pub mod cache;
pub mod capability;
pub mod client;
pub mod drift;
pub mod events;
pub mod kind;
pub mod optional;
pub mod ownership;
pub mod pack;
pub mod unread;
pub mod writer;

/// The field manager of everything that the operator applies.
pub const FIELD_MANAGER: &str = "flotilla";

/// The value of `app.kubernetes.io/managed-by` on everything that the operator makes.
pub const MANAGED_BY: &str = "flotilla";

/// The label that carries the name of the `Microservice` on its children and its pods.
pub const MICROSERVICE_LABEL: &str = "flotilla.dev/microservice";

/// The label that carries the name of the `Microservice` on every pod of it, those of its jobs too.
pub const PART_OF_LABEL: &str = "flotilla.dev/part-of";

/// The annotation of a workload that names the revision which it runs.
pub const REVISION_ANNOTATION: &str = "flotilla.dev/revision";

/// The annotation of a workload whose `replicas` are, or were, an autoscaler's.
pub const AUTOSCALED_ANNOTATION: &str = "flotilla.dev/autoscaled";

/// The annotation by which an object of others may be taken over: the name of the `Microservice` that may.
pub const ADOPT_ANNOTATION: &str = "flotilla.dev/adopt";

/// The annotation of a workload that was taken over: the revision that `spec` asked for then. While it asks for that,
/// the pods stay as they were found.
pub const ADOPTED_ANNOTATION: &str = "flotilla.dev/adopted";

/// The annotation of pods with the hash of the ConfigMaps and Secrets that they refer to.
pub const REFERENCES_ANNOTATION: &str = "flotilla.dev/references";
