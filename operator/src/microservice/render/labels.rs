//! Labels of the children and the selector of the pods.

use std::collections::BTreeMap;

use crate::cluster::{MANAGED_BY, MICROSERVICE_LABEL};

/// Labels of every child and every pod: the recommended ones of Kubernetes, and ours.
pub(super) fn all(name: &str) -> BTreeMap<String, String> {
    let mut labels = selector(name);
    labels.insert("app.kubernetes.io/name".to_owned(), name.to_owned());
    labels.insert("app.kubernetes.io/managed-by".to_owned(), MANAGED_BY.to_owned());
    labels
}

/// What selects the pods of a service. It can never change: the selector of a Deployment is immutable.
pub fn selector(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(MICROSERVICE_LABEL.to_owned(), name.to_owned())])
}
