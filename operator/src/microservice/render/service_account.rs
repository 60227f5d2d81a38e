//! The ServiceAccount: an identity of its own for each service, with no token unless one is asked for.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::metadata;
use crate::microservice::validate::{Identity, Validated};

/// `None` when an existing ServiceAccount is used.
pub(super) fn render(service: &Validated) -> Option<ServiceAccount> {
    let Identity::Own(annotations) = &service.service_account else {
        return None;
    };
    let mut metadata = metadata(service);
    metadata.annotations = (!annotations.is_empty()).then(|| annotations.clone());
    Some(ServiceAccount {
        metadata,
        automount_service_account_token: Some(service.mount_token),
        ..ServiceAccount::default()
    })
}
