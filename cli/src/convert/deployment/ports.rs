//! Ports: what the container names, and what Services lead to.

use serde_json::{Value, json};

use crate::convert::{Fields, Notes, names};

/// A port of the service.
struct Found {
    name: String,
    number: u64,
    protocol: Option<&'static str>,
    service_port: Option<u64>,
}

pub(super) fn all(
    service: &str,
    container: &Fields,
    labels: &Value,
    services: &Value,
    ingresses: &Value,
    notes: &mut Notes,
) -> Value {
    let mut found: Vec<Found> = Vec::new();
    for port in container.clone().list("ports") {
        let Some(number) = port["containerPort"].as_u64() else { continue };
        let (guess, _) = names::of_port(u16::try_from(number).unwrap_or_default());
        let name = port["name"].as_str().map_or(guess, ToOwned::to_owned);
        let protocol = (port["protocol"] == "UDP").then_some("UDP").or_else(|| by_name(&name));
        found.push(Found { name, number, protocol, service_port: None });
    }
    let leading =
        services.as_array().into_iter().flatten().filter(|other| selects(&other["spec"]["selector"], labels));
    for other in leading {
        let name = other["metadata"]["name"].as_str().unwrap_or_default();
        of_service(other, &mut found, notes);
        if name != service {
            notes.add(format!("Service {name}: whoever calls it must call {service} from now on, or it must select flotilla.dev/microservice={service}"));
        }
        if let Some(kind @ ("LoadBalancer" | "NodePort")) = other["spec"]["type"].as_str() {
            notes.add(format!("Service {name}: is of type {kind}; the Service of a Microservice is reached in the cluster: keep one of your own, or use a route"));
        }
        if other["spec"]["sessionAffinity"] == "ClientIP" {
            notes.add(format!("Service {name}: sessionAffinity ClientIP is not carried over"));
        }
        for ingress in ingresses.as_array().into_iter().flatten().filter(|ingress| leads_to(ingress, name)) {
            let route = ingress["metadata"]["name"].as_str().unwrap_or_default();
            notes.add(format!("Ingress {route}: is yours to keep; it must lead to Service {service}"));
        }
    }
    let json = |port: Found| {
        let service_port = port.service_port.filter(|number| *number != port.number);
        json!({"name": port.name, "port": port.number, "protocol": port.protocol, "servicePort": service_port})
    };
    found.into_iter().map(json).collect()
}

/// Adds what a Service says of the ports that it leads to.
fn of_service(service: &Value, found: &mut Vec<Found>, notes: &mut Notes) {
    let title = service["metadata"]["name"].as_str().unwrap_or_default();
    for port in service["spec"]["ports"].as_array().into_iter().flatten() {
        let Some(number) = port["port"].as_u64() else { continue };
        let target = &port["targetPort"];
        let is_udp = port["protocol"] == "UDP";
        let known = found.iter_mut().find(|known| {
            let same = target.as_u64().is_some_and(|target| target == known.number) || *target == *known.name;
            same && (known.protocol == Some("UDP")) == is_udp
        });
        let name = port["name"].as_str();
        let protocol = if is_udp {
            Some("UDP")
        } else {
            port["appProtocol"].as_str().and_then(by_app_protocol).or_else(|| name.and_then(by_name))
        };
        match known {
            Some(known) if known.service_port.is_some_and(|former| former != number) => notes.add(format!(
                "Service {title}: port {number} leads to {} too: a port has one servicePort",
                known.number
            )),
            Some(known) => {
                known.service_port = Some(number);
                known.protocol = protocol.or(known.protocol);
            }
            None => {
                let Some(target) = target.as_u64().or_else(|| target.is_null().then_some(number)) else {
                    notes.add(format!(
                        "Service {title}: port {number} leads to {target}, which the container does not name"
                    ));
                    continue;
                };
                let (guess, _) = names::of_port(u16::try_from(target).unwrap_or_default());
                let name = name.map_or(guess, ToOwned::to_owned);
                found.push(Found { name, number: target, protocol, service_port: Some(number) });
            }
        }
    }
}

fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().filter(|wanted| !wanted.is_empty());
    wanted.is_some_and(|wanted| wanted.iter().all(|(label, value)| labels[label] == *value))
}

fn leads_to(ingress: &Value, service: &str) -> bool {
    let paths =
        ingress["spec"]["rules"].as_array().into_iter().flatten().flat_map(|rule| {
            rule["http"]["paths"].as_array().into_iter().flatten().map(|path| &path["backend"])
        });
    paths.chain([&ingress["spec"]["defaultBackend"]]).any(|backend| backend["service"]["name"] == service)
}

fn by_app_protocol(name: &str) -> Option<&'static str> {
    match name {
        "http" => Some("HTTP"),
        "kubernetes.io/h2c" => Some("HTTP2"),
        "grpc" => Some("GRPC"),
        "https" | "tls" => Some("TLS"),
        _ => None,
    }
}

/// What the first word of a name says, as in service meshes.
fn by_name(name: &str) -> Option<&'static str> {
    match name.split('-').next().unwrap_or_default() {
        "http" | "web" => Some("HTTP"),
        "http2" => Some("HTTP2"),
        "grpc" => Some("GRPC"),
        "https" | "tls" => Some("TLS"),
        _ => None,
    }
}
