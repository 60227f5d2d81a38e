//! The file that the gateway goes by: `gateway.yaml`, with the ports of this shop.

use std::fs;

use super::{Error, ports::Ports, settings::Settings};

/// The file, with names in place of ports.
const FILE: &str = include_str!("gateway.yaml");

/// Writes it.
pub fn write(settings: &Settings<'_>) -> Result<(), Error> {
    let path = settings.folder.gateway();
    let fail = |source| Error::File(format!("{} cannot be written", path.display()), source);
    fs::write(&path, file(&settings.ports)).map_err(fail)
}

/// The file with these ports.
fn file(ports: &Ports) -> String {
    let names = [
        ("GATEWAY_PORT", ports.gateway),
        ("USER_PORT", ports.user.http),
        ("PRODUCT_PORT", ports.product.http),
        ("ORDER_PORT", ports.order.http),
        ("NOTIFICATION_PORT", ports.notification.http),
    ];
    names.into_iter().fold(FILE.to_owned(), |file, (name, port)| file.replace(name, &port.to_string()))
}

#[cfg(test)]
mod tests {
    use flotilla_gateway_config::{GatewayConfig, PathMatch, load};
    use serde_json::Value;

    use super::*;
    use crate::dev::ports::Service;

    fn config() -> GatewayConfig {
        let service = |http| Service { http, grpc: http + 1, admin: http + 2 };
        let ports = Ports {
            user: service(10),
            product: service(20),
            order: service(30),
            notification: service(40),
            gateway: 1,
            gateway_admin: 2,
            inbox: 3,
            smtp: 4,
            sink_admin: 5,
            paysim: 6,
            paysim_admin: 7,
        };
        let file = file(&ports);
        assert!(!file.contains("_PORT"), "{file}");
        load(&file).unwrap()
    }

    /// The port that takes a path: that of the longest match.
    fn port(config: &GatewayConfig, path: &str) -> Option<u16> {
        let rules = config.routes.iter().flat_map(|route| &route.rules);
        let takes = rules.flat_map(|rule| rule.matches.iter().map(move |one| (one, rule)));
        let longest = takes.filter_map(|(one, rule)| {
            let length = match one.path.as_ref()? {
                PathMatch::Exact(exact) if exact.as_str() == path => usize::MAX,
                PathMatch::PathPrefix(prefix) => {
                    let rest = path.strip_prefix(prefix.as_str())?;
                    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.as_str().len())?
                }
                _ => return None,
            };
            Some((length, rule))
        });
        let (_, rule) = longest.max_by_key(|(length, _)| *length)?;
        let backend = rule.backends.first()?.backend.as_deref()?;
        config.backends.get(backend)?.endpoints.first().map(|endpoint| endpoint.port)
    }

    #[test]
    fn every_path_of_every_service_is_its_own() {
        let config = config();
        for (text, wanted) in [
            (include_str!("../../../user-service/openapi.json"), 10),
            (include_str!("../../../product-service/openapi.json"), 20),
            (include_str!("../../../order-service/openapi.json"), 30),
            (include_str!("../../../notification-service/openapi.json"), 40),
        ] {
            let document: Value = serde_json::from_str(text).unwrap();
            for path in document["paths"].as_object().unwrap().keys() {
                assert_eq!(port(&config, path), Some(wanted), "{path}");
            }
        }
        assert_eq!(port(&config, "/metrics"), None);
        assert_eq!(config.listeners.first().unwrap().port, 1);
    }
}
