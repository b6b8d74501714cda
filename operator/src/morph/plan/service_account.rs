//! The pods' own account: no rights, no token.

use super::names;
use crate::morph::validate::Valid;
use k8s_openapi::api::core::v1::ServiceAccount;

pub(super) fn service_account(valid: &Valid) -> ServiceAccount {
    ServiceAccount {
        metadata: names::metadata(&valid.identity, &valid.identity.name),
        automount_service_account_token: Some(false),
        image_pull_secrets: None,
        secrets: None,
    }
}
