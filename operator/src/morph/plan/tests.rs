//! Golden plans, and what holds of all plans.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::morph::fixture::{applied, command, morph, planned, seen, server, settled, signer, world};
use crate::morph::{ChildKind, Children, Plan, Seen};
use morph_component::World;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

mod plugs;
mod property;
mod restricted;

/// A golden case: `tests/golden/NAME/spec.yaml` in, `plan.yaml` out.
fn check_golden(name: &str, world: World) {
    check_golden_after(name, world, |_| Children::default());
}

fn check_golden_after(name: &str, world: World, before: impl Fn(&Seen) -> Children) {
    let seen = golden_seen(name, world);
    let children = before(&seen);
    let plan = planned(&seen.with(children));
    check_file(&golden(name).join("plan.yaml"), &render(&plan));
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn golden_seen(name: &str, world: World) -> Seen {
    let path = golden(name).join("spec.yaml");
    let spec = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    seen(morph(&spec), world)
}

fn check_file(path: &Path, text: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, text).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(golden == text, "{} is stale; UPDATE=1 rewrites it. It should be:\n{text}", path.display());
}

/// A plan as YAML; the grant is shown opened.
fn render(plan: &Plan) -> String {
    let deletions = plan.delete.iter().map(|deletion| {
        json!({ "delete": format!("{} {}", deletion.kind.as_str(), deletion.name),
            "uid": deletion.uid, "resourceVersion": deletion.resource_version,
            "waitForPods": deletion.wait_for_pods })
    });
    let objects = plan.apply.iter().map(|object| open(object.to_value()));
    let documents = deletions.chain(objects).map(|value| serde_norway::to_string(&value).unwrap());
    documents.collect::<Vec<_>>().join("---\n")
}

/// The document in an annotation that the fixture's key has signed.
fn document(text: &str) -> morph_grant::Document {
    morph_grant::open(text, &[signer().public()].into_iter().collect()).unwrap()
}

fn open(value: Value) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| match value {
                Value::String(text) if key == morph_grant::ANNOTATION => {
                    (key, serde_json::to_value(document(&text)).unwrap())
                }
                other => (key, open(other)),
            })
            .collect(),
        Value::Array(list) => list.into_iter().map(open).collect(),
        other => other,
    }
}

#[test]
fn a_server_becomes_service_and_deployment() {
    check_golden("server", server());
}

#[test]
fn every_field_of_a_server_arrives() {
    check_golden("server-full", server());
}

#[test]
fn every_kind_of_volume_arrives_if_it_is_granted() {
    check_golden("volumes", server());
}

#[test]
fn every_kind_of_env_arrives() {
    check_golden("env", server());
}

#[test]
fn probes_replace_the_default_ones() {
    check_golden("probes", server());
}

#[test]
fn scheduling_arrives() {
    check_golden("scheduling", server());
}

#[test]
fn http_with_a_credential_and_certificates_arrives() {
    check_golden("http", asks("wasi:http/outgoing-handler@0.2.3"));
}

#[test]
fn sockets_arrive() {
    check_golden("sockets", asks("wasi:sockets/tcp-create-socket@0.2.3"));
}

#[test]
fn configuration_buckets_and_logging_arrive() {
    check_golden("state", asks("wasi:keyvalue/store@0.2.0-draft"));
}

#[test]
fn what_is_fixed_and_what_is_withheld_arrives() {
    check_golden("determinism", asks("wasi:clocks/wall-clock@0.2.3"));
}

#[test]
fn every_limit_arrives() {
    check_golden("limits", server());
}

/// A Command that imports this.
fn asks(import: &str) -> World {
    world(&["wasi:cli/stdout@0.2.3", import], &["wasi:cli/run@0.2.3"])
}

#[test]
fn a_morph_with_an_account_given_has_none_of_its_own() {
    check_golden("account", server());
}

#[test]
fn a_command_becomes_a_job() {
    check_golden("command", command());
}

#[test]
fn every_field_of_a_run_arrives() {
    check_golden("command-run", command());
}

#[test]
fn a_schedule_makes_a_cron_job() {
    check_golden("schedule", command());
}

#[test]
fn a_changed_command_deletes_the_old_run_first() {
    check_golden_after("command-changed", command(), |seen| {
        applied(&planned(&golden_seen("command", command())), &seen.children)
    });
}

#[test]
fn a_server_that_becomes_a_command_loses_service_and_deployment() {
    check_golden_after("server-to-command", command(), |seen| {
        applied(&planned(&golden_seen("server", server())), &seen.children)
    });
}

#[test]
fn a_command_that_gets_a_schedule_loses_its_job() {
    check_golden_after("command-to-schedule", command(), |seen| {
        applied(&planned(&golden_seen("command", command())), &seen.children)
    });
}

#[test]
fn there_is_no_golden_file_without_a_test() {
    let source = [include_str!("tests.rs"), include_str!("tests/plugs.rs")].concat();
    for entry in std::fs::read_dir(golden("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(source.contains(&format!("\"{name}\"")), "{name}");
    }
}

/// The pod template of what a spec becomes, as bytes.
fn template(spec: &str, world: World) -> Vec<u8> {
    let plan = planned(&seen(morph(spec), world));
    let object = plan.apply.last().unwrap().to_value();
    serde_json::to_vec(&object["spec"]["template"]).unwrap()
}

const SERVER: &str = "image: r.test/hello:1\n";

