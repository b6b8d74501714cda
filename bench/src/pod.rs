//! A pod to be measured, as a kubelet would describe it to CRI. The same work for every runtime: what
//! differs is the image, and that Morph's has a signed grant. It decides and asks nobody.

use crate::cri::{
    ContainerConfig, ContainerMetadata, ImageSpec, Int64Value, LinuxContainerConfig, LinuxContainerResources,
    LinuxContainerSecurityContext, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceOption,
    PodSandboxConfig, PodSandboxMetadata, namespace_mode,
};
use anyhow::{Context, Result};
use morph_grant::{ANNOTATION, Document, SigningKey};
use serde_json::json;
use std::collections::HashMap;

/// The cluster that grants and the node's configuration name.
pub const CLUSTER: &str = "morph-bench";

/// Where servers listen.
pub const PORT: u16 = 8080;

/// How long idle pods idle, in milliseconds: longer than any row takes.
const IDLE_MILLIS: &str = "3600000";

/// Nobody's user: Morph refuses root, so nobody has it.
const USER: i64 = 65_532;

/// Memory of a container, in bytes: far above what any side needs, so that no limit is measured.
const MEMORY_BYTES: i64 = 1 << 30;

/// Who runs a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// Morph's shim.
    Morph,
    /// The shim on containerd-shim-wasm.
    Peer,
    /// runc, with a static program that does the same.
    Runc,
    /// No runtime: a shim that runs nothing. What containerd takes for itself.
    Null,
}

impl Runtime {
    /// Every one that runs something, Morph first.
    pub const ALL: [Self; 3] = [Self::Morph, Self::Peer, Self::Runc];

    /// The same, and what none of them can be faster than.
    pub const ALL_AND_NONE: [Self; 4] = [Self::Morph, Self::Peer, Self::Runc, Self::Null];

    /// Name of CRI's runtime handler for it, and first word of its pods' names.
    #[must_use]
    pub fn handler(self) -> &'static str {
        if self == Self::Null { "null" } else { self.name() }
    }

    /// Name of its side.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Morph => crate::report::MORPH,
            Self::Peer => "peer",
            Self::Runc => "runc",
            Self::Null => "containerd alone",
        }
    }
}

/// A pod's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The node's.
    Node,
    /// Its own, made by the bridge plugin.
    Bridge,
}

/// What a pod does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Nothing, until it is killed.
    Idle,
    /// Nothing, to its end at once.
    End,
    /// Answers HTTP at [`PORT`].
    Serve,
    /// The same with instances that are kept between requests, where the runtime can.
    ServePooled,
}

impl Work {
    /// Whether it answers HTTP.
    #[must_use]
    pub fn serves(self) -> bool {
        matches!(self, Self::Serve | Self::ServePooled)
    }
}

/// A component in containerd's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name.
    pub name: String,
    /// Digest of its manifest.
    pub manifest: String,
    /// Digest of the component.
    pub content: String,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct Pod<'a> {
    /// Its name, for one pod only.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Who runs it.
    pub runtime: Runtime,
    /// Its network.
    pub network: Network,
    /// What it does.
    pub work: Work,
    /// The component that Wasm runtimes run.
    pub component: &'a Image,
    /// The image that runc runs.
    pub native: &'a str,
}

/// What the node adds to every pod.
#[derive(Debug)]
pub struct Place<'a> {
    /// Where logs go.
    pub logs: &'a str,
    /// Above its cgroup.
    pub cgroup: &'a str,
    /// Signs its grant.
    pub signer: &'a SigningKey,
}

