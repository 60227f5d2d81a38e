//! The fixed list of kinds that the operator writes.

use kube::core::{ApiResource, GroupVersionKind};

/// A kind that the operator writes. The order is that of apply; pruning goes the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1/ServiceAccount`: before the pods that run as it.
    ServiceAccount,
    /// `v1/Service`.
    Service,
    /// `apps/v1/Deployment`: last, when all that it needs is there.
    Deployment,
}

impl Kind {
    /// Every kind, in the order of apply.
    pub const ALL: [Self; 3] = [Self::ServiceAccount, Self::Service, Self::Deployment];

    /// API group; empty for the core group.
    pub fn group(self) -> &'static str {
        match self {
            Self::ServiceAccount | Self::Service => "",
            Self::Deployment => "apps",
        }
    }

    /// The name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
        }
    }

    /// The kind with this group and name, if the operator writes it.
    pub fn find(group: &str, name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.group() == group && kind.name() == name)
    }

    /// `apiVersion` of its objects.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::ServiceAccount | Self::Service => "v1",
            Self::Deployment => "apps/v1",
        }
    }

    /// How the API server serves it.
    pub fn api_resource(self) -> ApiResource {
        let plural = match self {
            Self::ServiceAccount => "serviceaccounts",
            Self::Service => "services",
            Self::Deployment => "deployments",
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(self.group(), "v1", self.name()), plural)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
