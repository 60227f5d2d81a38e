//! Who an object belongs to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::ADOPT_ANNOTATION;

/// The controller of an object, if it has one.
pub fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.as_deref().unwrap_or_default().iter().find(|owner| owner.controller == Some(true))
}

/// Whether the object is controlled by the owner with this UID.
pub fn is_controlled_by(meta: &ObjectMeta, uid: &str) -> bool {
    controller(meta).is_some_and(|owner| owner.uid == uid)
}

/// Whether an object that nobody controls says that the `Microservice` of this name may take it over.
pub fn may_adopt(meta: &ObjectMeta, name: &str) -> bool {
    let consent = meta.annotations.as_ref().and_then(|annotations| annotations.get(ADOPT_ANNOTATION));
    controller(meta).is_none() && consent.is_some_and(|allowed| allowed == name)
}

/// Who an object belongs to, in words for a condition: its controller, what manages it by its label, or who
/// wrote it.
pub fn describe(meta: &ObjectMeta) -> String {
    if let Some(owner) = controller(meta) {
        return format!("{} {:?}", owner.kind, owner.name);
    }
    let labels = meta.labels.as_ref();
    if let Some(manager) = labels.and_then(|labels| labels.get("app.kubernetes.io/managed-by")) {
        return format!("{manager:?} (by its label app.kubernetes.io/managed-by)");
    }
    // Whoever writes a status is a controller of Kubernetes, not the owner.
    let mut writers = meta.managed_fields.iter().flatten().filter(|entry| entry.subresource.is_none());
    match writers.find_map(|entry| entry.manager.as_deref()) {
        Some(manager) => format!("whoever wrote it with {manager:?}"),
        None => "somebody else".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

    use super::*;

    fn status_writer() -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some("kube-controller-manager".into()),
            subresource: Some("status".into()),
            ..Default::default()
        }
    }

    #[test]
    fn the_owner_is_named_by_the_best_that_is_known() {
        let mut meta = ObjectMeta::default();
        assert_eq!(describe(&meta), "somebody else");
        meta.managed_fields = Some(vec![
            status_writer(),
            ManagedFieldsEntry { manager: Some("kubectl-create".into()), ..Default::default() },
        ]);
        assert_eq!(describe(&meta), "whoever wrote it with \"kubectl-create\"");
        meta.labels = Some([("app.kubernetes.io/managed-by".to_owned(), "Helm".to_owned())].into());
        assert_eq!(describe(&meta), "\"Helm\" (by its label app.kubernetes.io/managed-by)");
        meta.owner_references = Some(vec![OwnerReference {
            kind: "Application".into(),
            name: "shop".into(),
            controller: Some(true),
            ..Default::default()
        }]);
        assert_eq!(describe(&meta), "Application \"shop\"");
    }
}