#[test]
fn what_changes_a_server_rolls_it_and_scaling_does_not() {
    let base = template(SERVER, server());
    for (change, rolls) in [
        ("replicas: 7", false),
        ("args: []", false),
        ("type: Server", false),
        ("args: [a]", true),
        ("env: [{name: A, value: b}]", true),
        ("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]", true),
        ("envFrom: [{configMapRef: {name: a}}]", true),
        ("http: {port: 9000}", true),
        ("http: {lameDuckSeconds: 4}", true),
        ("limits: {memory: 64Mi}", true),
        ("resources: {requests: {cpu: 10m}}", true),
        ("volumes: [{name: v, emptyDir: {}}]", false),
        ("volumes: [{name: v, emptyDir: {}}]\ncapabilities: {filesystem: [{volume: v, path: /v}]}", true),
        ("template: {annotations: {restarted: today}}", true),
    ] {
        let changed = template(&format!("{SERVER}{change}\n"), server());
        assert_eq!(changed != base, rolls, "{change}");
    }
}

#[test]
fn another_image_of_the_same_tag_rolls() {
    let at = |image: &str| template(&format!("image: {image}\n"), server());
    assert_ne!(at("r.test/hello:1"), at("r.test/hello:2"));
}

#[test]
fn the_order_of_env_and_volumes_rolls_nothing() {
    let one = template(
        "image: r.test/a:1\nenv: [{name: A, value: a}, {name: B, value: b}]\n\
         volumes: [{name: v, emptyDir: {}}, {name: w, emptyDir: {}}]\n\
         capabilities: {filesystem: [{volume: v, path: /v}, {volume: w, path: /w}]}\n",
        server(),
    );
    let other = template(
        "image: r.test/a:1\nenv: [{name: B, value: b}, {name: A, value: a}]\n\
         volumes: [{name: w, emptyDir: {}}, {name: v, emptyDir: {}}]\n\
         capabilities: {filesystem: [{volume: w, path: /w}, {volume: v, path: /v}]}\n",
        server(),
    );
    assert_eq!(String::from_utf8(one).unwrap(), String::from_utf8(other).unwrap());
}

const COMMAND: &str = "image: r.test/hello:1\n";

fn job_name(run: &str) -> String {
    let plan = planned(&seen(morph(&format!("{COMMAND}{run}\n")), command()));
    plan.apply.iter().find(|object| object.kind() == ChildKind::Job).unwrap().name().to_owned()
}

#[test]
fn only_what_a_job_can_not_change_makes_another_job() {
    let base = job_name("");
    for (change, another) in [
        ("run: {suspend: true}", false),
        ("run: {parallelism: 2}", false),
        ("run: {backoffLimit: 0}", false),
        ("run: {activeDeadlineSeconds: 5}", false),
        ("run: {completions: 1}", false),
        ("run: {completions: 2}", true),
        ("args: [a]", true),
        ("template: {priorityClassName: high}", true),
    ] {
        assert_eq!(job_name(change) != base, another, "{change}");
    }
}

#[test]
fn the_next_run_waits_until_the_last_is_gone() {
    let old = planned(&seen(morph(COMMAND), command()));
    let next = seen(morph(&format!("{COMMAND}args: [again]\n")), command());
    let after = applied(&old, &Children::default());
    let first = planned(&next.clone().with(after.clone()));
    assert_eq!(first.delete.len(), 1);
    assert!(first.delete[0].wait_for_pods);
    assert!(first.apply.iter().all(|object| object.kind() != ChildKind::Job));

    let going = applied(&first, &after);
    let second = planned(&next.clone().with(going.clone()));
    assert_eq!(second.delete, []);
    assert!(second.apply.iter().all(|object| object.kind() != ChildKind::Job));

    let third = planned(&next.with(settled(going)));
    assert!(third.apply.iter().any(|object| object.kind() == ChildKind::Job));
}

#[test]
fn a_stranger_of_a_name_that_is_not_needed_stays() {
    let seen_first = seen(morph(COMMAND), command());
    let mut children = applied(&planned(&seen(morph(SERVER), server())), &Children::default());
    children.0.iter_mut().for_each(|child| child.owner = Some("somebody".into()));
    let shared = [ChildKind::ServiceAccount, ChildKind::NetworkPolicy];
    children.0.retain(|child| !shared.contains(&child.kind));
    assert_eq!(planned(&seen_first.with(children)).delete, []);
}

#[test]
fn where_policies_are_off_none_is_made_and_an_old_one_goes() {
    for world in [server(), command()] {
        let fenced = seen(morph(COMMAND), world);
        let before = applied(&planned(&fenced), &Children::default());
        assert!(before.get(ChildKind::NetworkPolicy, "hello").is_some());
        let plan = planned(&Seen { fence: None, ..fenced.with(before) });
        assert!(plan.apply.iter().all(|object| object.kind() != ChildKind::NetworkPolicy));
        let deleted: Vec<_> = plan.delete.iter().map(|deletion| deletion.kind).collect();
        assert_eq!(deleted, [ChildKind::NetworkPolicy]);
    }
}

#[test]
fn no_pods_are_made_while_their_network_policy_goes() {
    for world in [server(), command()] {
        let seen = seen(morph(COMMAND), world);
        let mut children = applied(&planned(&seen), &Children::default());
        children.0.retain(|child| !super::WORKLOADS.contains(&child.kind));
        let policies = |child: &&mut crate::morph::Child| child.kind == ChildKind::NetworkPolicy;
        children.0.iter_mut().filter(policies).for_each(|child| child.deleting = true);
        let fenced = |children: &Children| {
            let plan = planned(&seen.clone().with(children.clone()));
            let kinds: Vec<_> = plan.apply.iter().map(|object| object.kind()).collect();
            [ChildKind::NetworkPolicy].iter().chain(&super::WORKLOADS).any(|kind| kinds.contains(kind))
        };
        assert!(!fenced(&children));
        assert!(fenced(&settled(children)));
    }
}
