//! The Deployment of a Server.

use super::{names, pod};
use crate::morph::validate::Valid;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// How many pods a roll-out may add: a quarter, and at least one since Kubernetes rounds up.
const SURGE: &str = "25%";

/// How long a roll-out may stand still before it counts as failed, in seconds.
const PROGRESS_DEADLINE_SECONDS: i32 = 300;

pub(super) fn deployment(valid: &Valid) -> Deployment {
    let name = &valid.identity.name;
    Deployment {
        metadata: names::workload_metadata(valid, name),
        spec: Some(DeploymentSpec {
            replicas: Some(valid.spec.replicas),
            selector: names::selector(name),
            template: pod::template(valid),
            // An old ReplicaSet is an old grant; the way back is through the Morph.
            revision_history_limit: Some(0),
            progress_deadline_seconds: Some(PROGRESS_DEADLINE_SECONDS),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_unavailable: Some(IntOrString::Int(0)),
                    max_surge: Some(IntOrString::String(SURGE.to_owned())),
                }),
            }),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}
