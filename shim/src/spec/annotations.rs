//! What containerd's CRI says of a container. These annotations are applied after all others, so that no pod
//! can write them (`internal/cri/annotations` in containerd).

use super::SpecError;
use std::collections::BTreeMap;

const TYPE: &str = "io.kubernetes.cri.container-type";
const SANDBOX_ID: &str = "io.kubernetes.cri.sandbox-id";
const SANDBOX_NAMESPACE: &str = "io.kubernetes.cri.sandbox-namespace";
const SANDBOX_UID: &str = "io.kubernetes.cri.sandbox-uid";
const SANDBOX_NAME: &str = "io.kubernetes.cri.sandbox-name";
const CONTAINER_NAME: &str = "io.kubernetes.cri.container-name";
const IMAGE_NAME: &str = "io.kubernetes.cri.image-name";

/// The pod that a container belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

/// What a container is for containerd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A pod's sandbox.
    Sandbox(Pod),
    /// A container of a pod.
    Container {
        /// The pod.
        pod: Pod,
        /// Id of its sandbox.
        sandbox: String,
        /// Its name in the pod.
        name: String,
        /// Its image as the pod names it.
        image: String,
    },
    /// Neither: started by hand.
    Alone {
        /// The image, where an annotation says so.
        image: Option<String>,
    },
}

impl Role {
    pub(super) fn parse(annotations: &BTreeMap<String, String>) -> Result<Self, SpecError> {
        let optional = |key: &str| annotations.get(key).filter(|value| !value.is_empty()).cloned();
        let needed = |key: &'static str| {
            optional(key)
                .ok_or(SpecError::Value { field: "annotations", problem: format!("{key} is missing") })
        };
        let pod = || -> Result<Pod, SpecError> {
            Ok(Pod {
                namespace: needed(SANDBOX_NAMESPACE)?,
                // Older releases of containerd don't write these two: what needs them refuses then.
                name: optional(SANDBOX_NAME).unwrap_or_default(),
                uid: optional(SANDBOX_UID).unwrap_or_default(),
            })
        };
        match annotations.get(TYPE).map(String::as_str) {
            None => Ok(Self::Alone { image: optional(IMAGE_NAME) }),
            Some("sandbox") => Ok(Self::Sandbox(pod()?)),
            Some("container") => Ok(Self::Container {
                pod: pod()?,
                sandbox: needed(SANDBOX_ID)?,
                name: needed(CONTAINER_NAME)?,
                image: needed(IMAGE_NAME)?,
            }),
            Some(other) => {
                Err(SpecError::Value { field: "annotations", problem: format!("{TYPE} is {other:?}") })
            }
        }
    }

    /// The pod, if there is one.
    #[must_use]
    pub fn pod(&self) -> Option<&Pod> {
        match self {
            Self::Sandbox(pod) | Self::Container { pod, .. } => Some(pod),
            Self::Alone { .. } => None,
        }
    }

    /// Its name in the pod, for a container of one.
    #[must_use]
    pub fn container_name(&self) -> Option<&str> {
        match self {
            Self::Container { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Id of the sandbox that a container belongs to.
    #[must_use]
    pub fn sandbox(&self) -> Option<&str> {
        match self {
            Self::Container { sandbox, .. } => Some(sandbox),
            _ => None,
        }
    }
}