impl Pod<'_> {
    /// The sandbox.
    ///
    /// # Errors
    /// A grant that contradicts itself.
    pub fn sandbox(&self, place: &Place<'_>) -> Result<PodSandboxConfig> {
        let annotations = match self.runtime {
            Runtime::Morph => HashMap::from([(ANNOTATION.to_owned(), self.grant(place.signer)?)]),
            Runtime::Peer | Runtime::Runc | Runtime::Null => HashMap::new(),
        };
        let security = LinuxSandboxSecurityContext { namespace_options: Some(self.namespaces()) };
        Ok(PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: self.name.clone(),
                uid: format!("uid-{}", self.name),
                namespace: self.namespace.clone(),
                attempt: 0,
            }),
            hostname: match self.network {
                Network::Node => String::new(),
                Network::Bridge => self.name.clone(),
            },
            log_directory: format!("{}/{}", place.logs, self.name),
            annotations,
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("{}/{}", place.cgroup, self.name),
                security_context: Some(security),
            }),
        })
    }

    /// The container.
    #[must_use]
    pub fn container(&self) -> ContainerConfig {
        let (image, command) = match self.runtime {
            Runtime::Morph | Runtime::Peer | Runtime::Null => (self.component.name.as_str(), "/"),
            Runtime::Runc => (self.native, "/static-server"),
        };
        let user = || Some(Int64Value { value: USER });
        ContainerConfig {
            // Only the container of this name has the pod's grant.
            metadata: Some(ContainerMetadata { name: "morph".into() }),
            image: Some(ImageSpec { image: image.into() }),
            command: vec![command.into()],
            args: self.arguments(),
            log_path: "0.log".into(),
            linux: Some(LinuxContainerConfig {
                resources: Some(LinuxContainerResources {
                    cpu_shares: 102,
                    memory_limit_in_bytes: MEMORY_BYTES,
                }),
                security_context: Some(LinuxContainerSecurityContext {
                    namespace_options: Some(self.namespaces()),
                    run_as_user: user(),
                    run_as_group: user(),
                    no_new_privs: true,
                }),
            }),
        }
    }

    fn namespaces(&self) -> NamespaceOption {
        let network = match self.network {
            Network::Node => namespace_mode::NODE,
            Network::Bridge => namespace_mode::POD,
        };
        NamespaceOption { network, pid: namespace_mode::CONTAINER, ipc: namespace_mode::POD }
    }

    /// Arguments after the program's name.
    fn arguments(&self) -> Vec<String> {
        let words: &[&str] = match (self.work, self.runtime) {
            (Work::Serve | Work::ServePooled, Runtime::Morph | Runtime::Peer | Runtime::Null) => &[],
            (Work::Serve | Work::ServePooled, Runtime::Runc) => &["serve"],
            (Work::Idle, _) => &["sleep", IDLE_MILLIS],
            (Work::End, _) => &["sleep", "0"],
        };
        words.iter().map(ToString::to_string).collect()
    }

    fn grant(&self, signer: &SigningKey) -> Result<String> {
        let mut document = json!({
            "version": Document::VERSION,
            "subject": {
                "cluster": CLUSTER, "namespace": self.namespace, "name": "bench", "uid": "bench",
            },
            "run": "Command",
            "components": [{
                "name": "bench", "manifest": self.component.manifest, "content": self.component.content,
            }],
            "args": self.arguments(),
        });
        if self.work.serves() {
            document["run"] = json!("Server");
            document["http"] = json!({ "port": PORT, "lameDuckSeconds": 0, "gracePeriodSeconds": 30 });
        }
        if self.work == Work::ServePooled {
            document["http"]["reuse"] = json!("Pooled");
        }
        let document: Document = serde_json::from_value(document).context("a grant for a benchmark")?;
        Ok(morph_grant::seal(&document, signer)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use morph_grant::{Reuse, RunType, TrustedKeys};
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    fn signer() -> SigningKey {
        SigningKey::generate(&mut StdRng::seed_from_u64(1))
    }

    fn image() -> Image {
        let digest = |bytes: &[u8]| morph_testkit::artifact::digest(bytes);
        Image { name: "bench.example/c:1".into(), manifest: digest(b"m"), content: digest(b"c") }
    }

    fn pod(image: &Image, runtime: Runtime, work: Work) -> Pod<'_> {
        Pod {
            name: "p1".into(),
            namespace: "demo".into(),
            runtime,
            network: Network::Node,
            work,
            component: image,
            native: "bench.example/native:1",
        }
    }

    fn sandbox(pod: &Pod<'_>) -> PodSandboxConfig {
        pod.sandbox(&Place { logs: "/logs", cgroup: "/bench", signer: &signer() }).unwrap()
    }

    fn document(pod: &Pod<'_>) -> Document {
        let trusted = TrustedKeys::from_iter([signer().public()]);
        morph_grant::open(&sandbox(pod).annotations[ANNOTATION], &trusted).unwrap()
    }

    #[test]
    fn morphs_pod_has_a_grant_for_its_work_and_nothing_more() {
        let image = image();
        let command = document(&pod(&image, Runtime::Morph, Work::Idle));
        assert_eq!((command.run, command.args.len()), (RunType::Command, 2));
        assert!(command.http.is_none());
        let server = document(&pod(&image, Runtime::Morph, Work::Serve));
        assert_eq!((server.run, server.http.unwrap().port), (RunType::Server, PORT));
        assert_eq!(
            document(&pod(&image, Runtime::Morph, Work::ServePooled)).http.unwrap().reuse,
            Reuse::Pooled
        );
        assert_eq!(server.components[0].grants, morph_grant::Grants::default());
        assert_eq!(server.subject.namespace, "demo");
    }

    #[test]
    fn peers_have_no_grant() {
        let image = image();
        for runtime in [Runtime::Peer, Runtime::Runc] {
            assert!(sandbox(&pod(&image, runtime, Work::Serve)).annotations.is_empty());
        }
    }

    #[test]
    fn every_runtime_does_the_same_work() {
        let image = image();
        for work in [Work::Idle, Work::End] {
            let wanted = pod(&image, Runtime::Morph, work).container().args;
            for runtime in Runtime::ALL {
                assert_eq!(pod(&image, runtime, work).container().args, wanted, "{runtime:?}");
            }
        }
        assert_eq!(pod(&image, Runtime::Runc, Work::Serve).container().args, ["serve"]);
    }

    #[test]
    fn runc_runs_the_native_image_and_the_others_the_component() {
        let image = image();
        let name = |runtime| pod(&image, runtime, Work::Idle).container().image.unwrap().image;
        assert_eq!(name(Runtime::Morph), "bench.example/c:1");
        assert_eq!(name(Runtime::Peer), "bench.example/c:1");
        assert_eq!(name(Runtime::Runc), "bench.example/native:1");
    }

    #[test]
    fn a_pod_of_the_nodes_network_has_no_hostname_of_its_own() {
        let image = image();
        let mut pod = pod(&image, Runtime::Runc, Work::Idle);
        assert_eq!(pod.namespaces().network, namespace_mode::NODE);
        assert_eq!(sandbox(&pod).hostname, "");
        pod.network = Network::Bridge;
        assert_eq!(pod.namespaces().network, namespace_mode::POD);
        assert_eq!(sandbox(&pod).hostname, "p1");
    }
}
