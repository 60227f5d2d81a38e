//! The ConfigMap of a revision's inline configuration. It never changes: other content has another name.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::json;

use super::metadata;
use crate::microservice::{digest, validate::Validated};

/// The name for this content.
pub(super) fn name(service: &str, data: &BTreeMap<String, String>) -> String {
    format!("{service}-config-{}", digest::short(&digest::of(&json!(data))))
}

pub(super) fn render(service: &Validated, data: &BTreeMap<String, String>) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name(&service.name, data)), ..metadata(service) },
        data: Some(data.clone()),
        immutable: Some(true),
        ..ConfigMap::default()
    }
}
