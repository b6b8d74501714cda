//! What this runtime says of itself (`-info`): its name, and the features of the OCI specification that it
//! has. What isn't named here, containerd and the kubelet don't ask for.

use crate::walls::{Kernel, Wall};
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::{self, Message, MessageField};
use containerd_shim_protos::types::introspection::{RuntimeInfo, RuntimeVersion};
use serde_json::json;
use std::collections::HashMap;

/// containerd's name of this runtime.
pub const RUNTIME: &str = "io.containerd.morph.v1";

/// Type of the features, as containerd's typeurl names it.
const FEATURES: &str = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";

/// The answer to `-info`. User namespaces aren't among the features, so that the kubelet refuses `hostUsers:
/// false` before there is a pod.
///
/// # Errors
/// A message that can't be encoded.
pub fn answer() -> protobuf::Result<Vec<u8>> {
    let features = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.2.0",
        "linux": {
            "namespaces": ["ipc", "mount", "network", "pid", "uts"],
            "capabilities": [],
            "cgroup": { "v1": true, "v2": true, "systemd": true, "systemdUser": false, "rdma": false },
            "mountExtensions": { "idmap": { "enabled": false } },
        },
    });
    let features =
        Any { type_url: FEATURES.into(), value: features.to_string().into_bytes(), ..Any::default() };
    let version = RuntimeVersion { version: env!("CARGO_PKG_VERSION").into(), ..RuntimeVersion::default() };
    RuntimeInfo {
        name: RUNTIME.into(),
        version: MessageField::some(version),
        features: MessageField::some(features),
        annotations: walls(Kernel::detect()),
        ..RuntimeInfo::default()
    }
    .write_to_bytes()
}

/// Prefix of the annotations that say which walls this kernel has.
const WALL: &str = "hayride.dev/wall.";

/// One annotation for each wall that a kernel may lack. Nothing in containerd or the kubelet decides by them:
/// they are for people, and for whoever collects what nodes can do.
fn walls(kernel: Kernel) -> HashMap<String, String> {
    let word = |wall: Wall| if kernel.has(wall) { "present" } else { "missing" };
    let mut walls: HashMap<_, _> =
        Wall::ALL.into_iter().map(|wall| (format!("{WALL}{wall}"), word(wall).to_owned())).collect();
    walls.insert(format!("{WALL}landlock-abi"), kernel.landlock_abi.to_string());
    walls
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_wall_that_a_kernel_may_lack_is_listed() {
        let info = RuntimeInfo::parse_from_bytes(&answer().unwrap()).unwrap();
        assert_eq!(info.annotations, walls(Kernel::detect()));
        let old = walls(Kernel { seccomp: true, landlock_abi: 2 });
        for (name, value) in [
            ("seccomp", "present"),
            ("landlock", "present"),
            ("landlock-tcp", "missing"),
            ("landlock-scopes", "missing"),
            ("landlock-abi", "2"),
        ] {
            assert_eq!(old[&format!("hayride.dev/wall.{name}")], value, "{name}");
        }
    }

    #[test]
    fn user_namespaces_are_not_promised() {
        let info = RuntimeInfo::parse_from_bytes(&answer().unwrap()).unwrap();
        assert_eq!(info.name, RUNTIME);
        let features: serde_json::Value = serde_json::from_slice(&info.features.value).unwrap();
        let namespaces = features["linux"]["namespaces"].as_array().unwrap();
        assert!(namespaces.iter().all(|name| name != "user"));
        assert_eq!(features["linux"]["mountExtensions"]["idmap"]["enabled"], false);
    }
}
