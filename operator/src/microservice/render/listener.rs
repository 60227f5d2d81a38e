//! The certificates of routes: a `ListenerSet` (GEP-1713) that serves one beside the listeners of a gateway, and a
//! `Certificate` of cert-manager that has it issued.

use flotilla_crds::v1alpha1::{ParentReference, Route, TlsMode};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::{Object, Unmet, metadata};
use crate::{
    cluster::kind::Kind,
    microservice::{dereference::Observed, validate::Validated},
};

/// The port of HTTPS, where the parent names none.
const HTTPS: i32 = 443;

/// What a route is attached to.
#[derive(Default)]
pub(super) struct Attachment {
    /// What has to be there for it.
    pub(super) objects: Vec<Object>,
    /// Gateways, or listeners of its own.
    pub(super) parent_refs: Vec<ParentReference>,
}

/// Attaches a route to its gateways: directly, or by listeners of its own that have its certificate.
pub(super) fn attach(
    service: &Validated,
    observed: &Observed,
    route: &Route,
    field: &str,
) -> Result<Attachment, Unmet> {
    let tls = route.tls.clone().unwrap_or_default();
    let mut attachment = Attachment::default();
    let secret = match tls.mode {
        TlsMode::Class | TlsMode::None => {
            attachment.parent_refs.clone_from(&route.parent_refs);
            return Ok(attachment);
        }
        TlsMode::Secret => tls.secret_name.unwrap_or_default(),
        TlsMode::Certificate => format!("{}-{}-tls", service.name, route.name),
    };
    let served = |kind: Kind, what: &str, advice: &str| {
        if observed.unserved.contains(&kind) {
            return Err(Unmet::missing_kind(service, kind, &format!("{field}.tls{what}"), advice));
        }
        Ok(())
    };
    served(Kind::ListenerSet, "", "install the Gateway API, v1.5 or newer")?;
    if route.hostnames.is_empty() {
        return Err(Unmet {
            is_fatal: true,
            reason: "NoHostname",
            message: format!(
                "{field}.tls: a certificate is for hosts: write hostnames, or let the class have a domain"
            ),
        });
    }
    if tls.mode == TlsMode::Certificate {
        served(Kind::Certificate, ".mode Certificate", "install cert-manager")?;
        attachment.objects.push(certificate(service, route, &secret, field)?);
    }
    for (index, parent) in route.parent_refs.iter().enumerate() {
        let mut name = format!("{}-{}", service.name, route.name);
        if index > 0 {
            name = format!("{name}-{index}");
        }
        attachment.parent_refs.push(ParentReference {
            group: Some(Kind::ListenerSet.group().to_owned()),
            kind: Some(Kind::ListenerSet.name().to_owned()),
            name: name.clone(),
            ..ParentReference::default()
        });
        attachment.objects.push(listener_set(service, route, parent, name, &secret));
    }
    Ok(attachment)
}

fn listener_set(
    service: &Validated,
    route: &Route,
    parent: &ParentReference,
    name: String,
    secret: &str,
) -> Object {
    let kind = Kind::ListenerSet;
    let listeners = route.hostnames.iter().enumerate().map(|(index, host)| {
        json!({
            "name": format!("https-{index}"),
            "hostname": host,
            "port": parent.port.unwrap_or(HTTPS),
            "protocol": "HTTPS",
            "tls": {"mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": secret}]},
            // Nobody else may use the certificate.
            "allowedRoutes": {"namespaces": {"from": "Same"}},
        })
    });
    let gateway = ParentReference { section_name: None, port: None, ..parent.clone() };
    let manifest = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "metadata": ObjectMeta { name: Some(name.clone()), ..metadata(service) },
        "spec": {"parentRef": gateway, "listeners": listeners.collect::<Vec<Value>>()},
    });
    Object { kind, name, manifest, first_replicas: None }
}

