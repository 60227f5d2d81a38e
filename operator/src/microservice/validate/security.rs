//! What the container may do, as its profile and the other fields say.

use flotilla_crds::v1alpha1::{Security, SecurityProfile};

/// The user of the Restricted profile: `nonroot` of the distroless images.
const NON_ROOT_USER: i64 = 65532;

/// What is writable when the root is not.
const DEFAULT_WRITABLE: &str = "/tmp";

/// What a container may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSecurity {
    /// The profile.
    pub profile: SecurityProfile,
    /// The user; that of the image when `None`.
    pub run_as_user: Option<i64>,
    /// Whether the root of the container is read-only.
    pub read_only_root_filesystem: bool,
    /// Folders that are writable and empty at start, sorted.
    pub writable_paths: Vec<String>,
    /// Capabilities that are added, sorted.
    pub add_capabilities: Vec<String>,
}

pub(super) fn resolve(security: Option<&Security>) -> ContainerSecurity {
    let empty = Security::default();
    let written = security.unwrap_or(&empty);
    let profile = written.profile.unwrap_or_default();
    let restricted = profile == SecurityProfile::Restricted;
    let read_only = written.read_only_root_filesystem.unwrap_or(restricted);
    let mut writable_paths = match &written.writable_paths {
        Some(paths) => paths.clone(),
        None if read_only => vec![DEFAULT_WRITABLE.to_owned()],
        None => Vec::new(),
    };
    writable_paths.sort();
    writable_paths.dedup();
    let mut add_capabilities = written.add_capabilities.clone();
    add_capabilities.sort();
    add_capabilities.dedup();
    ContainerSecurity {
        profile,
        run_as_user: written.run_as_user.or(restricted.then_some(NON_ROOT_USER)),
        read_only_root_filesystem: read_only,
        writable_paths,
        add_capabilities,
    }
}
