//! CPU, memory and other resources, with their defaults.

use std::collections::BTreeMap;

use flotilla_crds::v1alpha1::{Quantity, Resources};

use super::{CanonicalQuantity, Error};

/// Requests of a service that writes none.
const DEFAULT_REQUESTS: [(&str, &str); 2] = [("cpu", "100m"), ("memory", "256Mi")];

/// Resources of a container, in canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerResources {
    /// What it is sure to get.
    pub requests: BTreeMap<String, String>,
    /// What it gets at most.
    pub limits: BTreeMap<String, String>,
}

pub(super) fn resolve(resources: Option<&Resources>) -> Result<ContainerResources, Error> {
    let empty = Resources::default();
    let written = resources.unwrap_or(&empty);
    let mut limits = parse("limits", &written.limits)?;
    let mut requests = parse("requests", &written.requests)?;
    for (name, quantity) in DEFAULT_REQUESTS {
        if requests.contains_key(name) {
            continue;
        }
        // As in Kubernetes, a limit alone is also the request.
        let request = match limits.get(name) {
            Some(limit) => *limit,
            None => CanonicalQuantity::parse(quantity).map_err(|source| error("requests", name, source))?,
        };
        requests.insert(name.to_owned(), request);
    }
    // Memory cannot be taken back from a process, so a pod that may use more than it asked for endangers its
    // neighbours. CPU can, and a limit on it only slows the service down.
    if let Some(memory) = requests.get("memory").copied() {
        limits.entry("memory".to_owned()).or_insert(memory);
    }
    for (name, request) in &requests {
        if let Some(limit) = limits.get(name).filter(|limit| request.exceeds(limit)) {
            return Err(Error::RequestAboveLimit {
                name: name.clone(),
                request: request.to_string(),
                limit: limit.to_string(),
            });
        }
    }
    Ok(ContainerResources { requests: write(&requests), limits: write(&limits) })
}

fn parse(
    list: &'static str,
    quantities: &BTreeMap<String, Quantity>,
) -> Result<BTreeMap<String, CanonicalQuantity>, Error> {
    quantities
        .iter()
        .map(|(name, Quantity(text))| match CanonicalQuantity::parse(text) {
            Ok(quantity) => Ok((name.clone(), quantity)),
            Err(source) => Err(error(list, name, source)),
        })
        .collect()
}

fn error(list: &'static str, name: &str, source: super::QuantityError) -> Error {
    Error::Quantity { list, name: name.to_owned(), source }
}

fn write(quantities: &BTreeMap<String, CanonicalQuantity>) -> BTreeMap<String, String> {
    quantities.iter().map(|(name, quantity)| (name.clone(), quantity.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(requests: &[(&str, &str)], limits: &[(&str, &str)]) -> Result<ContainerResources, Error> {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, text)| ((*name).to_owned(), Quantity::from(*text))).collect()
        };
        resolve(Some(&Resources { requests: map(requests), limits: map(limits) }))
    }

    #[test]
    fn the_memory_limit_is_the_request_and_cpu_has_none() {
        let resources = resolve(None).unwrap();
        assert_eq!(resources.requests["cpu"], "100m");
        assert_eq!(resources.limits.get("cpu"), None);
        assert_eq!(resources.limits["memory"], "256Mi");
        assert_eq!(of(&[("memory", "1Gi")], &[]).unwrap().limits["memory"], "1Gi");
    }

    #[test]
    fn a_limit_alone_is_also_the_request() {
        assert_eq!(of(&[], &[("memory", "64Mi")]).unwrap().requests["memory"], "64Mi");
    }

    #[test]
    fn a_request_above_its_limit_is_refused() {
        let error = of(&[("cpu", "2")], &[("cpu", "1500m")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "spec.resources.requests.cpu (2) is more than its limit (1500m): lower the request or raise the limit"
        );
    }

    #[test]
    fn a_quantity_that_cannot_be_read_is_named() {
        let error = of(&[], &[("memory", "1GB")]).unwrap_err();
        assert!(
            error.to_string().starts_with("spec.resources.limits.memory: \"1GB\" is not a quantity"),
            "{error}"
        );
    }
}
