//! Ceilings that come, change and go while Morphs run: what the operator says and does, and which bindings it
//! keeps.

use crate::server::{Call, FakeServer, Fault};
use crate::store::Key;
use crate::world::{NAMESPACE, World, server_component};
use morph_operator::ceiling::{self, keep};
use morph_operator::controller;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const LABEL: &str = "hayride.dev/policy";

fn key(name: &str) -> Key {
    Key::new("hayride.dev", "morphpolicies", "", name)
}

fn lay_down(api: &FakeServer, name: &str, words: &Value) {
    let mut spec = json!({ "images": { "prefixes": ["r.example/acme"] } });
    spec.as_object_mut().unwrap().extend(words.as_object().unwrap().clone());
    let policy = json!({
        "apiVersion": "hayride.dev/v1alpha1", "kind": "MorphPolicy",
        "metadata": { "name": name }, "spec": spec,
    });
    api.with(|store| store.create(&key(name), policy));
}

fn label(api: &FakeServer, value: Option<&str>) {
    let namespace = Key::new("", "namespaces", "", NAMESPACE);
    api.with(|store| {
        store.edit(&namespace, |namespace| {
            namespace["metadata"]["labels"] = value.map_or(json!({}), |value| json!({ (LABEL): value }));
        });
    });
}

fn check(world: &World, ceiling: (&str, &str), ready: &str) {
    let owned = |(a, b): (&str, &str)| (a.to_owned(), b.to_owned());
    assert_eq!(world.condition("weather", "WithinCeiling"), owned(ceiling), "{:#}", world.morph("weather"));
    assert_eq!(world.condition("weather", "Ready").1, ready);
}

