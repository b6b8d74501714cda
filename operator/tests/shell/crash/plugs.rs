//! Lives of Morphs of several parts: plugs that come, go, are replaced, are missing, are private, or don't
//! fit.

use super::{Life, NAME, edit};
use crate::store::ImageVolumes;
use crate::world::{World, part};
use serde_json::{Value, json};

const SERVES: &str = "wasi:http/incoming-handler@0.2.3";
const RUNS: &str = "wasi:cli/run@0.2.3";
const ASKS: &str = "wasi:http/outgoing-handler@0.2.3";
const NOW: &str = "acme:clock/now@0.1.0";
const READ: &str = "acme:text/read@1.0.0";

const MAIN: &str = "r.example/acme/weather:1";
const BARE: &str = "r.example/acme/weather:bare";
const CLOCK: &str = "r.example/acme/clock:1";
const CLOCK_2: &str = "r.example/acme/clock:2";
const FRONT: &str = "r.example/acme/front:1";
const READER: &str = "r.example/acme/reader:1";

/// Registries with a main component of this kind that imports a clock and a reader, and with both.
fn world(export: &str) -> World {
    let world = World::new(&part(&[export], &[NOW, READ]));
    world.registry.push(BARE, &part(&[export], &["wasi:cli/stdout@0.2.3"]));
    world.registry.push(CLOCK, &part(&[NOW], &["wasi:clocks/wall-clock@0.2.3"]));
    world.registry.push(CLOCK_2, &part(&[NOW], &["wasi:random/random@0.2.3"]));
    world.registry.push(FRONT, &part(&[NOW], &[NOW]));
    world.registry.push(READER, &part(&[READ], &[ASKS, "wasi:cli/environment@0.2.3"]));
    world
}

fn server() -> World {
    world(SERVES)
}

fn command() -> World {
    world(RUNS)
}

fn clock() -> Value {
    json!({ "name": "clock", "image": CLOCK })
}

fn reader() -> Value {
    let token = json!({ "secretKeyRef": { "name": "reader", "key": "token", "optional": true } });
    let allow = json!([{ "host": "api.example.com", "pathPrefixes": ["/"] }]);
    json!({
        "name": "reader", "image": READER, "capabilities": { "http": { "allow": allow } },
        "env": [{ "name": "MODE", "value": "short" }, { "name": "TOKEN", "valueFrom": token }],
    })
}

fn create(world: &World) {
    world.create(NAME, json!({ "plugs": [clock(), reader()] }));
}

/// With something between main and its clock, as `links` say.
fn create_between(world: &World) {
    let front = json!({ "name": "front", "image": FRONT });
    let link = |from: &str, to: &str| json!({ "from": from, "interface": NOW, "to": to });
    let links = [link("main", "front"), link("front", "clock")];
    world.create(NAME, json!({ "plugs": [front, clock(), reader()], "links": links }));
}

fn clock_replaced(world: &World) {
    edit(world, |spec| {
        let plugs = spec["plugs"].as_array_mut().unwrap();
        plugs.iter_mut().find(|plug| plug["name"] == "clock").unwrap()["image"] = json!(CLOCK_2);
    });
}

fn with_args(world: &World) {
    edit(world, |spec| spec["args"] = json!(["x"]));
}

fn scaled(world: &World) {
    edit(world, |spec| spec["replicas"] = json!(3));
}

