//! An image that only a node can pull: a pod looks at it, tells, and goes.

use crate::registry::FakeRegistry;
use crate::server::Fault;
use crate::store::Key;
use crate::world::{IMAGE, NAMESPACE, World, server_component};
use morph_component::inspect;
use morph_grant::{Digest, INSPECT_ANNOTATION, Inspection};
use morph_operator::morph::GENERATION_ANNOTATION;
use morph_operator::morph::sweep::sweep;
use serde_json::{Value, json};

fn pods(world: &World) -> Vec<Key> {
    world.api.with(|store| store.keys()).into_iter().filter(|key| key.resource == "pods").collect()
}

/// A world whose registry keeps its image from the operator.
async fn private(component: &[u8]) -> World {
    let world = World::new(component);
    world.registry.remove(IMAGE);
    world.create("weather", json!({ "template": { "imagePullSecrets": [{ "name": "pull" }] } }));
    world.pass("weather").await.unwrap();
    world
}

/// The kubelet's part: the pod has ended so.
fn end(world: &World, phase: &str, code: i32, message: &str) {
    let terminated = json!({ "exitCode": code, "message": message });
    let container = json!({ "name": "inspect", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": { "terminated": terminated } });
    let status = json!({ "phase": phase, "containerStatuses": [container] });
    let key = pods(world).remove(0);
    world.api.with(|store| store.edit(&key, |pod: &mut Value| pod["status"] = status.clone()));
}

fn told(component: &[u8]) -> String {
    let world = inspect(component).unwrap();
    Inspection::of(Digest::of(b"manifest"), Digest::of(component), &world).to_text().unwrap()
}

async fn later(world: &World) {
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    world.pass("weather").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_node_looks_at_it_and_the_morph_becomes_ready() {
    let component = server_component("");
    let world = private(&component).await;
    let made = pods(&world);
    assert_eq!(made.len(), 1, "{made:?}");
    let pod = world.api.with(|store| store.get(&made[0]).cloned()).unwrap();
    assert_eq!(pod["metadata"]["annotations"][INSPECT_ANNOTATION], "true");
    assert_eq!(world.condition("weather", "Resolved"), ("Unknown".to_owned(), "Pending".to_owned()));
    end(&world, "Succeeded", 0, &told(&component));
    later(&world).await;
    assert_eq!(pods(&world), []);
    world.converge("weather").await;
    assert_eq!(world.condition("weather", "Ready").0, "True", "{:#}", world.morph("weather"));
    let image = world.morph("weather")["status"]["components"][0]["image"].clone();
    assert_eq!(image, format!("r.example/acme/weather@{}", Digest::of(b"manifest")));
    assert_eq!(pods(&world), [], "what is known isn't looked at again");
}

#[tokio::test(start_paused = true)]
async fn a_denied_import_is_found_by_a_node_as_well() {
    let component = server_component("wasi:http/outgoing-handler@0.2.3");
    let world = private(&component).await;
    end(&world, "Succeeded", 0, &told(&component));
    later(&world).await;
    assert_eq!(world.condition("weather", "ImportsSatisfied").1, "ImportDenied");
    assert!(!world.children().iter().any(|child| child.starts_with("deployments")));
    assert_eq!(pods(&world), []);
}

#[tokio::test(start_paused = true)]
async fn without_pull_secrets_no_node_is_asked() {
    let world = World::new(&server_component(""));
    world.registry.remove(IMAGE);
    world.create("weather", json!({}));
    world.pass("weather").await.unwrap();
    assert_eq!(pods(&world), []);
    assert_eq!(world.condition("weather", "Resolved").1, "ImageNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_came_to_nothing_is_made_anew_and_one_that_has_told_is_not() {
    let world = private(&server_component("")).await;
    let uid = |world: &World| {
        let key = pods(world).remove(0);
        world.api.with(|store| store.get(&key).cloned()).unwrap()["metadata"]["uid"].clone()
    };
    let first = uid(&world);
    end(&world, "Failed", 137, "");
    later(&world).await;
    later(&world).await;
    assert_ne!(uid(&world), first);
    end(&world, "Failed", 127, "no component");
    let second = uid(&world);
    later(&world).await;
    assert_eq!(world.condition("weather", "Resolved").1, "NotAComponent");
    assert_eq!(uid(&world), second);
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_that_name_that_is_somebody_elses_is_not_believed() {
    let component = server_component("");
    let world = private(&component).await;
    let key = pods(&world).remove(0);
    world.api.with(|store| {
        store.edit(&key, |pod: &mut Value| {
            pod["metadata"].as_object_mut().unwrap().remove("ownerReferences");
        });
    });
    end(&world, "Succeeded", 0, &told(&component));
    later(&world).await;
    assert_eq!(world.condition("weather", "Resolved").1, "NameTaken");
    assert!(pods(&world).contains(&Key::new("", "pods", NAMESPACE, &key.name)));
}

/// Else each change of a Morph while a node looks would leave a pod behind.
#[tokio::test(start_paused = true)]
async fn what_was_asked_for_a_spec_that_is_no_more_is_swept() {
    let component = server_component("");
    let world = private(&component).await;
    let first = pods(&world);
    world.registry.push_for_nodes(IMAGE, &component);
    world.edit("weather", |morph| morph["spec"]["args"] = json!(["x"]));
    world.settle("weather").await;
    assert_eq!(world.condition("weather", "Ready").0, "True", "{:#}", world.morph("weather"));
    assert_eq!(pods(&world), first, "the second is deleted, and the first forgotten");
    assert_eq!(sweep(&world.api.server()).await.unwrap().deleted, 1);
    assert_eq!(pods(&world), []);
}

/// A change that leaves the image as it is asks for the same pod, whatever admission has written into that.
#[tokio::test(start_paused = true)]
async fn a_pod_that_is_asked_again_after_a_change_is_not_swept() {
    let component = server_component("");
    let world = private(&component).await;
    let first = pods(&world);
    let nodes = json!({ "hayride.dev/node": "true" });
    world.api.with(|store| {
        store.edit(&first[0], |pod: &mut Value| pod["spec"]["nodeSelector"] = nodes.clone());
    });
    world.edit("weather", |morph| morph["spec"]["replicas"] = json!(3));
    world.pass("weather").await.unwrap();
    let pod = world.api.with(|store| store.get(&first[0]).cloned()).unwrap();
    assert_eq!(pod["metadata"]["annotations"][GENERATION_ANNOTATION], "2");
    assert_eq!(pod["spec"]["nodeSelector"], nodes);
    assert_eq!(sweep(&world.api.server()).await.unwrap().deleted, 0);
    assert_eq!(pods(&world), first);
    world.registry.push_for_nodes(IMAGE, &component);
    world.settle("weather").await;
    assert_eq!(world.condition("weather", "Ready").0, "True", "{:#}", world.morph("weather"));
    assert_eq!(pods(&world), []);
}

/// Else there would be one look after the other while the fault lasts.
#[tokio::test(start_paused = true)]
async fn while_nothing_can_be_made_of_what_a_node_found_it_does_not_look_again() {
    let component = server_component("");
    let world = World::new(&component);
    world.registry.remove(IMAGE);
    world.registry.push_for_nodes(IMAGE, &component);
    let pinned = format!("r.example/acme/weather@{}", FakeRegistry::manifest_of(&component));
    let template = json!({ "imagePullSecrets": [{ "name": "pull" }] });
    world.create("weather", json!({ "image": pinned, "template": template }));
    world
        .api
        .faults(|_, call| (call.is_write() && call.resource == "deployments").then_some(Fault::Status(429)));
    let mut refused = 0;
    for _ in 0..10 {
        refused += usize::from(world.pass("weather").await.is_err());
        world.play();
    }
    assert!(refused > 1, "{refused}");
    let writes = world.api.take_writes();
    let looks = writes.iter().filter(|write| write.contains("pods")).count();
    assert_eq!(looks, 1, "{writes:?}");
    world.api.no_faults();
    world.settle("weather").await;
    assert_eq!(world.condition("weather", "Ready").0, "True", "{:#}", world.morph("weather"));
    assert_eq!(pods(&world), []);
}
