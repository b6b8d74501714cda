//! The operator dies at any of its calls, or the call fails, and another one comes to the same end.

use crate::server::Fault;
use crate::world::{World, command_component, server_component};
use serde_json::{Value, json};
use std::time::Duration;

/// A piece of a Morph's life: its component, its spec, and a change of it.
struct Life {
    name: &'static str,
    component: Vec<u8>,
    spec: Value,
    change: Value,
}

fn lives() -> Vec<Life> {
    let life = |name, component, spec, change| Life { name, component, spec, change };
    vec![
        life("server", server_component(""), json!({}), json!({ "args": ["x"] })),
        life("scaled", server_component(""), json!({ "replicas": 2 }), json!({ "replicas": 0 })),
        life("command", command_component(), json!({}), json!({ "args": ["x"] })),
        life("schedule", command_component(), json!({}), json!({ "run": { "schedule": "@daily" } })),
        life(
            "denied",
            server_component("wasi:http/outgoing-handler@0.2.3"),
            json!({}),
            json!({ "args": ["x"] }),
        ),
    ]
}

impl Life {
    fn start(&self) -> World {
        let world = World::new(&self.component);
        world.create(self.name, self.spec.clone());
        world
    }

    fn change(&self, world: &World) {
        let change = self.change.as_object().unwrap().clone();
        world.edit(self.name, |morph| morph["spec"].as_object_mut().unwrap().extend(change));
    }

    /// The undisturbed life: its end, and how many calls each half took.
    async fn undisturbed(&self) -> (String, [usize; 2]) {
        let world = self.start();
        let mut calls = [0, 0];
        for (half, count) in calls.iter_mut().enumerate() {
            if half == 1 {
                self.change(&world);
            }
            for _ in 0..8 {
                world.play();
                world.api.take_calls();
                world.pass(self.name).await.unwrap();
                *count += world.api.take_calls().len();
            }
        }
        (world.picture(), calls)
    }

    /// Goes on until the calls end at the fault, then with a new operator and no fault.
    async fn disturbed(&self, half: usize, call: usize, fault: Fault) -> String {
        let mut world = self.start();
        if half == 1 {
            world.converge(self.name).await;
            self.change(&world);
        }
        let dies = !matches!(fault, Fault::Status(_));
        world.api.faults(move |number, _| match number.cmp(&call) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(fault),
            std::cmp::Ordering::Greater => dies.then_some(Fault::LostBefore),
        });
        for _ in 0..8 {
            world.play();
            if world.pass(self.name).await.is_err() {
                break;
            }
        }
        world.api.no_faults();
        world.restart();
        world.converge(self.name).await;
        if half == 0 {
            self.change(&world);
            world.converge(self.name).await;
        }
        world.picture()
    }
}

#[tokio::test]
async fn a_crash_at_any_call_comes_to_the_same_end() {
    let mut plans = 0;
    for life in lives() {
        let (end, calls) = life.undisturbed().await;
        for (half, count) in calls.into_iter().enumerate() {
            for call in 0..count.min(40) {
                for fault in [Fault::LostBefore, Fault::LostAfter] {
                    let found = life.disturbed(half, call, fault).await;
                    assert_eq!(found, end, "{} half {half} call {call} {fault:?}", life.name);
                    plans += 1;
                }
            }
        }
    }
    assert!(plans >= 400, "{plans}");
}

#[tokio::test]
async fn an_error_at_any_call_comes_to_the_same_end() {
    for life in lives() {
        let (end, calls) = life.undisturbed().await;
        for (half, count) in calls.into_iter().enumerate() {
            for call in 0..count.min(24) {
                for code in [409, 422, 429, 500, 503] {
                    let found = life.disturbed(half, call, Fault::Status(code)).await;
                    assert_eq!(found, end, "{} half {half} call {call} {code}", life.name);
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_not_waited_for_without_end() {
    let world = World::new(&server_component(""));
    world.create("weather", json!({}));
    world.api.faults(|_, _| Some(Fault::Silent));
    let pass = tokio::time::timeout(Duration::from_secs(300), world.pass("weather")).await;
    let error = pass.expect("it has an end").unwrap_err();
    assert!(error.to_string().contains("did not answer within"), "{error}");
}
