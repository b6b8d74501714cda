//! What stands against a Morph is said in its status, no pod is made, and it heals without help.

use crate::server::Fault;
use crate::store::Key;
use crate::world::{IMAGE, NAMESPACE, World, component, server_component};
use morph_operator::morph::reconcile::Next;
use serde_json::json;
use std::time::Duration;

/// A Morph that is refused for `reason`, shown by `condition`; then `cure`, and it is Ready.
async fn check(world: World, condition: &str, reason: &str, cure: impl FnOnce(&World)) {
    world.create("weather", json!({}));
    let next = world.pass("weather").await.unwrap();
    assert_eq!(world.condition("weather", condition), ("False".to_owned(), reason.to_owned()));
    assert_eq!(world.condition("weather", "Ready"), ("False".to_owned(), reason.to_owned()));
    let pods: Vec<String> = world.children().into_iter().filter(|c| !c.ends_with("taken")).collect();
    assert!(!pods.iter().any(|child| child.starts_with("deployments") && reason != "NameTaken"), "{pods:?}");
    assert!(world.events().contains(&reason.to_owned()), "{:?}", world.events());
    let Next::After(wait) = next else { panic!("it is looked at again") };
    cure(&world);
    tokio::time::sleep(wait).await;
    world.converge("weather").await;
    assert_eq!(world.condition("weather", "Ready").0, "True", "{:#}", world.morph("weather"));
}

fn good() -> Vec<u8> {
    server_component("")
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_missing() {
    let world = World::new(&good());
    world.registry.remove(IMAGE);
    check(world, "Resolved", "ImageNotFound", |world| world.registry.push(IMAGE, &good())).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_down() {
    let world = World::new(&good());
    world.registry.set_down(true);
    check(world, "Resolved", "RegistryUnavailable", |world| world.registry.set_down(false)).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_component() {
    for bytes in [b"\0asm\x01\0\0\0".to_vec(), b"garbage".to_vec(), Vec::new()] {
        let world = World::new(&bytes);
        check(world, "Resolved", "NotAComponent", |world| world.registry.push(IMAGE, &good())).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_component_that_can_not_be_run() {
    let world = World::new(&component("acme:own/thing@1.0.0", ""));
    check(world, "Resolved", "NoKnownExport", |world| world.registry.push(IMAGE, &good())).await;
}

#[tokio::test(start_paused = true)]
async fn an_import_that_is_not_granted() {
    let world = World::new(&server_component("wasi:http/outgoing-handler@0.2.3"));
    check(world, "ImportsSatisfied", "ImportDenied", |world| {
        world.registry.push("r.example/acme/weather:2", &good());
        world.edit("weather", |morph| morph["spec"]["image"] = json!("r.example/acme/weather:2"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_somebody_else_has() {
    let world = World::new(&good());
    let key = Key::new("apps", "deployments", NAMESPACE, "weather");
    let theirs = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": {
        "selector": {}, "template": {} } });
    world.api.with(|store| store.create(&key, theirs));
    check(world, "Available", "NameTaken", |world| world.api.with(|store| store.remove(&key))).await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_the_api_server_refuses() {
    let world = World::new(&good());
    world.api.faults(|_, call| {
        (call.verb == "patch" && call.resource == "deployments").then_some(Fault::Status(403))
    });
    check(world, "Ready", "ApplyRefused", |world| world.api.no_faults()).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_is_not_asked_again_before_its_time() {
    let world = World::new(&good());
    world.registry.set_down(true);
    world.create("weather", json!({}));
    world.pass("weather").await.unwrap();
    assert_eq!(world.registry.take_asked().len(), 1);
    for _ in 0..5 {
        world.pass("weather").await.unwrap();
    }
    assert!(world.registry.take_asked().is_empty(), "events in between don't ask");
    world.edit("weather", |morph| morph["spec"]["args"] = json!(["x"]));
    world.pass("weather").await.unwrap();
    assert_eq!(world.registry.take_asked().len(), 1, "a new generation is tried at once");
}

#[tokio::test(start_paused = true)]
async fn waits_grow_while_a_registry_is_down() {
    let world = World::new(&good());
    world.registry.set_down(true);
    world.create("weather", json!({}));
    let mut waits = Vec::new();
    for _ in 0..8 {
        let Next::After(wait) = world.pass("weather").await.unwrap() else { panic!("gone") };
        tokio::time::sleep(wait).await;
        waits.push(wait);
    }
    assert!(waits[0] <= Duration::from_millis(1_250) && waits[7] >= Duration::from_secs(45), "{waits:?}");
    assert_eq!(world.registry.take_asked().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_new_image_that_fails_leaves_the_old_pods() {
    let world = World::new(&good());
    world.create("weather", json!({}));
    world.converge("weather").await;
    let key = Key::new("apps", "deployments", NAMESPACE, "weather");
    let before = world.api.with(|store| store.get(&key).cloned());
    world.edit("weather", |morph| morph["spec"]["image"] = json!("r.example/acme/weather:none"));
    world.converge("weather").await;
    assert_eq!(world.api.with(|store| store.get(&key).cloned()), before);
    assert_eq!(world.condition("weather", "Available").0, "True");
    assert_eq!(world.condition("weather", "Ready"), ("False".to_owned(), "ImageNotFound".to_owned()));
    world.edit("weather", |morph| morph["spec"]["image"] = json!(IMAGE));
    world.converge("weather").await;
    assert_eq!(world.condition("weather", "Ready").0, "True");
}

#[tokio::test]
async fn ten_morphs_of_one_image_pull_it_once() {
    let world = World::new(&good());
    let names: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
    for name in &names {
        world.create(name, json!({}));
    }
    let passes = names.iter().map(|name| world.pass(name));
    futures::future::try_join_all(passes).await.unwrap();
    let asked = world.registry.take_asked();
    assert_eq!(asked.iter().filter(|ask| ask.starts_with("pull")).count(), 1, "{asked:?}");
}
