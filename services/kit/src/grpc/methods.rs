//! The methods that a server has: whatever else is at a path may be anything, and is in no log and no label.

use std::collections::HashSet;

use prost::{DecodeError, Message};
use prost_types::FileDescriptorSet;

/// What a method that is not known is called.
const UNKNOWN: &str = "unknown";

/// Methods by their paths, such as `/shop.order.v1.Orders/GetOrder`.
#[derive(Debug, Default)]
pub(super) struct Methods(HashSet<String>);

impl Methods {
    /// Those of descriptors, as a compiler of interfaces writes them.
    pub(super) fn of(descriptors: &[&[u8]]) -> Result<Self, DecodeError> {
        let mut methods = HashSet::new();
        for descriptors in descriptors {
            for file in FileDescriptorSet::decode(*descriptors)?.file {
                for service in &file.service {
                    let paths = service
                        .method
                        .iter()
                        .map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                    methods.extend(paths);
                }
            }
        }
        Ok(Self(methods))
    }

    /// What a method is called in logs and metrics.
    pub(super) fn name(&self, path: &str) -> &str {
        self.0.get(path).map_or(UNKNOWN, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_of_the_descriptors_are_named() {
        let methods =
            Methods::of(&[flotilla_proto::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET]).unwrap();
        for path in ["/shop.order.v1.Orders/GetOrder", "/grpc.health.v1.Health/Check"] {
            assert_eq!(methods.name(path), path);
        }
        for path in ["", "/", "/shop.order.v1.Orders/4242424242424242", "/shop.order.v1.Orders/"] {
            assert_eq!(methods.name(path), UNKNOWN, "{path}");
        }
        assert!(Methods::of(&[b"no descriptors"]).is_err());
    }
}