#[tokio::test(start_paused = true)]
async fn a_server_with_plugs_of_which_one_is_replaced() {
    Life { world: server, steps: vec![create_between, clock_replaced] }.check(100).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_plugs_change_places_and_which_is_scaled() {
    let turned = |world: &World| edit(world, |spec| spec["plugs"].as_array_mut().unwrap().reverse());
    Life { world: server, steps: vec![create, turned, scaled] }.check(100).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_with_plugs_that_runs_again_for_a_plug() {
    Life { world: command, steps: vec![create_between, clock_replaced] }.check(100).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_with_plugs_that_gets_a_schedule() {
    let daily = |world: &World| edit(world, |spec| spec["run"] = json!({ "schedule": "@daily" }));
    Life { world: command, steps: vec![create, daily, clock_replaced] }.check(100).await;
}

#[tokio::test(start_paused = true)]
async fn a_plug_that_is_missing_and_then_there() {
    let without = || {
        let world = server();
        world.registry.remove(CLOCK);
        world
    };
    let there = |world: &World| world.registry.push(CLOCK, &part(&[NOW], &[]));
    Life { world: without, steps: vec![create, there, with_args] }.check(100).await;
}

/// Both plugs, and with them main's own pull secrets.
fn create_private(world: &World) {
    let template = json!({ "imagePullSecrets": [{ "name": "pull" }] });
    world.create(NAME, json!({ "plugs": [clock(), reader()], "template": template }));
}

/// Registries that keep both clocks from the operator.
fn private() -> World {
    let world = server();
    for (image, import) in [(CLOCK, "wasi:clocks/wall-clock@0.2.3"), (CLOCK_2, "wasi:random/random@0.2.3")] {
        world.registry.remove(image);
        world.registry.push_for_nodes(image, &part(&[NOW], &[import]));
    }
    world
}

#[tokio::test(start_paused = true)]
async fn a_private_plug_that_is_replaced() {
    Life { world: private, steps: vec![create_private, clock_replaced] }.check(100).await;
}

#[tokio::test(start_paused = true)]
async fn a_private_plug_beside_one_that_is_missing() {
    let without = || {
        let world = private();
        world.registry.remove(READER);
        world
    };
    let there = |world: &World| world.registry.push(READER, &part(&[READ], &[]));
    Life { world: without, steps: vec![create_private, there] }.check(100).await;
}

#[tokio::test(start_paused = true)]
async fn a_private_plug_that_does_not_fit_and_then_does() {
    let unfit = || {
        let world = private();
        world.registry.push_for_nodes(CLOCK, &part(&["acme:clock/now@0.2.0"], &[]));
        world
    };
    Life { world: unfit, steps: vec![create_private, clock_replaced] }.check(100).await;
}

#[tokio::test(start_paused = true)]
async fn a_plug_that_may_not_what_it_imports_and_then_may() {
    let create = |world: &World| {
        let mut reader = reader();
        reader.as_object_mut().unwrap().remove("capabilities");
        world.create(NAME, json!({ "plugs": [clock(), reader] }));
    };
    let granted = |world: &World| edit(world, |spec| spec["plugs"][1] = reader());
    Life { world: server, steps: vec![create, granted] }.check(100).await;
}

#[tokio::test(start_paused = true)]
async fn a_plug_that_goes_and_comes_back() {
    let clock_alone = || {
        let world = server();
        world.registry.push(BARE, &part(&[SERVES], &[NOW]));
        world
    };
    let removed = |world: &World| {
        edit(world, |spec| {
            spec["image"] = json!(BARE);
            spec["plugs"] = json!([clock()]);
        });
    };
    let back = |world: &World| {
        edit(world, |spec| {
            spec["image"] = json!(MAIN);
            spec["plugs"] = json!([clock(), reader()]);
        });
    };
    Life { world: clock_alone, steps: vec![create, removed, back] }.check(150).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_plug_that_comes_and_a_last_one_that_goes() {
    let bare = |world: &World| world.create(NAME, json!({ "image": BARE }));
    let first = |world: &World| {
        edit(world, |spec| {
            spec["image"] = json!(MAIN);
            spec["plugs"] = json!([clock(), reader()]);
        });
    };
    let last = |world: &World| {
        edit(world, |spec| {
            spec["image"] = json!(BARE);
            spec.as_object_mut().unwrap().remove("plugs");
        });
    };
    Life { world: server, steps: vec![bare, first, last] }.check(150).await;
}

#[tokio::test(start_paused = true)]
async fn plugs_in_a_cluster_that_gets_image_volumes() {
    let before = || {
        let world = server();
        world.api.with(|store| store.image_volumes(ImageVolumes::Dropped));
        world
    };
    let after = |world: &World| world.api.with(|store| store.image_volumes(ImageVolumes::Kept));
    Life { world: before, steps: vec![create, after] }.check(100).await;
}
