//! Morphs with plugs: each part is found for itself, all are pinned together, and what stands in the way of
//! any of them is said in status.

use crate::registry::FakeRegistry;
use crate::store::{ImageVolumes, Key};
use crate::world::{IMAGE, NAMESPACE, World, component, server_component};
use morph_component::inspect;
use morph_grant::{Digest, Inspection};
use morph_operator::morph::reconcile::Next;
use serde_json::{Value, json};

const NOW: &str = "acme:clock/now@0.1.0";
const CLOCK: &str = "r.example/acme/clock:1";

fn clock() -> Vec<u8> {
    component(NOW, "")
}

/// A Morph of a Server and a clock that it asks.
fn world() -> World {
    let world = World::new(&server_component(NOW));
    world.registry.push(CLOCK, &clock());
    world.create("weather", json!({ "plugs": [{ "name": "clock", "image": CLOCK }] }));
    world
}

fn deployment(world: &World) -> Value {
    let key = Key::new("apps", "deployments", NAMESPACE, "weather");
    world.api.with(|store| store.get(&key).cloned()).unwrap_or_default()
}

fn message(world: &World, type_: &str) -> String {
    let conditions = world.morph("weather")["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == type_).cloned().unwrap_or_default();
    found["message"].as_str().unwrap_or_default().to_owned()
}

async fn wait(world: &World) {
    let Next::After(wait) = world.pass("weather").await.unwrap() else { panic!("it is looked at again") };
    tokio::time::sleep(wait).await;
}

#[tokio::test(start_paused = true)]
async fn a_morph_with_a_plug_becomes_ready_and_says_what_it_is_made_of() {
    let world = world();
    world.converge("weather").await;
    for type_ in ["Resolved", "Composed", "ImportsSatisfied", "WithinCeiling", "Available", "Ready"] {
        assert_eq!(world.condition("weather", type_).0, "True", "{type_}: {:#}", world.morph("weather"));
    }
    let status = world.morph("weather")["status"].clone();
    let digest = FakeRegistry::manifest_of(&clock());
    let plug = json!({ "name": "clock", "image": format!("r.example/acme/clock@{digest}"),
        "digest": Digest::of(&clock()).to_string() });
    assert_eq!(status["components"][1], plug);
    assert_eq!(status["links"], json!([{ "from": "weather", "interface": NOW, "to": "clock" }]));
    assert!(status["composed"].as_str().unwrap().starts_with("sha256:"));
    let volume = deployment(&world)["spec"]["template"]["spec"]["volumes"][0].clone();
    assert_eq!(volume["image"]["reference"], plug["image"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_not_asked_again_after_a_restart_or_a_scaling() {
    let mut world = world();
    world.converge("weather").await;
    let before = (
        world.morph("weather")["status"]["composed"].clone(),
        deployment(&world)["spec"]["template"].clone(),
    );
    world.registry.take_asked();
    world.registry.push(CLOCK, &component(NOW, "wasi:cli/stdout@0.2.3"));
    world.restart();
    world.converge("weather").await;
    world.edit("weather", |morph| morph["spec"]["replicas"] = json!(3));
    world.converge("weather").await;
    assert_eq!(world.registry.take_asked(), Vec::<String>::new());
    let after = (
        world.morph("weather")["status"]["composed"].clone(),
        deployment(&world)["spec"]["template"].clone(),
    );
    assert_eq!(before, after);
}

#[tokio::test(start_paused = true)]
async fn a_plug_that_is_replaced_rolls_the_morph() {
    let world = world();
    world.converge("weather").await;
    let before = deployment(&world)["spec"]["template"].clone();
    world.registry.push("r.example/acme/clock:2", &component(NOW, "wasi:cli/stdout@0.2.3"));
    world.edit("weather", |morph| morph["spec"]["plugs"][0]["image"] = json!("r.example/acme/clock:2"));
    world.converge("weather").await;
    assert_ne!(deployment(&world)["spec"]["template"], before);
    assert_eq!(world.condition("weather", "Ready").0, "True");
}

#[tokio::test(start_paused = true)]
async fn a_plugs_image_that_is_missing_names_its_field_and_heals() {
    let world = world();
    world.registry.remove(CLOCK);
    world.pass("weather").await.unwrap();
    assert_eq!(world.condition("weather", "Resolved"), ("False".into(), "ImageNotFound".into()));
    assert!(
        message(&world, "Resolved").starts_with("spec.plugs[0].image: "),
        "{}",
        message(&world, "Resolved")
    );
    assert_eq!(world.condition("weather", "Composed").0, "Unknown");
    assert_eq!(deployment(&world), Value::Null);
    world.registry.push(CLOCK, &clock());
    wait(&world).await;
    world.converge("weather").await;
    assert_eq!(world.condition("weather", "Ready").0, "True");
}

/// Else main's tag could move between two looks at a plug that isn't there yet.
#[tokio::test(start_paused = true)]
async fn a_tag_is_resolved_once_while_another_part_is_missing() {
    let world = world();
    world.registry.remove(CLOCK);
    wait(&world).await;
    let digest = FakeRegistry::manifest_of(&server_component(NOW));
    world.registry.take_asked();
    wait(&world).await;
    let asked = world.registry.take_asked();
    assert!(asked.iter().any(|ask| ask == &format!("resolve {CLOCK}")), "{asked:?}");
    assert!(!asked.iter().any(|ask| ask == &format!("resolve {IMAGE}")), "{asked:?}");
    world.registry.push(CLOCK, &clock());
    world.registry.push(IMAGE, &server_component(""));
    // By its digest, the first one is there still.
    world.registry.push("r.example/acme/weather:old", &server_component(NOW));
    wait(&world).await;
    world.converge("weather").await;
    let image = world.morph("weather")["status"]["components"][0]["image"].clone();
    assert_eq!(image, format!("r.example/acme/weather@{digest}"));
}

#[tokio::test(start_paused = true)]
async fn parts_that_do_not_fit_are_told_and_their_tags_are_not_resolved_again() {
    let mut world = world();
    world.registry.push(CLOCK, &component("acme:clock/now@0.2.0", ""));
    world.pass("weather").await.unwrap();
    assert_eq!(world.condition("weather", "Resolved").0, "True");
    assert_eq!(world.condition("weather", "Composed"), ("False".into(), "VersionMismatch".into()));
    assert_eq!(world.condition("weather", "Ready"), ("False".into(), "VersionMismatch".into()));
    assert!(world.events().contains(&"VersionMismatch".to_owned()), "{:?}", world.events());
    assert_eq!(deployment(&world), Value::Null);
    let pinned = world.morph("weather")["status"]["components"].clone();
    assert_eq!(pinned.as_array().map(Vec::len), Some(2), "{:#}", world.morph("weather"));
    world.restart();
    world.registry.take_asked();
    world.pass("weather").await.unwrap();
    let asked = world.registry.take_asked();
    assert!(asked.iter().all(|ask| ask.contains("@sha256:")), "{asked:?}");
    assert_eq!(world.morph("weather")["status"]["components"], pinned);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_image_volumes_is_told_and_no_pod_is_made() {
    for images in [ImageVolumes::Dropped, ImageVolumes::Unknown] {
        let world = world();
        world.api.with(|store| store.image_volumes(images));
        wait(&world).await;
        assert_eq!(
            world.condition("weather", "Ready"),
            ("False".into(), "ApplyRefused".into()),
            "{images:?}"
        );
        assert_eq!(world.condition("weather", "Stalled").0, "True");
        let told = message(&world, "Ready");
        assert!(told.contains("image volumes") && told.contains("1.35"), "{told}");
        assert_eq!(deployment(&world), Value::Null, "{images:?}");
        world.api.with(|store| store.image_volumes(ImageVolumes::Kept));
        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
        world.converge("weather").await;
        assert_eq!(world.condition("weather", "Ready").0, "True", "{images:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_morph_without_plugs_is_not_tried_before_it_is_applied() {
    let world = World::new(&server_component(""));
    world.create("weather", json!({}));
    world.pass("weather").await.unwrap();
    let patches = world.api.take_writes();
    assert_eq!(
        patches.iter().filter(|write| write.starts_with("patch deployments")).count(),
        1,
        "{patches:?}"
    );
    assert_eq!(world.condition("weather", "Composed"), (String::new(), String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_private_plug_is_looked_at_by_a_pod_of_its_own() {
    let world = world();
    world.registry.remove(CLOCK);
    world.edit("weather", |morph| {
        morph["spec"]["template"] = json!({ "imagePullSecrets": [{ "name": "pull" }] });
    });
    world.pass("weather").await.unwrap();
    let pods = |world: &World| -> Vec<Key> {
        world.api.with(|store| store.keys()).into_iter().filter(|key| key.resource == "pods").collect()
    };
    let made = pods(&world);
    assert_eq!(made.len(), 1, "the Morph's own image is known: {made:?}");
    assert!(made[0].name.ends_with("-clock"), "{made:?}");
    let told = Inspection::of(Digest::of(b"manifest"), Digest::of(&clock()), &inspect(&clock()).unwrap());
    let terminated = json!({ "exitCode": 0, "message": told.to_text().unwrap() });
    let container = json!({ "name": "inspect", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": { "terminated": terminated } });
    let status = json!({ "phase": "Succeeded", "containerStatuses": [container] });
    world.api.with(|store| {
        assert_eq!(store.get(&made[0]).unwrap()["spec"]["containers"][0]["image"], CLOCK);
        store.edit(&made[0], |pod: &mut Value| pod["status"] = status.clone());
    });
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    world.pass("weather").await.unwrap();
    assert_eq!(pods(&world), []);
    world.converge("weather").await;
    assert_eq!(world.condition("weather", "Ready").0, "True", "{:#}", world.morph("weather"));
    let image = world.morph("weather")["status"]["components"][1]["image"].clone();
    assert_eq!(image, format!("r.example/acme/clock@{}", Digest::of(b"manifest")));
}

/// A Server that wants this of the clock.
fn asking_of(import: &str) -> Vec<u8> {
    let text = format!(
        "(component (import \"{NOW}\" (instance {import})) \
         (instance $i) (export \"wasi:http/incoming-handler@0.2.3\" (instance $i)))"
    );
    wat::parse_str(text).unwrap()
}

/// A clock that gives this.
fn clock_of(core: &str, result: &str) -> Vec<u8> {
    let text = format!(
        "(component (core module $m (func (export \"now\") (result {core}) {core}.const 0)) \
         (core instance $i (instantiate $m)) \
         (func $now (result {result}) (canon lift (core func $i \"now\"))) \
         (instance $x (export \"now\" (func $now))) (export \"{NOW}\" (instance $x)))"
    );
    wat::parse_str(text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_plug_of_another_type_is_told_before_there_is_a_pod_and_another_heals_it() {
    let world = World::new(&asking_of("(export \"now\" (func (result u64)))"));
    world.registry.push(CLOCK, &clock_of("i32", "u32"));
    world.create("weather", json!({ "plugs": [{ "name": "clock", "image": CLOCK }] }));
    world.pass("weather").await.unwrap();
    assert_eq!(world.condition("weather", "Composed"), ("False".into(), "TypeMismatch".into()));
    let said = message(&world, "Composed");
    let words = "spec.plugs[0].image: main imports acme:clock/now@0.1.0, and what clock exports by that name \
                 is of another type: now is func() -> u32 there, and func() -> u64 is wanted";
    assert_eq!(said, words);
    assert_eq!(deployment(&world), Value::Null);
    assert_eq!(world.condition("weather", "Stalled").0, "True", "{:#}", world.morph("weather"));
    world.registry.push("r.example/acme/clock:2", &clock_of("i64", "u64"));
    world.edit("weather", |morph| morph["spec"]["plugs"][0]["image"] = json!("r.example/acme/clock:2"));
    world.converge("weather").await;
    assert_eq!(world.condition("weather", "Ready").0, "True", "{:#}", world.morph("weather"));
}
