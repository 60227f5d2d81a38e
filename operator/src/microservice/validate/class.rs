//! What the platform team has decided: defaults that a service may overrule, and limits that it may not.

use flotilla_crds::v1alpha1::{
    Capability, GatewayPolicies, MicroserviceClassSpec, MonitorKind, Network, Route, RouteTls,
    SecurityProfile, TlsMode, UrlScheme,
};

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
    /// A service's routes with the gateways, hosts and certificates of the class.
    pub(super) fn routes(&self, routes: &[Route], name: &str, namespace: &str) -> Vec<Route> {
        let gateway = self.spec.gateway.clone().unwrap_or_default();
        let host =
            gateway.domain.map(|domain| domain.replace("{name}", name).replace("{namespace}", namespace));
        let filled = |route: &Route| {
            let mut route = route.clone();
            if route.parent_refs.is_empty() {
                route.parent_refs.clone_from(&gateway.parent_refs);
            }
            if route.hostnames.is_empty() {
                route.hostnames.extend(host.clone());
            }
            if route.tls.as_ref().is_none_or(|tls| tls.mode == TlsMode::Class) {
                let own = gateway.tls.as_ref().and_then(|tls| tls.certificates).unwrap_or(false);
                let mode = if own { TlsMode::Certificate } else { TlsMode::None };
                route.tls = Some(RouteTls { mode, secret_name: None });
            }
            route
        };
        routes.iter().map(filled).collect()
    }

    /// A service's network with what the mesh asks of its callers.
    pub(super) fn network(&self, own: Option<&Network>) -> Network {
        let usual = self.spec.network.as_ref().and_then(|network| network.mtls);
        let own = own.cloned().unwrap_or_default();
        Network { mtls: own.mtls.or(usual), ..own }
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
            Some(minimum) if strictness(profile) < strictness(minimum) => {
                Err(Error::Profile { profile, minimum, class: self.name.clone().unwrap_or_default() })
            }
            _ => Ok(()),
        }
    }

    /// In whose form policies are written.
    pub fn policies(&self) -> Option<GatewayPolicies> {
        self.spec.gateway.as_ref().and_then(|gateway| gateway.policies)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::microservice::{
        render::tests::microservice,
        validate::{Validated, validate},
    };

    fn validated(spec: &str, class: Value) -> Result<Validated, Error> {
        let class = Class { name: Some("usual".into()), spec: serde_json::from_value(class).unwrap() };
        validate(&microservice(&format!("spec: {{image: app, {spec}}}")), &class)
    }

    #[test]
    fn what_a_service_leaves_out_is_that_of_the_class() {
        let class = json!({
            "gateway": {"parentRefs": [{"name": "edge", "namespace": "infra"}], "domain": "{name}.{namespace}.example.com"},
            "resources": {"requests": {"memory": "64Mi"}},
            "rollout": {"progressDeadlineSeconds": 60, "onFailure": "Pause"},
            "observability": {"tracingEndpoint": "http://collector:4317"},
            "network": {"mtls": "Strict"},
        });
        let spec =
            "ports: [{name: http, port: 80}], routes: [{name: a}, {name: b, hostnames: [b.example.org]}],
            rollout: {onFailure: None}, observability: {tracing: {}}";
        let service = validated(spec, class).unwrap();
        assert_eq!(service.routes[0].hostnames, ["orders.shop.example.com"]);
        assert_eq!(service.routes[0].parent_refs[0].name, "edge");
        assert_eq!(service.routes[1].hostnames, ["b.example.org"]);
        assert_eq!(service.resources.limits["memory"], "64Mi");
        assert_eq!(service.rollout.progress_deadline_seconds, Some(60));
        assert_eq!(service.rollout.on_failure, Some(flotilla_crds::v1alpha1::OnFailure::None));
        let endpoint = service.observability.tracing.and_then(|tracing| tracing.endpoint);
        assert_eq!(endpoint.as_deref(), Some("http://collector:4317"));
        assert_eq!(service.network.mtls, Some(flotilla_crds::v1alpha1::MutualTls::Strict));
    }

    #[test]
    fn a_limit_holds_whatever_the_service_says() {
        let class = json!({"security": {"minimumProfile": "Baseline"}});
        assert!(validated("security: {profile: Baseline}", class.clone()).is_ok());
        let error = validated("security: {profile: Custom}", class).unwrap_err();
        assert_eq!(
            error.to_string(),
            "spec.security.profile: class \"usual\" allows nothing less strict than Baseline, and this is Custom"
        );
    }
}
