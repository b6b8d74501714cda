//! Specs as containerd writes them, and what is taken from them.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use serde_json::json;

fn parse(value: &serde_json::Value) -> Result<Spec, SpecError> {
    Spec::parse(value.to_string().as_bytes(), "c1")
}

fn pod_annotations(kind: &str) -> serde_json::Value {
    json!({
        "io.kubernetes.cri.container-type": kind,
        "io.kubernetes.cri.sandbox-id": "s1",
        "io.kubernetes.cri.sandbox-namespace": "demo",
        "io.kubernetes.cri.sandbox-name": "hello-1",
        "io.kubernetes.cri.sandbox-uid": "u1",
        "io.kubernetes.cri.container-name": "hello",
        "io.kubernetes.cri.image-name": "registry.test/hello:1",
    })
}

fn pod() -> Pod {
    Pod { namespace: "demo".into(), name: "hello-1".into(), uid: "u1".into() }
}

#[test]
fn cri_says_what_a_container_is() {
    let role = |kind| parse(&json!({ "annotations": pod_annotations(kind) })).unwrap().role;
    assert_eq!(role("sandbox"), Role::Sandbox(pod()));
    let image = "registry.test/hello:1".to_owned();
    let container = Role::Container { pod: pod(), sandbox: "s1".into(), name: "hello".into(), image };
    assert_eq!(role("container").sandbox(), Some("s1"));
    assert_eq!(role("container"), container);
}

#[test]
fn without_cri_a_container_stands_alone() {
    assert_eq!(parse(&json!({})).unwrap().role, Role::Alone { image: None });
    let named = json!({ "annotations": { "io.kubernetes.cri.image-name": "a@b" } });
    assert_eq!(parse(&named).unwrap().role, Role::Alone { image: Some("a@b".into()) });
}

#[test]
fn half_an_annotation_is_refused_by_name() {
    for (kind, missing) in [
        ("container", "io.kubernetes.cri.sandbox-id"),
        ("container", "io.kubernetes.cri.container-name"),
        ("container", "io.kubernetes.cri.image-name"),
        ("sandbox", "io.kubernetes.cri.sandbox-namespace"),
    ] {
        let mut annotations = pod_annotations(kind);
        annotations.as_object_mut().unwrap().remove(missing);
        let error = parse(&json!({ "annotations": annotations })).unwrap_err().to_string();
        assert!(error.contains(missing), "{error}");
    }
    let error = parse(&json!({ "annotations": pod_annotations("guest") })).unwrap_err().to_string();
    assert!(error.contains("guest"), "{error}");
}

#[test]
fn namespaces_are_the_nodes_new_or_joined() {
    let spec = parse(&json!({ "linux": { "namespaces": [
        { "type": "network", "path": "/var/run/netns/x" }, { "type": "ipc" }, { "type": "pid" },
    ]}}))
    .unwrap();
    assert_eq!(spec.net, Namespace::Join("/var/run/netns/x".into()));
    assert_eq!(spec.ipc, Namespace::New);
    assert_eq!(spec.uts, Namespace::Host);
    assert!(spec.own_pid_namespace);
    assert!(!spec.user_namespace);
}

#[test]
fn a_process_is_taken_as_it_stands() {
    let spec = parse(&json!({ "process": {
        "user": { "uid": 1000, "gid": 2000, "additionalGids": [3000] },
        "env": ["A=1"], "oomScoreAdj": 985,
        "rlimits": [{ "type": "RLIMIT_NOFILE", "soft": 10, "hard": 20 }],
    }}))
    .unwrap();
    assert_eq!((spec.uid, spec.gid, spec.groups), (1000, 2000, vec![3000]));
    assert_eq!(spec.env, ["A=1"]);
    assert_eq!(spec.oom_score_adj, Some(985));
    assert_eq!(spec.rlimits, [Rlimit { name: "RLIMIT_NOFILE".into(), soft: 10, hard: 20 }]);
}

#[test]
fn a_mount_is_found_by_its_destination() {
    let spec = parse(&json!({ "mounts": [
        { "destination": "/data", "type": "bind", "source": "/src", "options": ["rbind", "ro"] },
        { "destination": "/proc", "type": "proc", "source": "proc" },
    ]}))
    .unwrap();
    let data = Mount { destination: "/data".into(), source: "/src".into(), read_only: true, bind: true };
    assert_eq!(spec.mount("/data"), Some(&data));
    assert!(!spec.mount("/proc").unwrap().bind);
    assert_eq!(spec.mount("/other"), None);
}

#[test]
fn resources_are_read_and_strangers_passed_over() {
    let spec = parse(&json!({ "linux": { "resources": {
        "devices": [{ "allow": false }], "memory": { "limit": 67108864, "checkBeforeUpdate": true },
        "cpu": { "shares": 10, "quota": 5000, "period": 100000 }, "pids": { "limit": 64 },
        "unified": { "memory.oom.group": "1" },
    }}}))
    .unwrap();
    assert_eq!(spec.resources.memory.unwrap().limit, Some(64 << 20));
    assert_eq!(spec.resources.cpu.unwrap().quota, Some(5000));
    assert_eq!(spec.resources.pids.unwrap().limit, 64);
    assert_eq!(spec.resources.unified["memory.oom.group"], "1");
}

#[test]
fn cgroup_paths_of_both_drivers_are_understood() {
    for (text, want) in [
        ("/kubepods/besteffort/podu1/c1", "kubepods/besteffort/podu1/c1"),
        ("", "morph/c1"),
        (
            "kubepods-burstable-podu_1.slice:cri-containerd:c1",
            "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podu_1.slice/cri-containerd-c1.scope",
        ),
        ("system.slice::c1", "system.slice/c1.scope"),
    ] {
        assert_eq!(cgroup_path(text, "c1").unwrap(), Path::new(want), "{text}");
    }
}

#[test]
fn a_cgroup_path_never_leads_out() {
    for text in ["/", "/a/../..", "../x", "noslice:a:b", "-a.slice:p:n", ".slice:p:n", "a.slice:p:../../x"] {
        assert!(cgroup_path(text, "c1").is_err(), "{text}");
    }
}

#[test]
fn a_spec_that_is_none_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let error = Spec::read(directory.path(), "c1").unwrap_err().to_string();
    assert!(error.contains("config.json"), "{error}");
    std::fs::write(directory.path().join("config.json"), "[]").unwrap();
    assert!(matches!(Spec::read(directory.path(), "c1"), Err(SpecError::Parse { .. })));
}
