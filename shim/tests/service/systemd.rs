//! Cgroups that systemd owns: run by `hack/vm-tests -s`.

use crate::harness::{Node, client, code, connect, occupied, patience, told, wait_for};
use containerd_shim_protos::api::{CreateTaskRequest, UpdateTaskRequest};
use containerd_shim_protos::protobuf::MessageField;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use morph_shim::spec::Resources;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use ttrpc::Code;

fn systemctl(arguments: &[&str]) -> String {
    let output = Command::new("systemctl").args(arguments).output().unwrap();
    assert!(output.status.success(), "systemctl {arguments:?}: {}", told(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Asks for a sandbox in the scope `PREFIX-ID.scope` of a slice of its own.
fn request(node: &Node, id: &str, prefix: &str) -> CreateTaskRequest {
    let spec = json!({
        "annotations": {
            "io.kubernetes.cri.container-type": "sandbox",
            "io.kubernetes.cri.sandbox-id": id,
            "io.kubernetes.cri.sandbox-namespace": "demo",
        },
        "linux": {
            "cgroupsPath": format!("morphservice.slice:{prefix}:{id}"),
            "namespaces": [{ "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "pid" }],
            "resources": { "pids": { "limit": 40 } },
        },
    });
    let bundle = node.bundle(id, &spec).display().to_string();
    CreateTaskRequest { id: id.into(), bundle, ..CreateTaskRequest::default() }
}

fn directory(unit: &str) -> PathBuf {
    Path::new("/sys/fs/cgroup/morphservice.slice").join(unit)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_kept_by_systemd() {
    let node = Node::new().await;
    let prefix = format!("u{}", std::process::id());
    let (unit, request) = (format!("{prefix}-s1.scope"), request(&node, "s1", &prefix));
    let client = client(&node.start("s1")).await;
    client.create(patience(), &request).await.unwrap();
    let shown = || systemctl(&["show", "--value", "-p", "TasksMax", &unit]);
    assert_eq!(shown(), "40");
    let update = UpdateTaskRequest {
        id: "s1".into(),
        resources: MessageField::some(Any { value: br#"{"pids": {"limit": 17}}"#.into(), ..Any::default() }),
        ..UpdateTaskRequest::default()
    };
    client.update(patience(), &update).await.unwrap();
    assert_eq!(shown(), "17");
    systemctl(&["daemon-reload"]);
    let limit = std::fs::read_to_string(directory(&unit).join("pids.max")).unwrap();
    assert_eq!(limit.trim(), "17");
}

/// A process in a scope of this name that somebody else has had systemd make.
fn scope_of_another(slice: &str, unit: &str) -> Child {
    let (slice_is, name_is) = (format!("--slice={slice}"), format!("--unit={unit}"));
    let mut run = Command::new("systemd-run");
    let other = run.args(["--scope", &slice_is, &name_is, "sleep", "1000"]).spawn().unwrap();
    let place = Path::new("/sys/fs/cgroup").join(slice).join(unit);
    wait_for("another's scope", || place.exists());
    other
}

/// And ends it.
fn check_goes_on(mut other: Child, unit: &str) {
    assert_eq!(systemctl(&["show", "--value", "-p", "ActiveState", unit]), "active");
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_with_somebody_in_it_is_refused_and_goes_on() {
    let node = Node::new().await;
    let prefix = format!("o{}", std::process::id());
    let (unit, request) = (format!("{prefix}-s1.scope"), request(&node, "s1", &prefix));
    let other = scope_of_another("morphservice.slice", &unit);
    let client = client(&node.start("s1")).await;
    let error = client.create(patience(), &request).await.unwrap_err().to_string();
    assert!(error.contains(&unit) && error.contains("already"), "{error}");
    assert_eq!(code(client.connect(patience(), &connect("s1")).await), Code::NOT_FOUND);
    check_goes_on(other, &unit);
}

/// Names are systemd's own, whatever the slice: only systemd knows that this one is taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_is_refused_in_systemds_words_and_its_owner_goes_on() {
    let node = Node::new().await;
    let prefix = format!("n{}", std::process::id());
    let (unit, request) = (format!("{prefix}-s1.scope"), request(&node, "s1", &prefix));
    let other = scope_of_another("morphother.slice", &unit);
    let client = client(&node.start("s1")).await;
    let error = client.create(patience(), &request).await.unwrap_err().to_string();
    assert!(error.contains(&unit) && error.contains("systemd says"), "{error}");
    assert_eq!(code(client.connect(patience(), &connect("s1")).await), Code::NOT_FOUND);
    assert!(!directory(&unit).exists());
    assert!(node.command("s1", "delete").output().unwrap().status.success());
    check_goes_on(other, &unit);
}

/// The kernel tells of a cgroup no more than once in ten milliseconds, and never of one that is gone.
#[test]
fn a_cgroup_that_is_removed_at_once_leaves_no_scope() {
    let units: Vec<String> = (0..8).map(|n| format!("q{}-{n}.scope", std::process::id())).collect();
    let state = |unit: &String| systemctl(&["show", "--value", "-p", "LoadState", unit]);
    for unit in &units {
        let (cgroup, mut child) = occupied(&Path::new("morphservice.slice").join(unit));
        cgroup.adopt(child.id().cast_signed(), &Resources::default()).unwrap();
        for frozen in [true, false] {
            cgroup.freeze(frozen).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        cgroup.remove().unwrap();
        assert!(!directory(unit).exists());
    }
    wait_for("scopes gone", || units.iter().all(|unit| state(unit) == "not-found"));
}
