//! Every pod of every plan against the Pod Security Standard *restricted*, by a reading of the standard that
//! shares nothing with the lint; and that a plan holds no more than its Morph says.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::property::{any_morph, see};
use crate::morph::fixture::{command, morph, planned, seen, server};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Volumes that *restricted* lets a pod have.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
];

/// The standard's rules that a pod's spec breaks.
fn broken(pod: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let mut unless = |holds: bool, rule: &str| {
        if !holds {
            broken.push(rule.to_owned());
        }
    };
    for flag in ["hostNetwork", "hostPID", "hostIPC"] {
        unless(pod[flag] != true, flag);
    }
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let sources: Vec<_> = volume.as_object().unwrap().keys().filter(|key| *key != "name").collect();
        let allowed = |source: &&String| VOLUMES.contains(&source.as_str()) || **source == "secret";
        unless(sources.len() == 1 && sources.iter().all(allowed), "volume types");
    }
    let shared = &pod["securityContext"];
    unless(shared["sysctls"].is_null(), "sysctls");
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    for container in lists.iter().flat_map(|list| pod[*list].as_array().into_iter().flatten()) {
        let own = &container["securityContext"];
        let effective =
            |field: &str| if own[field].is_null() { shared[field].clone() } else { own[field].clone() };
        unless(own["privileged"] != true, "privileged");
        unless(own["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation");
        unless(effective("runAsNonRoot") == true, "runAsNonRoot");
        unless(effective("runAsUser") != 0, "runAsUser");
        unless(own["capabilities"]["drop"].as_array().is_some_and(|all| all.contains(&json!("ALL"))), "drop");
        unless(own["capabilities"]["add"].is_null(), "add");
        unless(own["procMount"].is_null(), "procMount");
        unless(effective("seLinuxOptions").is_null(), "seLinuxOptions");
        unless(
            ["RuntimeDefault", "Localhost"].iter().any(|kind| effective("seccompProfile")["type"] == *kind),
            "seccompProfile",
        );
        for port in container["ports"].as_array().into_iter().flatten() {
            unless(port["hostPort"].is_null(), "hostPort");
        }
    }
    broken
}

/// The pod specs in a plan's objects.
fn pods(objects: &[Value]) -> Vec<&Value> {
    let paths = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
    objects.iter().filter_map(|object| paths.iter().find_map(|path| object.pointer(path))).collect()
}

fn objects(seen: &crate::morph::Seen) -> Vec<Value> {
    planned(seen).apply.iter().map(|object| object.to_value()).collect()
}