fn names(api: &FakeServer) -> Vec<String> {
    let all = api.with(|store| store.all("validatingadmissionpolicybindings"));
    all.iter().map(|binding| binding["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_policy_that_is_tightened_keeps_the_pods_and_rolls_nothing_new() {
    let world = World::new(&server_component(""));
    lay_down(&world.api, "strict", &json!({ "maxReplicas": 3 }));
    label(&world.api, Some("strict"));
    world.create("weather", json!({ "replicas": 3 }));
    world.converge("weather").await;
    check(&world, ("True", "WithinPolicy"), "Ready");
    let before = world.children();
    world.api.with(|store| store.edit(&key("strict"), |policy| policy["spec"]["maxReplicas"] = json!(2)));
    world.converge("weather").await;
    check(&world, ("False", "AbovePolicy"), "AbovePolicy");
    assert_eq!(world.condition("weather", "Stalled").0, "True");
    assert_eq!(world.condition("weather", "Available").0, "True", "its pods serve as before");
    assert_eq!(world.condition("weather", "ImportsSatisfied").0, "True", "and what is known of it stays");
    world.edit("weather", |morph| morph["spec"]["args"] = json!(["new"]));
    world.converge("weather").await;
    assert_eq!(world.children(), before);
    let deployment = world.api.with(|store| store.all("deployments")).remove(0);
    assert!(!deployment.to_string().contains("new"), "{deployment:#}");
    world.api.with(|store| store.edit(&key("strict"), |policy| policy["spec"]["maxReplicas"] = json!(3)));
    world.converge("weather").await;
    check(&world, ("True", "WithinPolicy"), "Ready");
}

#[tokio::test]
async fn a_policy_may_drain_and_the_pods_come_back_with_the_right() {
    let world = World::new(&server_component(""));
    lay_down(&world.api, "strict", &json!({ "maxReplicas": 3, "onViolation": "Drain" }));
    label(&world.api, Some("strict"));
    world.create("weather", json!({ "replicas": 3 }));
    world.converge("weather").await;
    world.api.with(|store| store.edit(&key("strict"), |policy| policy["spec"]["maxReplicas"] = json!(2)));
    world.converge("weather").await;
    check(&world, ("False", "AbovePolicy"), "AbovePolicy");
    assert!(!world.children().iter().any(|child| child.starts_with("deployments")), "{:?}", world.children());
    assert!(world.children().iter().any(|child| child.starts_with("services")));
    world.edit("weather", |morph| morph["spec"]["replicas"] = json!(2));
    world.converge("weather").await;
    check(&world, ("True", "WithinPolicy"), "Ready");
}

#[tokio::test]
async fn a_drain_that_is_refused_is_tried_again_soon() {
    let world = World::new(&server_component(""));
    lay_down(&world.api, "strict", &json!({ "onViolation": "Drain" }));
    world.create("weather", json!({ "replicas": 3 }));
    world.converge("weather").await;
    label(&world.api, Some("strict"));
    world.api.faults(|_, call: &Call| (call.verb == "delete").then_some(Fault::Status(403)));
    let next = world.pass("weather").await.unwrap();
    let morph_operator::morph::reconcile::Next::After(wait) = next else { panic!("{next:?}") };
    assert!(wait < Duration::from_secs(60), "{wait:?}");
    world.api.no_faults();
    world.converge("weather").await;
    assert!(!world.children().iter().any(|child| child.starts_with("deployments")));
}

#[tokio::test]
async fn a_label_that_names_no_policy_refuses_and_the_default_is_for_namespaces_without_one() {
    let world = World::new(&server_component(""));
    world.create("weather", json!({ "replicas": 2 }));
    world.converge("weather").await;
    check(&world, ("True", "NoPolicy"), "Ready");
    for value in ["lost", "Not_A.Name", "", "../../v1"] {
        label(&world.api, Some(value));
        world.converge("weather").await;
        check(&world, ("False", "PolicyNotFound"), "PolicyNotFound");
    }
    label(&world.api, None);
    lay_down(&world.api, "default", &json!({}));
    world.converge("weather").await;
    check(&world, ("False", "AbovePolicy"), "AbovePolicy");
    world
        .api
        .with(|store| store.edit(&key("default"), |policy| policy["spec"]["enforcement"] = json!("Warn")));
    world.converge("weather").await;
    check(&world, ("True", "PolicyNotEnforced"), "Ready");
    assert!(world.events().contains(&"AbovePolicy".to_owned()), "{:?}", world.events());
}

#[tokio::test]
async fn a_registry_that_the_policy_does_not_allow_is_not_asked() {
    let world = World::new(&server_component(""));
    lay_down(&world.api, "default", &json!({ "images": { "prefixes": ["other.example/"] } }));
    world.create("weather", json!({}));
    world.converge("weather").await;
    check(&world, ("False", "AbovePolicy"), "AbovePolicy");
    assert_eq!(world.condition("weather", "Resolved"), ("Unknown".into(), "Pending".into()));
    assert_eq!(world.children(), Vec::<String>::new());
    assert_eq!(world.registry.take_asked(), Vec::<String>::new());
}

#[tokio::test]
async fn bindings_follow_the_policies_and_come_to_rest() {
    let api = FakeServer::default();
    let server = api.server();
    assert_eq!(keep(&server).await.unwrap(), 1);
    assert_eq!(names(&api), ["ceiling-unknown.hayride.dev"]);
    lay_down(&api, "strict", &json!({}));
    lay_down(&api, "default", &json!({}));
    assert_eq!(keep(&server).await.unwrap(), 7);
    assert_eq!(keep(&server).await.unwrap(), 0, "nothing is written twice");
    api.with(|store| store.edit(&key("strict"), |policy| policy["spec"]["enforcement"] = json!("Audit")));
    assert_eq!(keep(&server).await.unwrap(), 2);
    api.with(|store| store.remove(&key("strict")));
    api.take_calls();
    assert_eq!(keep(&server).await.unwrap(), 3);
    let writes = api.take_writes();
    assert!(writes[0].starts_with("patch") && writes[1].starts_with("delete"), "refused first: {writes:?}");
    api.with(|store| store.remove(&key("default")));
    keep(&server).await.unwrap();
    assert_eq!(names(&api), ["ceiling-unknown.hayride.dev"]);
}

#[tokio::test]
async fn a_binding_that_somebody_changed_or_deleted_is_made_again_and_a_foreign_one_is_left_alone() {
    let api = FakeServer::default();
    lay_down(&api, "strict", &json!({}));
    let binding =
        |name: &str| Key::new("admissionregistration.k8s.io", "validatingadmissionpolicybindings", "", name);
    api.with(|store| store.create(&binding("foreign"), json!({ "metadata": {}, "spec": {} })));
    keep(&api.server()).await.unwrap();
    let ours = binding("policy-strict.ceiling.hayride.dev");
    api.with(|store| store.edit(&ours, |binding| binding["spec"]["validationActions"] = json!(["Audit"])));
    api.with(|store| store.remove(&binding("ceiling-unknown.hayride.dev")));
    assert_eq!(keep(&api.server()).await.unwrap(), 2);
    let mended = api.with(|store| store.get(&ours).cloned()).unwrap();
    assert_eq!(mended["spec"]["validationActions"], json!(["Deny", "Audit"]));
    assert!(names(&api).contains(&"foreign".to_owned()));
}

/// Waits until the store is as wanted.
async fn until(api: &FakeServer, what: &str, holds: impl Fn(&FakeServer) -> bool) {
    let wait = async {
        while !holds(api) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn reason(api: &FakeServer) -> String {
    let morph = api.with(|store| store.get(&crate::world::morph_key("weather")).cloned()).unwrap_or_default();
    let all = morph["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found =
        all.iter().find(|condition| condition["type"] == "WithinCeiling").cloned().unwrap_or_default();
    found["reason"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_change_of_a_policy_or_a_label_leads_to_passes_over_its_morphs() {
    let world = World::new(&server_component(""));
    world.create("weather", json!({ "replicas": 2 }));
    let stop = CancellationToken::new();
    let (api, token) = (world.api.clone(), stop.clone());
    let (server, reconciler) = (api.server(), Arc::new(world.operator));
    let task = tokio::spawn(async move { controller::run(&server, reconciler, 4, token).await });
    until(&api, "the first pass", |api| reason(api) == "NoPolicy").await;
    lay_down(&api, "default", &json!({}));
    until(&api, "a new policy is met", |api| reason(api) == "AbovePolicy").await;
    lay_down(&api, "loose", &json!({ "maxReplicas": 5 }));
    label(&api, Some("loose"));
    until(&api, "another label is met", |api| reason(api) == "WithinPolicy").await;
    api.with(|store| store.edit(&key("loose"), |policy| policy["spec"]["maxReplicas"] = json!(1)));
    until(&api, "a changed policy is met", |api| reason(api) == "AbovePolicy").await;
    api.with(|store| store.remove(&key("loose")));
    until(&api, "a policy that is gone is met", |api| reason(api) == "PolicyNotFound").await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn bindings_are_kept_by_who_leads_and_follow_a_new_policy() {
    let api = FakeServer::default();
    let stop = CancellationToken::new();
    let (elected, leading) = watch::channel(false);
    let task = tokio::spawn(ceiling::run(api.server(), Duration::from_secs(3600), leading, stop.clone()));
    elected.send(true).unwrap();
    until(&api, "the first binding", |api| names(api).len() == 1).await;
    lay_down(&api, "strict", &json!({}));
    until(&api, "a new policy is bound", |api| names(api).len() == 3).await;
    api.with(|store| store.remove(&key("strict")));
    until(&api, "a policy that is gone is not", |api| names(api).len() == 1).await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_plug_that_the_policy_does_not_allow_is_refused_and_its_registry_not_asked() {
    let world = World::new(&server_component("acme:clock/now@0.1.0"));
    world.registry.push("other.example/clock:1", &crate::world::component("acme:clock/now@0.1.0", ""));
    lay_down(&world.api, "strict", &json!({}));
    label(&world.api, Some("strict"));
    world.create("weather", json!({ "plugs": [{ "name": "clock", "image": "other.example/clock:1" }] }));
    world.pass("weather").await.unwrap();
    check(&world, ("False", "AbovePolicy"), "AbovePolicy");
    assert_eq!(world.registry.take_asked(), Vec::<String>::new());
    assert!(!world.children().iter().any(|child| child.starts_with("deployments")));
    world.api.with(|store| {
        store.edit(&key("strict"), |policy| {
            policy["spec"]["images"]["prefixes"] = json!(["r.example/acme", "other.example/clock"]);
        });
    });
    world.converge("weather").await;
    check(&world, ("True", "WithinPolicy"), "Ready");
}
