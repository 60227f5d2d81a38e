//! `HTTPRoute` and `GRPCRoute`: the user's rules as they are, with the service as their backend.

use flotilla_crds::v1alpha1::{Port, Protocol, Route, RouteFilterType, RouteKind};
use k8s_openapi::apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Error, Object, Unmet, listener, metadata};
use crate::{
    cluster::kind::Kind,
    microservice::{dereference::Observed, validate::Validated},
};

/// Every route that can be made, and what stands in the way of the others.
pub(super) fn render(service: &Validated, observed: &Observed) -> Result<(Vec<Object>, Vec<Unmet>), Error> {
    let (mut objects, mut unmet) = (Vec::new(), Vec::new());
    for route in &service.routes {
        match one(service, observed, route)? {
            Ok(made) => objects.extend(made),
            Err(why) => unmet.push(why),
        }
    }
    // In the order of kinds, as all objects are applied.
    objects.sort_by_key(|object| object.kind);
    Ok((objects, unmet))
}

/// The route and what it needs of its own.
fn one(service: &Validated, observed: &Observed, route: &Route) -> Result<Result<Vec<Object>, Unmet>, Error> {
    let field = format!("spec.routes[{}]", route.name);
    let Some(port) = find_port(&service.ports, route.port.as_ref()) else {
        let known: Vec<_> = service.ports.iter().map(|port| &*port.name).collect();
        return Ok(Err(Unmet {
            is_fatal: true,
            reason: "NoPort",
            message: format!("{field}: its port is not in spec.ports, which has: {}", known.join(", ")),
        }));
    };
    let kind = match route.kind {
        Some(RouteKind::Grpc) => Kind::GrpcRoute,
        None if !route.grpc_rules.is_empty() => Kind::GrpcRoute,
        None if route.rules.is_empty() && port.protocol() == Protocol::Grpc => Kind::GrpcRoute,
        Some(RouteKind::Http) | None => Kind::HttpRoute,
    };
    if observed.unserved.contains(&kind) {
        return Ok(Err(Unmet::missing_kind(service, kind, &field, "install the Gateway API")));
    }
    if route.parent_refs.is_empty() {
        return Ok(Err(Unmet {
            is_fatal: true,
            reason: "NoGateway",
            message: format!(
                "{field}: there is no gateway to attach to: write parentRefs, or let the class have them"
            ),
        }));
    }
    if let Some(rival) = observed.rivals.iter().find(|rival| rival.route == route.name && rival.comes_first) {
        let (namespace, name) = &rival.other;
        return Ok(Err(Unmet {
            is_fatal: true,
            reason: "RouteConflict",
            message: format!(
                "{field}: {} belongs to the Microservice {namespace}/{name}, which was there first: choose another host or path",
                rival.what
            ),
        }));
    }
    let attachment = match listener::attach(service, observed, route, &field) {
        Ok(attachment) => attachment,
        Err(why) => return Ok(Err(why)),
    };
    let rules = match kind {
        Kind::GrpcRoute => rules(service, port, &route.grpc_rules, |_| false)?,
        _ => rules(service, port, &route.rules, |rule| {
            rule.filters.iter().any(|filter| filter.type_ == RouteFilterType::RequestRedirect)
        })?,
    };
    let name = format!("{}-{}", service.name, route.name);
    let metadata = ObjectMeta { name: Some(name.clone()), ..metadata(service) };
    let mut manifest = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "metadata": metadata,
        "spec": {"parentRefs": attachment.parent_refs, "rules": rules},
    });
    if !route.hostnames.is_empty() {
        manifest["spec"]["hostnames"] = json!(route.hostnames);
    }
    let mut objects = attachment.objects;
    objects.push(Object { kind, name, manifest, first_replicas: None });
    Ok(Ok(objects))
}

/// The rules with the backend; one for everything when none is written. A redirect has no backend: the Gateway API
/// allows none beside it.
fn rules<R: Serialize>(
    service: &Validated,
    port: &Port,
    written: &[R],
    is_redirect: impl Fn(&R) -> bool,
) -> Result<Vec<Value>, Error> {
    let backend = json!([{"name": service.name, "port": port.service_port()}]);
    if written.is_empty() {
        return Ok(vec![json!({"backendRefs": backend})]);
    }
    written
        .iter()
        .map(|rule| {
            let mut value = serde_json::to_value(rule).map_err(Error::Shape)?;
            if !is_redirect(rule) {
                value["backendRefs"] = backend.clone();
            }
            Ok(value)
        })
        .collect()
}

fn find_port<'p>(ports: &'p [Port], wanted: Option<&IntOrString>) -> Option<&'p Port> {
    match wanted {
        None => ports.first(),
        Some(IntOrString::String(name)) => ports.iter().find(|port| port.name == *name),
        Some(IntOrString::Int(number)) => ports.iter().find(|port| i32::from(port.port) == *number),
    }
}
