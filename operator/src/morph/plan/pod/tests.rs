//! Each option of the template, by the place where it arrives; and what no option can take away.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::morph::fixture::{command, morph, planned, seen, server};
use morph_component::World;
use serde_json::{Value, json};

/// The pod template of this spec's workload.
fn template(fields: &str, world: World) -> Value {
    let plan = planned(&seen(morph(&format!("image: r.test/hello:1\n{fields}\n")), world));
    let workload = plan.apply.last().unwrap().to_value();
    let job = &workload["spec"]["jobTemplate"];
    if job.is_null() { workload["spec"]["template"].clone() } else { job["spec"]["template"].clone() }
}

#[test]
fn each_option_arrives_in_its_place() {
    for (option, pointer, want) in [
        ("labels: {a: b}", "/metadata/labels/a", json!("b")),
        ("annotations: {a.test/b: c}", "/metadata/annotations/a.test~1b", json!("c")),
        ("nodeSelector: {a: b}", "/spec/nodeSelector", json!({ "a": "b" })),
        ("tolerations: [{key: k, operator: Exists}]", "/spec/tolerations/0/key", json!("k")),
        (
            "affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}",
            "/spec/affinity/nodeAffinity/preferredDuringSchedulingIgnoredDuringExecution",
            json!([]),
        ),
        (
            "topologySpreadConstraints: [{maxSkew: 2, topologyKey: z, whenUnsatisfiable: DoNotSchedule}]",
            "/spec/topologySpreadConstraints/0/maxSkew",
            json!(2),
        ),
        ("priorityClassName: high", "/spec/priorityClassName", json!("high")),
        ("serviceAccountName: other", "/spec/serviceAccountName", json!("other")),
        ("imagePullSecrets: [{name: s}]", "/spec/imagePullSecrets", json!([{ "name": "s" }])),
        ("imagePullPolicy: Never", "/spec/containers/0/imagePullPolicy", json!("Never")),
        ("terminationGracePeriodSeconds: 99", "/spec/terminationGracePeriodSeconds", json!(99)),
    ] {
        for world in [server(), command()] {
            let template = template(&format!("template: {{{option}}}"), world);
            assert_eq!(template.pointer(pointer), Some(&want), "{option}: {template:#}");
        }
    }
}

#[test]
fn what_is_not_asked_is_not_there() {
    let template = template("", server());
    for absent in [
        "volumes",
        "imagePullSecrets",
        "nodeSelector",
        "affinity",
        "tolerations",
        "topologySpreadConstraints",
        "priorityClassName",
        "hostNetwork",
        "initContainers",
    ] {
        assert!(template["spec"].get(absent).is_none(), "{absent}");
    }
    for absent in ["env", "envFrom", "args", "resources", "volumeMounts", "livenessProbe", "lifecycle"] {
        assert!(template["spec"]["containers"][0].get(absent).is_none(), "{absent}");
    }
}

#[test]
fn a_server_starts_again_and_a_command_is_tried_in_a_new_pod() {
    for (fields, world, want) in [
        ("", server(), "Always"),
        ("", command(), "Never"),
        ("run: {schedule: \"@daily\"}", command(), "Never"),
    ] {
        assert_eq!(template(fields, world)["spec"]["restartPolicy"], want);
    }
}

#[test]
fn only_a_server_has_a_port_and_probes() {
    let server = template("", server());
    let command = template("", command());
    for name in ["ports", "readinessProbe"] {
        assert!(server["spec"]["containers"][0].get(name).is_some(), "{name}");
        assert!(command["spec"]["containers"][0].get(name).is_none(), "{name}");
    }
}

#[test]
fn the_morphs_own_labels_are_not_copied() {
    let mut morph = morph("image: r.test/hello:1\n");
    morph.metadata.labels = Some([("team".to_owned(), "a".to_owned())].into());
    morph.metadata.annotations = Some([("team".to_owned(), "a".to_owned())].into());
    for object in planned(&seen(morph, server())).apply {
        assert!(!object.to_value().to_string().contains("team"), "{}", object.name());
    }
}

#[test]
fn amounts_arrive_as_they_were_written() {
    let fields =
        "resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 1.5Gi, ephemeral-storage: 1G}}";
    let resources = &template(fields, server())["spec"]["containers"][0]["resources"];
    assert_eq!(
        *resources,
        json!({ "requests": { "cpu": "10m", "memory": "16Mi" },
            "limits": { "memory": "1.5Gi", "ephemeral-storage": "1G" } })
    );
    let none = &template("resources: {requests: {}}", server())["spec"]["containers"][0]["resources"];
    assert_eq!(*none, json!({}));
}

#[test]
fn the_image_is_pinned_and_the_tag_is_gone() {
    let image = template("", server())["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    let (repository, digest) = image.split_once('@').unwrap();
    assert_eq!((repository, digest.len()), ("r.test/hello", "sha256:".len() + 64));
}

#[test]
fn a_job_says_as_much_as_a_cron_jobs_job() {
    let strip = |mut template: Value| {
        template["metadata"]["annotations"] = Value::Null;
        template
    };
    let job = template("run: {completions: 2}", command());
    let cron = template("run: {completions: 2, schedule: \"@daily\"}", command());
    assert_eq!(strip(job), strip(cron));
}
