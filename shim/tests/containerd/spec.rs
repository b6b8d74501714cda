//! OCI specs as CRI writes them, and grants for them.

use crate::harness::{CLUSTER, guest_bytes, signer};
use morph_grant::{
    ANNOTATION, Access, Component, ConfigEntry, Digest, Document, EnvLiteral, FilesystemGrant, Grants,
    Limits, Link, Mount, MountUse, RunType, SocketsGrant, Subject, VolumeKind,
};
use serde_json::{Value, json};
use std::path::Path;

/// The cgroup of a task, below the hierarchy's root. It has the process in its name: tests run side by side,
/// each in a process of its own.
pub(crate) fn cgroup(id: &str) -> String {
    format!("morph-test/containerd-{}-{id}", std::process::id())
}

/// Removes what a test's tasks have left of cgroups when their servers were killed; their processes are about
/// to end.
pub(crate) fn remove_cgroups() {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).unwrap().flatten().map(|entry| entry.path());
    let own = cgroup("");
    let (parent, prefix) = own.rsplit_once('/').unwrap();
    for parent in hierarchies.chain([root.into()]).map(|hierarchy| hierarchy.join(parent)) {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        let is_own = |path: &std::path::PathBuf| {
            path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        };
        for path in entries.map(|entry| entry.path()).filter(is_own) {
            // A second is more than a killed process needs; what is still there then is of no harm.
            for _ in 0..100 {
                if std::fs::remove_dir(&path).is_ok() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }
}

/// An OCI spec that a test puts together.
#[derive(Clone)]
pub(crate) struct Spec(Value);

impl Spec {
    fn new(id: &str) -> Self {
        Self(json!({
            "ociVersion": "1.2.0",
            "process": {
                "user": { "uid": 65532, "gid": 65532 }, "args": ["/"], "cwd": "/",
                "env": ["PATH=/bin", "FROM_SPEC=yes"],
            },
            "root": { "path": "rootfs" },
            "annotations": {},
            "mounts": [],
            "linux": {
                "cgroupsPath": format!("/{}", cgroup(id)),
                "namespaces": [
                    { "type": "pid" }, { "type": "ipc" }, { "type": "uts" }, { "type": "network" },
                ],
                "resources": { "memory": { "limit": 268_435_456 } },
            },
        }))
    }

    /// A container that belongs to no pod.
    pub(crate) fn alone(id: &str, image: &str) -> Self {
        Self::new(id).annotated("io.kubernetes.cri.image-name", image)
    }

    /// A pod's sandbox.
    pub(crate) fn sandbox(id: &str, namespace: &str) -> Self {
        Self::new(id).of_pod("sandbox", id, namespace)
    }

    /// A container of a pod.
    pub(crate) fn container(id: &str, sandbox: &str, namespace: &str, name: &str, image: &str) -> Self {
        Self::new(id)
            .of_pod("container", sandbox, namespace)
            .annotated("io.kubernetes.cri.container-name", name)
            .annotated("io.kubernetes.cri.image-name", image)
    }

    fn of_pod(self, kind: &str, sandbox: &str, namespace: &str) -> Self {
        self.annotated("io.kubernetes.cri.container-type", kind)
            .annotated("io.kubernetes.cri.sandbox-id", sandbox)
            .annotated("io.kubernetes.cri.sandbox-namespace", namespace)
            .annotated("io.kubernetes.cri.sandbox-name", &format!("pod-{sandbox}"))
            .annotated("io.kubernetes.cri.sandbox-uid", &format!("uid-{sandbox}"))
    }

    pub(crate) fn annotated(mut self, name: &str, value: &str) -> Self {
        self.0["annotations"][name] = json!(value);
        self
    }

    pub(crate) fn granted(self, document: &Document) -> Self {
        self.annotated(ANNOTATION, &morph_grant::seal(document, &signer()).unwrap())
    }

    /// In the namespaces of a sandbox, as CRI says it.
    pub(crate) fn joined(mut self, pid: i32) -> Self {
        let join = |kind: &str, file: &str| json!({ "type": kind, "path": format!("/proc/{pid}/ns/{file}") });
        let namespaces =
            [json!({ "type": "pid" }), join("ipc", "ipc"), join("uts", "uts"), join("network", "net")];
        self.0["linux"]["namespaces"] = json!(namespaces);
        self
    }

    pub(crate) fn mounted(mut self, source: &Path, destination: &str) -> Self {
        let mount =
            json!({ "type": "bind", "source": source, "destination": destination, "options": ["rbind"] });
        self.0["mounts"].as_array_mut().unwrap().push(mount);
        self
    }

    /// With variables of the container, as the kubelet sets them.
    pub(crate) fn with_env(mut self, variables: &[&str]) -> Self {
        let env = self.0["process"]["env"].as_array_mut().unwrap();
        env.extend(variables.iter().map(|variable| json!(variable)));
        self
    }

    /// In a cgroup of this path.
    pub(crate) fn placed(mut self, path: &str) -> Self {
        self.0["linux"]["cgroupsPath"] = json!(path);
        self
    }

    pub(crate) fn memory(mut self, bytes: u64) -> Self {
        self.0["linux"]["resources"]["memory"]["limit"] = json!(bytes);
        self
    }

    pub(crate) fn json(&self) -> &Value {
        &self.0
    }
}

/// A document for a guest as a command in namespace `demo`.
pub(crate) fn document(image: &str, guest: &str, args: &[&str]) -> Document {
    Document {
        version: Document::VERSION,
        subject: Subject {
            cluster: CLUSTER.into(),
            namespace: "demo".into(),
            name: guest.into(),
            uid: "m1".into(),
        },
        run: RunType::Command,
        components: vec![Component {
            name: guest.into(),
            manifest: image.rsplit_once('@').unwrap().1.parse().unwrap(),
            content: Digest::of(&guest_bytes(guest)),
            grants: Grants { environment: true, ..Grants::default() },
            limits: Limits::default(),
            links: Vec::new(),
            env: Vec::new(),
            env_references: Vec::new(),
        }],
        args: args.iter().map(ToString::to_string).collect(),
        env: vec![EnvLiteral { name: "LOG".into(), value: "info".into() }],
        env_references: Vec::new(),
        env_prefixes: Vec::new(),
        mounts: Vec::new(),
        http: None,
    }
}

/// A document for `part-main` with `part-plug` as its plug `plug`, which it uses for all that a plug is for.
pub(crate) fn composed(main: &str, plug: &str, args: &[&str]) -> Document {
    let mut document = document(main, "part-main", args);
    let links = ["acme:parts/handles@0.1.0", "acme:parts/work@0.1.0"];
    let link = |interface: &str| Link { interface: interface.parse().unwrap(), to: "plug".into() };
    document.components[0].links = links.map(link).into();
    let mut of_plug = self::document(plug, "part-plug", &[]).components.remove(0);
    of_plug.name = "plug".into();
    document.components.push(of_plug);
    document
}

/// Grants an emptyDir named `data` at `/data`.
pub(crate) fn with_data(mut document: Document, access: Access) -> Document {
    let grant = FilesystemGrant { volume: "data".into(), path: "/data".into(), sub_path: None, access };
    document.components[0].grants.filesystem = vec![grant];
    document.mounts = vec![Mount {
        volume: "data".into(),
        kind: VolumeKind::EmptyDir,
        destination: DATA.into(),
        read_only: access == Access::ReadOnly,
        used_for: MountUse::Filesystem,
    }];
    document
}

/// Where the kubelet would mount the volume `data`.
pub(crate) const DATA: &str = "/run/hayride.dev/volumes/data";

/// Grants a configuration from a file, and looking up a name.
pub(crate) fn with_files(mut document: Document) -> Document {
    let grants = &mut document.components[0].grants;
    grants.config = vec![ConfigEntry { key: "region".into(), value: None, file: Some("config-0".into()) }];
    let lookup = vec!["a.example".into()];
    grants.sockets = Some(SocketsGrant { lookup, ..SocketsGrant::default() });
    document.mounts = vec![Mount {
        volume: "files".into(),
        kind: VolumeKind::Projected,
        destination: FILES.into(),
        read_only: true,
        used_for: MountUse::Files,
    }];
    document
}

/// Where the kubelet would mount the files that grants name.
pub(crate) const FILES: &str = "/run/hayride.dev/files";