#[test]
fn every_golden_pod_keeps_restricted() {
    let mut count = 0;
    for entry in std::fs::read_dir(super::golden("")).unwrap() {
        let path = entry.unwrap().path().join("plan.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        let documents: Vec<Value> =
            text.split("---\n").map(|document| serde_norway::from_str(document).unwrap()).collect();
        for pod in pods(&documents) {
            assert_eq!(broken(pod), Vec::<String>::new(), "{}", path.display());
            assert_eq!(pod["automountServiceAccountToken"], false, "{}", path.display());
            assert_eq!(pod["runtimeClassName"], "morph", "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 10, "{count}");
}

/// Were the reading above blind, the test above would say nothing.
#[test]
fn the_reading_of_the_standard_sees_what_breaks_it() {
    let whole = objects(&seen(morph("image: r.test/a:1\n"), server()));
    let pod = pods(&whole)[0].clone();
    assert_eq!(broken(&pod), Vec::<String>::new());
    for (pointer, field, value, rule) in [
        ("", "hostNetwork", json!(true), "hostNetwork"),
        ("", "hostPID", json!(true), "hostPID"),
        ("", "volumes", json!([{ "name": "a", "hostPath": { "path": "/" } }]), "volume types"),
        ("/securityContext", "sysctls", json!([]), "sysctls"),
        ("/securityContext", "runAsNonRoot", json!(false), "runAsNonRoot"),
        ("/securityContext", "runAsUser", json!(0), "runAsUser"),
        ("/securityContext", "seccompProfile", json!({ "type": "Unconfined" }), "seccompProfile"),
        ("/containers/0/securityContext", "privileged", json!(true), "privileged"),
        (
            "/containers/0/securityContext",
            "allowPrivilegeEscalation",
            json!(null),
            "allowPrivilegeEscalation",
        ),
        ("/containers/0/securityContext/capabilities", "drop", json!(["KILL"]), "drop"),
        ("/containers/0/securityContext/capabilities", "add", json!(["SYS_ADMIN"]), "add"),
        ("/containers/0/ports/0", "hostPort", json!(80), "hostPort"),
    ] {
        let mut wrong = pod.clone();
        wrong.pointer_mut(pointer).unwrap()[field] = value;
        assert_eq!(broken(&wrong), [rule], "{pointer} {field}");
    }
}

proptest! {
    #[test]
    fn any_pod_keeps_restricted(any in any_morph()) {
        let objects = objects(&see(&any));
        let pods = pods(&objects);
        prop_assert_eq!(pods.len(), 1);
        prop_assert_eq!(broken(pods[0]), Vec::<String>::new());
    }

    /// Values that stand in the YAML reach the guest by the grant alone: nothing expands them on the way, and
    /// nobody reads them in an object that the grant isn't in.
    #[test]
    fn no_argument_and_no_literal_value_leaves_the_grant(word in "[a-z]{12}") {
        let spec = format!("image: r.test/a:1\nargs: [x{word}]\nenv: [{{name: A, value: y{word}}}]\n");
        for world in [server(), command()] {
            let mut all = objects(&seen(morph(&spec), world));
            let grant = "/spec/template/metadata/annotations";
            for annotations in all.iter_mut().filter_map(|object| object.pointer_mut(grant)) {
                let text = annotations[morph_grant::ANNOTATION].as_str().unwrap();
                let document = super::document(text);
                prop_assert_eq!(&document.args, &[format!("x{word}")]);
                annotations[morph_grant::ANNOTATION].take();
            }
            prop_assert!(!json!(all).to_string().contains(&word));
        }
    }
}

/// A volume with a grant for reading or writing, or with none.
fn with_grant(grant: &str) -> Value {
    let grants =
        if grant.is_empty() { String::new() } else { format!("{{volume: v, path: /guest, {grant}}}") };
    let spec = format!(
        "image: r.test/a:1\nvolumes: [{{name: v, emptyDir: {{}}}}, {{name: w, secret: {{secretName: s}}}}]\n\
         capabilities: {{filesystem: [{grants}]}}\n"
    );
    let objects = objects(&seen(morph(&spec), server()));
    pods(&objects)[0].clone()
}

#[test]
fn a_grant_that_is_taken_away_takes_its_volume_along() {
    let [write, read, none] = ["access: ReadWrite", "access: ReadOnly", ""].map(with_grant);
    let mount = |pod: &Value| pod["containers"][0]["volumeMounts"][0].clone();
    let path = "/run/hayride.dev/volumes/v";
    assert_eq!(mount(&write), json!({ "name": "v", "mountPath": path }));
    assert_eq!(mount(&read), json!({ "name": "v", "mountPath": path, "readOnly": true }));
    assert_eq!((mount(&none), none["volumes"].clone()), (Value::Null, Value::Null));
    for pod in [write, read] {
        assert_eq!(
            pod["volumes"],
            json!([{ "name": "v", "emptyDir": {} }]),
            "the Secret is granted to nobody"
        );
        assert!(!pod.to_string().contains("/guest"), "the guest's path is the shim's business");
    }
}

#[test]
fn a_label_of_a_user_never_takes_the_place_of_ours() {
    let spec = "image: r.test/a:1\ntemplate: {labels: {team: a, app: hello}, annotations: {note: n}}\n";
    for world in [server(), command()] {
        let objects = objects(&seen(morph(spec), world));
        let workload = objects.last().unwrap();
        let labels = &workload["spec"]["template"]["metadata"]["labels"];
        assert_eq!((&labels["team"], &labels["hayride.dev/morph"]), (&json!("a"), &json!("hello")));
        for object in &objects {
            let own = object["metadata"]["labels"].as_object().unwrap();
            assert!(own.keys().all(|key| key.starts_with("hayride.dev/")), "{own:?}");
        }
    }
}
