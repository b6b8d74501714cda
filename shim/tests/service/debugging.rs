//! Containers that `kubectl debug --target` adds to a pod: whatever they run, they are in the pod's
//! namespaces, in nobody else's pids, and never in the node's.

use crate::harness::{Node, delete, kill, patience, start, wait};
use crate::pod::Pod;
use crate::spec::document;
use crate::store::Store;
use crate::walk::component;
use containerd_shim_protos::api::CreateTaskRequest;
use std::path::PathBuf;

/// A namespace of a process.
fn namespace(pid: u32, kind: &str) -> PathBuf {
    std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap()
}

/// Wants a process to be in the pod's namespaces, and in a pid namespace of its own.
#[track_caller]
fn check_place(pid: u32, pod: &Pod<'_>, target: u32) {
    let node = std::process::id();
    for kind in ["net", "ipc", "uts"] {
        assert_eq!(namespace(pid, kind), namespace(pod.pid, kind), "{kind}");
        assert_ne!(namespace(pid, kind), namespace(node, kind), "{kind}");
    }
    for other in [node, pod.pid, target] {
        assert_ne!(namespace(pid, "pid"), namespace(other, "pid"));
    }
}

/// What creates a container that somebody has added, as CRI writes its spec.
fn creation_targeting(pod: &Pod<'_>, id: &str, image: &str, target: u32) -> CreateTaskRequest {
    let mut spec = pod.added(id, "debugger", image).json().clone();
    let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
    let pids = namespaces.iter_mut().find(|namespace| namespace["type"] == "pid").unwrap();
    pids["path"] = format!("/proc/{target}/ns/pid").into();
    let bundle = pod.node.bundle(id, &spec).display().to_string();
    CreateTaskRequest { id: id.into(), bundle, ..CreateTaskRequest::default() }
}

/// A pod with a guest that does nothing for long, and a container that targets it, created; its pid and code.
async fn check_debugger(image: impl FnOnce(&Store) -> String, code: u32) {
    let node = Node::new().await;
    let store = node.store();
    let guest = store.guest("command");
    let pod = Pod::start(&node, "s1", document(&guest, "command", &["sleep", "3600000"])).await;
    let target = pod.run(pod.creation("c1", &guest)).await;
    let request = creation_targeting(&pod, "d1", &image(&store), target);
    let debugger = pod.client.create(patience(), &request).await.unwrap().pid;
    check_place(debugger, &pod, target);
    pod.client.start(patience(), &start("d1")).await.unwrap();
    if code == 137 {
        check_place(debugger, &pod, target);
        pod.client.kill(patience(), &kill("d1", libc::SIGKILL)).await.unwrap();
    }
    assert_eq!(pod.client.wait(patience(), &wait("d1")).await.unwrap().exit_status, code);
    pod.client.delete(patience(), &delete("d1")).await.unwrap();
    for id in ["c1", "s1"] {
        pod.client.kill(patience(), &kill(id, libc::SIGKILL)).await.unwrap();
        pod.client.wait(patience(), &wait(id)).await.unwrap();
        pod.client.delete(patience(), &delete(id)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_in_its_pods_namespaces_whomever_it_targets() {
    check_debugger(|store| store.image("endless", component("loop br 0 end i32.const 0")), 137).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_component_waits_for_its_end_in_its_pods_namespaces() {
    check_debugger(|store| store.image("garbage", b"garbage".into()), 127).await;
}
