//! Lives of Morphs that are one component.

use super::{Life, NAME, edit};
use crate::world::{World, command_component, server_component};
use serde_json::json;

fn server() -> World {
    World::new(&server_component(""))
}

fn command() -> World {
    World::new(&command_component())
}

fn create(world: &World) {
    world.create(NAME, json!({}));
}

fn with_args(world: &World) {
    edit(world, |spec| spec["args"] = json!(["x"]));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_changed() {
    Life { world: server, steps: vec![create, with_args] }.check(50).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_scaled() {
    let two = |world: &World| world.create(NAME, json!({ "replicas": 2 }));
    let none = |world: &World| edit(world, |spec| spec["replicas"] = json!(0));
    Life { world: server, steps: vec![two, none] }.check(50).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_changed() {
    Life { world: command, steps: vec![create, with_args] }.check(50).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_gets_a_schedule() {
    let daily = |world: &World| edit(world, |spec| spec["run"] = json!({ "schedule": "@daily" }));
    Life { world: command, steps: vec![create, daily] }.check(50).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_denied_an_import() {
    let denied = || World::new(&server_component("wasi:http/outgoing-handler@0.2.3"));
    Life { world: denied, steps: vec![create, with_args] }.check(50).await;
}
