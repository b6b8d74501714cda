//! A Morph becomes what it says, and then nothing is written any more.

use crate::registry::FakeRegistry;
use crate::store::Key;
use crate::world::{IMAGE, NAMESPACE, World, command_component, morph_key, server_component};
use serde_json::{Value, json};

fn deployment(world: &World) -> Value {
    let key = Key::new("apps", "deployments", NAMESPACE, "weather");
    world.api.with(|store| store.get(&key).cloned()).unwrap_or_default()
}

async fn server() -> World {
    let world = World::new(&server_component("wasi:cli/stdout@0.2.3"));
    world.create("weather", json!({}));
    world.converge("weather").await;
    world
}

#[tokio::test]
async fn a_server_gets_its_objects_and_is_ready() {
    let world = server().await;
    assert_eq!(
        world.children(),
        ["serviceaccounts weather", "services weather", "deployments weather", "networkpolicies weather"]
    );
    for type_ in ["Resolved", "ImportsSatisfied", "WithinCeiling", "Available", "Ready"] {
        assert_eq!(world.condition("weather", type_).0, "True", "{type_}: {:#}", world.morph("weather"));
    }
    let status = world.morph("weather")["status"].clone();
    let digest = FakeRegistry::manifest_of(&server_component("wasi:cli/stdout@0.2.3"));
    assert_eq!(status["components"][0]["image"], format!("r.example/acme/weather@{digest}"));
    assert_eq!(status["observedGeneration"], 1);
}

#[tokio::test]
async fn the_first_pass_leaves_all_conditions() {
    let world = World::new(&server_component(""));
    world.create("weather", json!({}));
    world.pass("weather").await.unwrap();
    for type_ in ["Resolved", "ImportsSatisfied", "WithinCeiling", "Available", "Ready"] {
        assert!(!world.condition("weather", type_).1.is_empty(), "{type_}");
    }
    assert_eq!(world.condition("weather", "Ready").0, "False");
}

#[tokio::test]
async fn what_has_converged_is_not_written_again() {
    let mut world = server().await;
    for _ in 0..3 {
        world.pass("weather").await.unwrap();
    }
    assert_eq!(world.api.take_writes(), Vec::<String>::new());
    world.restart();
    world.registry.take_asked();
    world.pass("weather").await.unwrap();
    assert_eq!(world.api.take_writes(), Vec::<String>::new(), "a restart writes nothing");
    assert!(world.registry.take_asked().is_empty(), "nor does it ask a registry");
}

#[tokio::test]
async fn a_restart_with_the_registry_down_touches_nothing() {
    let mut world = server().await;
    world.registry.set_down(true);
    world.restart();
    world.pass("weather").await.unwrap();
    assert_eq!(world.api.take_writes(), Vec::<String>::new());
    assert_eq!(world.condition("weather", "Ready").0, "True");
}

#[tokio::test]
async fn a_field_that_others_change_is_ours_again_and_theirs_stay() {
    let world = server().await;
    let key = Key::new("apps", "deployments", NAMESPACE, "weather");
    world.api.with(|store| {
        store.edit(&key, |object| {
            object["spec"]["replicas"] = json!(5);
            object["spec"]["paused"] = json!(false);
            object["metadata"]["labels"]["theirs"] = json!("kept");
        });
    });
    world.converge("weather").await;
    let found = deployment(&world);
    assert_eq!(found["spec"]["replicas"], 1);
    assert_eq!(found["spec"]["paused"], false);
    assert_eq!(found["metadata"]["labels"]["theirs"], "kept");
}

#[tokio::test]
async fn a_child_that_is_deleted_comes_back() {
    let world = server().await;
    let policies = ("networking.k8s.io", "networkpolicies");
    for (group, resource) in [("", "serviceaccounts"), policies, ("", "services"), ("apps", "deployments")] {
        world.api.with(|store| store.remove(&Key::new(group, resource, NAMESPACE, "weather")));
        world.converge("weather").await;
        assert_eq!(world.children().len(), 4, "{resource}");
    }
}

