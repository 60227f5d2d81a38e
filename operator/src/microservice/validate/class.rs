//! What the platform team has decided: defaults that a service may overrule, and limits that it may not.

use flotilla_crds::v1alpha1::{Capability, MicroserviceClassSpec, MonitorKind, Route, SecurityProfile, UrlScheme};

use super::Error;

/// The class of a service, with what is built in where the class says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Class {
    /// Its name; `None` for what is built in.
    pub name: Option<String>,
    /// What it says.
    pub spec: MicroserviceClassSpec,
}

impl Class {
    /// A service's routes with the gateways and hosts of the class.
    pub(super) fn routes(&self, routes: &[Route], name: &str, namespace: &str) -> Vec<Route> {
        let gateway = self.spec.gateway.clone().unwrap_or_default();
        let host = gateway.domain.map(|domain| {
            domain.replace("{name}", name).replace("{namespace}", namespace)
        });
        let filled = |route: &Route| {
            let mut route = route.clone();
            if route.parent_refs.is_empty() {
                route.parent_refs.clone_from(&gateway.parent_refs);
            }
            if route.hostnames.is_empty() {
                route.hostnames.extend(host.clone());
            }
            route
        };
        routes.iter().map(filled).collect()
    }

    /// Fails when a profile is less strict than the class allows.
    pub(super) fn check_profile(&self, profile: SecurityProfile) -> Result<(), Error> {
        let minimum = self.spec.security.as_ref().and_then(|security| security.minimum_profile);
        let strictness = |profile: SecurityProfile| match profile {
            SecurityProfile::Restricted => 2,
            SecurityProfile::Baseline => 1,
            SecurityProfile::Custom => 0,
        };
        match minimum {
            Some(minimum) if strictness(profile) < strictness(minimum) => Err(Error::Profile {
                profile,
                minimum,
                class: self.name.clone().unwrap_or_default(),
            }),
            _ => Ok(()),
        }
    }

    /// What Prometheus is told with.
    pub fn monitor(&self) -> MonitorKind {
        self.spec.observability.as_ref().and_then(|block| block.monitor).unwrap_or_default()
    }

    /// Whether a service is Ready although the cluster does not have this.
    pub fn is_optional(&self, capability: Capability) -> bool {
        self.spec.optional_capabilities.contains(&capability)
    }

    /// What the gateways speak.
    pub fn scheme(&self) -> &'static str {
        match self.spec.gateway.as_ref().and_then(|gateway| gateway.scheme).unwrap_or_default() {
            UrlScheme::Http => "http",
            UrlScheme::Https => "https",
        }
    }
}