fn certificate(service: &Validated, route: &Route, secret: &str, field: &str) -> Result<Object, Unmet> {
    let kind = Kind::Certificate;
    let gateway = service.class.spec.gateway.as_ref();
    let Some(issuer) = gateway.and_then(|gateway| Some(&gateway.tls.as_ref()?.issuer_ref)) else {
        return Err(Unmet {
            is_fatal: true,
            reason: "NoIssuer",
            message: format!(
                "{field}.tls.mode Certificate: the class names no issuer in gateway.tls.issuerRef: have it named, or write mode: Secret"
            ),
        });
    };
    let name = format!("{}-{}", service.name, route.name);
    let manifest = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "metadata": ObjectMeta { name: Some(name.clone()), ..metadata(service) },
        "spec": {
            "secretName": secret,
            "dnsNames": route.hostnames,
            "issuerRef": {
                "name": issuer.name,
                "kind": issuer.kind.as_deref().unwrap_or("ClusterIssuer"),
                "group": issuer.group.as_deref().unwrap_or("cert-manager.io"),
            },
        },
    });
    Ok(Object { kind, name, manifest, first_replicas: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microservice::{
        render::{Rendered, render, tests::microservice},
        validate::{Class, validate},
    };

    fn rendered(route: &str, class: Value) -> Rendered {
        let spec = format!("spec: {{image: app, ports: [{{name: http, port: 80}}], routes: [{route}]}}");
        let class = Class { name: Some("usual".into()), spec: serde_json::from_value(class).unwrap() };
        render(&validate(&microservice(&spec), &class).unwrap(), &Observed::default()).unwrap()
    }

    fn spec(rendered: &Rendered, kind: Kind) -> Value {
        rendered.objects.iter().find(|object| object.kind == kind).unwrap().manifest["spec"].clone()
    }

    const ROUTE: &str = "name: a, hostnames: [a.example.com], parentRefs: [{name: edge, namespace: infra, sectionName: http}]";

    #[test]
    fn a_class_with_certificates_gives_each_route_its_own() {
        let class = json!({"gateway": {"tls": {"certificates": true, "issuerRef": {"name": "acme"}}}});
        let service = rendered(&format!("{{{ROUTE}}}"), class.clone());
        assert_eq!(service.unmet, []);
        let parents = &spec(&service, Kind::HttpRoute)["parentRefs"];
        let own = json!([{"group": "gateway.networking.k8s.io", "kind": "ListenerSet", "name": "orders-a"}]);
        assert_eq!(*parents, own);
        let set = spec(&service, Kind::ListenerSet);
        assert_eq!(set["parentRef"], json!({"name": "edge", "namespace": "infra"}));
        assert_eq!(set["listeners"][0]["tls"]["certificateRefs"][0]["name"], "orders-a-tls");
        assert_eq!(spec(&service, Kind::Certificate)["issuerRef"]["name"], "acme");
        let plain = rendered(&format!("{{{ROUTE}, tls: {{mode: None}}}}"), class);
        assert!(plain.objects.iter().all(|object| object.kind != Kind::ListenerSet));
    }

    #[test]
    fn a_secret_needs_nobody_who_issues() {
        let service = rendered(&format!("{{{ROUTE}, tls: {{mode: Secret, secretName: mine}}}}"), json!({}));
        assert_eq!(
            spec(&service, Kind::ListenerSet)["listeners"][0]["tls"]["certificateRefs"][0]["name"],
            "mine"
        );
        assert!(service.objects.iter().all(|object| object.kind != Kind::Certificate));
    }

    #[test]
    fn what_is_missing_is_named() {
        let no_issuer = rendered(&format!("{{{ROUTE}, tls: {{mode: Certificate}}}}"), json!({}));
        assert_eq!(no_issuer.unmet[0].reason, "NoIssuer");
        let no_host =
            rendered("{name: a, parentRefs: [{name: edge}], tls: {mode: Secret, secretName: s}}", json!({}));
        assert_eq!(no_host.unmet[0].reason, "NoHostname");
    }
}