#[tokio::test]
async fn a_hook_that_keeps_a_field_different_is_not_fought_for_ever() {
    let world = server().await;
    let key = Key::new("apps", "deployments", NAMESPACE, "weather");
    let contest = |world: &World| {
        world.api.with(|store| store.hook(|object| object["spec"]["replicas"] = json!(7)));
    };
    contest(&world);
    world.api.with(|store| store.edit(&key, |object| object["spec"]["replicas"] = json!(7)));
    world.pass("weather").await.unwrap();
    let writes = world.api.take_writes().into_iter().filter(|call| call.contains("deployments")).count();
    assert_eq!(writes, 1, "it is tried");
    world.pass("weather").await.unwrap();
    let writes = world.api.take_writes().into_iter().filter(|call| call.contains("deployments")).count();
    assert_eq!(writes, 0, "but not again while nobody changes it");
}

#[tokio::test]
async fn a_tag_that_moves_changes_nothing_until_the_next_generation() {
    let world = server().await;
    let image =
        |world: &World| deployment(world)["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    let before = image(&world);
    world.registry.push(IMAGE, &server_component("wasi:cli/stderr@0.2.3"));
    world.converge("weather").await;
    world.edit("weather", |morph| morph["spec"]["replicas"] = json!(3));
    world.converge("weather").await;
    assert_eq!(image(&world), before, "scaling doesn't resolve anew");
    assert_eq!(deployment(&world)["spec"]["replicas"], 3);
    world.edit("weather", |morph| morph["spec"]["args"] = json!(["--new"]));
    world.converge("weather").await;
    assert_ne!(image(&world), before);
}

#[tokio::test]
async fn scaling_changes_no_template() {
    let world = server().await;
    let before = deployment(&world)["spec"]["template"].clone();
    for replicas in [3, 0, 1] {
        world.edit("weather", |morph| morph["spec"]["replicas"] = json!(replicas));
        world.converge("weather").await;
        assert_eq!(deployment(&world)["spec"]["replicas"], replicas);
        assert_eq!(deployment(&world)["spec"]["template"], before);
    }
}

#[tokio::test]
async fn a_finished_command_is_not_run_again() {
    let mut world = World::new(&command_component());
    world.create("job", json!({}));
    world.converge("job").await;
    assert_eq!(world.condition("job", "Ready"), ("True".to_owned(), "CommandSucceeded".to_owned()));
    let before = world.children();
    for _ in 0..5 {
        world.restart();
        world.pass("job").await.unwrap();
    }
    assert_eq!(world.children(), before);
    assert_eq!(world.api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_changed_command_runs_once_more_and_the_old_job_goes_first() {
    let world = World::new(&command_component());
    world.create("job", json!({}));
    world.converge("job").await;
    let before = world.children();
    world.edit("job", |morph| morph["spec"]["args"] = json!(["again"]));
    world.api.take_calls();
    world.converge("job").await;
    let after = world.children();
    assert_eq!(after.len(), before.len());
    assert_ne!(after, before);
}

#[tokio::test]
async fn a_change_of_type_removes_what_was_of_the_old_one() {
    let world = server().await;
    world.registry.push("r.example/acme/weather:2", &command_component());
    world.edit("weather", |morph| morph["spec"]["image"] = json!("r.example/acme/weather:2"));
    world.converge("weather").await;
    let children = world.children();
    assert!(
        children.iter().all(|child| !child.starts_with("deployments") && !child.starts_with("services "))
    );
    assert!(children.iter().any(|child| child.starts_with("jobs weather-")), "{children:?}");
    world.edit("weather", |morph| morph["spec"]["run"] = json!({ "schedule": "@hourly" }));
    world.converge("weather").await;
    let children = world.children();
    assert!(children.iter().any(|child| child == "cronjobs weather"), "{children:?}");
    assert!(children.iter().all(|child| !child.starts_with("jobs ")), "{children:?}");
}

#[tokio::test]
async fn each_change_is_told_once() {
    let world = server().await;
    let told = world.events();
    assert_eq!(told.len(), 2, "{told:?}");
    for reason in ["ImageResolved", "PodsAvailable"] {
        assert_eq!(told.iter().filter(|found| *found == reason).count(), 1, "{reason}: {told:?}");
    }
    for _ in 0..3 {
        world.pass("weather").await.unwrap();
    }
    assert_eq!(world.events(), told);
}

#[tokio::test]
async fn a_morph_that_is_gone_or_going_is_left_alone() {
    let world = server().await;
    world.edit("weather", |morph| morph["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    world.api.take_calls();
    world.pass("weather").await.unwrap();
    world.api.with(|store| store.remove(&morph_key("weather")));
    world.pass("weather").await.unwrap();
    assert_eq!(world.api.take_writes(), Vec::<String>::new());
}
