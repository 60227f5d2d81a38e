//! Labels of the children and the selector of the pods.

use std::collections::BTreeMap;

use crate::cluster::{MANAGED_BY, MICROSERVICE_LABEL, PART_OF_LABEL};

/// Labels of every child and every pod: the recommended ones of Kubernetes, and ours.
pub(super) fn all(name: &str) -> BTreeMap<String, String> {
    let mut labels = selector(name);
    labels.insert("app.kubernetes.io/name".to_owned(), name.to_owned());
    labels.extend(of_jobs(name));
    labels
}

/// Labels of pods that belong to a service and do not serve: no Service and no Deployment selects them.
pub(super) fn of_jobs(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("app.kubernetes.io/managed-by".to_owned(), MANAGED_BY.to_owned()),
        (PART_OF_LABEL.to_owned(), name.to_owned()),
    ])
}

/// What selects every pod of a service, those of its jobs too: who calls, and who may be called.
pub(super) fn part_of(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(PART_OF_LABEL.to_owned(), name.to_owned())])
}

/// What selects the pods of a service. It can never change: the selector of a Deployment is immutable.
pub fn selector(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(MICROSERVICE_LABEL.to_owned(), name.to_owned())])
}
