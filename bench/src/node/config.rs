//! Configuration of the node: containerd's, the bridge's and the shim's. What it writes, `Node` starts.

use crate::pod::{CLUSTER, Runtime};
use crate::programs::Programs;
use anyhow::{Context, Result};
use morph_grant::SigningKey;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Addresses of pods, apart from those of the local cluster.
const PODS: &str = "10.231.0.0/20";

/// Names outside of the node's directory.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// Above the pods' cgroups.
    pub(super) cgroup: String,
    /// The pods' bridge.
    pub(super) bridge: String,
}

impl Names {
    /// They have the process in them: nodes may be there side by side.
    pub(super) fn new() -> Self {
        let id = std::process::id();
        Self { cgroup: format!("/morph-bench-{id}"), bridge: format!("mb{id}") }
    }
}

type Shims = BTreeMap<Runtime, Result<PathBuf, String>>;

/// Writes everything.
pub(super) fn write(directory: &Path, names: &Names, shims: &Shims, signer: &SigningKey) -> Result<()> {
    let root = directory.display();
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        let parent = path.parent().context("a file lies in a directory")?;
        fs::create_dir_all(parent)?;
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    write("keys/bench.pem", signer.public().to_pem()?)?;
    write(
        "node.toml",
        format!(
            "cluster = '{CLUSTER}'\ncache_dir = '{root}/cache'\nrun_dir = '{root}/run'\n\
             kubelet_dir = '{root}/kubelet'\ntrusted_keys_dir = '{root}/keys'\n\
             denials_socket = '{root}/denials.sock'\n"
        ),
    )?;
    write("cni/10-bridge.conflist", bridge(directory, names).to_string())?;
    let cni = Programs::tool("cni", "bridge")?;
    let cni = cni.parent().context("a program lies in a directory")?;
    let runc = Programs::tool("runc", "runc")?;
    write("config.toml", containerd(directory, cni, &runc, shims))
}

fn bridge(directory: &Path, names: &Names) -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0", "name": "bench",
        "plugins": [bridge_plugin(directory, &names.bridge)],
    })
}

fn bridge_plugin(directory: &Path, bridge: &str) -> serde_json::Value {
    json!({
        "type": "bridge", "bridge": bridge, "isGateway": true,
        "ipam": {
            "type": "host-local", "dataDir": directory.join("addresses"),
            "ranges": [[{ "subnet": PODS }]], "routes": [{ "dst": "0.0.0.0/0" }],
        },
    })
}

/// The bridge plugin's own configuration, as containerd hands it over.
pub(super) fn plugin(directory: &Path, names: &Names) -> String {
    let mut plugin = bridge_plugin(directory, &names.bridge);
    plugin["cniVersion"] = json!("1.0.0");
    plugin["name"] = json!("bench");
    plugin.to_string()
}

fn containerd(directory: &Path, cni: &Path, runc: &Path, shims: &Shims) -> String {
    let root = directory.display();
    let mut text = format!(
        "version = 3
root = '{root}/root'
state = '{root}/state'
[grpc]
address = '{root}/c.sock'
[ttrpc]
address = '{root}/c.sock.ttrpc'
[plugins.'io.containerd.internal.v1.opt']
path = '{root}/opt'
[plugins.'io.containerd.nri.v1.nri']
disable = true
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'bench.example/pause:1'
[plugins.'io.containerd.cri.v1.runtime']
# Nothing may lower an oom_score_adj without CAP_SYS_RESOURCE, which machines for tests often lack.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['{}']
conf_dir = '{root}/cni'
",
        cni.display()
    );
    for (runtime, shim) in shims {
        let Ok(shim) = shim else { continue };
        let (kind, more) = match runtime {
            Runtime::Morph => ("io.containerd.morph.v1", "pod_annotations = ['hayride.dev/*']\n".to_owned()),
            Runtime::Peer => ("io.containerd.peer.v1", String::new()),
            Runtime::Runc => ("io.containerd.runc.v2", runc_options(&root, runc)),
            Runtime::Null => ("io.containerd.null.v1", String::new()),
        };
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.{}]\nruntime_type = '{kind}'\n\
             runtime_path = '{}'\n{more}",
            runtime.handler(),
            shim.display()
        );
    }
    text
}

fn runc_options(root: &dyn std::fmt::Display, runc: &Path) -> String {
    format!(
        "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nBinaryName = '{}'\n\
         Root = '{root}/runc'\n",
        runc.display()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(peer: Result<PathBuf, String>) -> String {
        let shims = BTreeMap::from([(Runtime::Morph, Ok("/n/morph".into())), (Runtime::Peer, peer)]);
        containerd(Path::new("/n"), Path::new("/cni"), Path::new("/runc"), &shims)
    }

    #[test]
    fn a_peer_that_is_not_there_is_no_runtime() {
        assert!(text(Ok("/n/peer".into())).contains("runtimes.peer]"));
        assert!(!text(Err("no compiler".into())).contains("peer"));
    }

    #[test]
    fn morphs_pods_show_their_grant_to_the_shim() {
        let text = text(Err(String::new()));
        let own = text.split("runtimes.morph]").nth(1).unwrap();
        assert!(own.contains("pod_annotations = ['hayride.dev/*']"), "{own}");
        assert!(own.contains("runtime_path = '/n/morph'"), "{own}");
    }

    #[test]
    fn nothing_lies_outside_of_the_nodes_directory() {
        let text = text(Err(String::new()));
        let outside = text.lines().find(|line| line.contains("/run/") || line.contains("/var/"));
        assert_eq!(outside, None);
        let plugin = plugin(Path::new("/n"), &Names { cgroup: String::new(), bridge: "b".into() });
        assert!(plugin.contains("\"/n/addresses\"") && plugin.contains("\"bridge\":\"b\""), "{plugin}");
    }
}
