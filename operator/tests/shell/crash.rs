//! The operator dies at any of its calls, or the call fails, and it comes to the same end; and then nothing
//! is written any more.

mod alone;
mod plugs;

use crate::server::Fault;
use crate::world::World;
use morph_operator::morph::reconcile::Next;
use morph_operator::morph::sweep::sweep;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// The Morph whose life it is.
const NAME: &str = "weather";

/// How long nothing is written once there is nothing to do.
const STILL: Duration = Duration::from_secs(3_600);

/// What goes wrong with a call. After the first two the operator is another one; of the others each stands
/// for the answers that are taken alike: look again, the object is wrong, it may pass.
const FAULTS: [Fault; 5] =
    [Fault::LostBefore, Fault::LostAfter, Fault::Status(409), Fault::Status(422), Fault::Status(500)];

/// A piece of a Morph's life: the world that it comes into, and what happens, one after the other; the first
/// makes it.
struct Life {
    world: fn() -> World,
    steps: Vec<fn(&World)>,
}

/// Changes the Morph's spec.
fn edit(world: &World, change: impl FnOnce(&mut Value)) {
    world.edit(NAME, |morph| change(&mut morph["spec"]));
}

impl Life {
    /// Lives it through undisturbed, and then once for each call and fault; at least so many times.
    async fn check(&self, least: usize) {
        let undisturbed = self.undisturbed().await;
        let mut plans = 0;
        for (step, (_, calls)) in undisturbed.iter().enumerate() {
            for call in 0..*calls {
                for fault in FAULTS {
                    let world = self.disturbed(step, call, fault).await;
                    let at = format!("step {step} call {call} {fault:?}");
                    assert_eq!(world.picture(), undisturbed[step].0, "{at}");
                    plans += 1;
                    if fault == Fault::LostAfter && step + 1 < self.steps.len() {
                        self.rest(&world, step + 1).await;
                        assert_eq!(world.picture(), undisturbed[self.steps.len() - 1].0, "in the end: {at}");
                    }
                }
            }
        }
        assert!(plans >= least, "{plans}");
    }

    /// What the world is after each step, and how many calls that took.
    async fn undisturbed(&self) -> Vec<(String, usize)> {
        let mut world = (self.world)();
        let mut found = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            step(&world);
            let (calls, errors) = world.settle(NAME).await;
            assert_eq!(errors, 0);
            // Of what was asked for an earlier generation something may be left.
            sweep(&world.api.server()).await.unwrap();
            found.push((world.picture(), calls));
            still(&mut world, index).await;
        }
        leaves_nothing(&world).await;
        found
    }

    /// The steps from this one on.
    async fn rest(&self, world: &World, from: usize) {
        for step in &self.steps[from..] {
            step(world);
            world.settle(NAME).await;
            sweep(&world.api.server()).await.unwrap();
        }
    }

    /// Goes on until the calls of this step end at the fault, then with a new operator; or, where it only
    /// heard an error, with the same.
    async fn disturbed(&self, step: usize, call: usize, fault: Fault) -> World {
        let mut world = (self.world)();
        for earlier in &self.steps[..step] {
            earlier(&world);
            world.settle(NAME).await;
        }
        self.steps[step](&world);
        let dies = !matches!(fault, Fault::Status(_));
        world.api.faults(move |number, _| match number.cmp(&call) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(fault),
            std::cmp::Ordering::Greater => dies.then_some(Fault::LostBefore),
        });
        if dies {
            loop {
                world.play();
                let Ok(Next::After(wait)) = world.pass(NAME).await else { break };
                tokio::time::sleep(wait).await;
            }
            world.api.no_faults();
            world.restart();
        }
        let (_, errors) = world.settle(NAME).await;
        assert!(errors <= 1, "{errors} passes came to an error");
        world.api.no_faults();
        sweep(&world.api.server()).await.unwrap();
        world
    }
}

/// For an hour nothing is written and no registry asked for what is known, by this operator and the next;
/// nor is there anything to sweep.
async fn still(world: &mut World, step: usize) {
    let before = world.picture();
    world.api.take_calls();
    for operator in ["the same", "another"] {
        let end = Instant::now() + STILL;
        while Instant::now() < end {
            world.play();
            let Next::After(wait) = world.pass(NAME).await.unwrap() else { panic!("it is gone") };
            assert_eq!(world.api.take_writes(), Vec::<String>::new(), "{operator} operator, step {step}");
            tokio::time::sleep(wait).await;
        }
        world.registry.take_asked();
        world.restart();
    }
    assert_eq!(sweep(&world.api.server()).await.unwrap().deleted, 0, "step {step}");
    assert_eq!(world.picture(), before, "step {step}");
    if world.condition(NAME, "Ready").0 == "True" {
        world.pass(NAME).await.unwrap();
        assert_eq!(world.registry.take_asked(), Vec::<String>::new(), "step {step}");
        assert_eq!(world.inspectors(), [], "step {step}");
    }
    world.api.take_calls();
}

/// Without its Morph, all of it is swept.
async fn leaves_nothing(world: &World) {
    world.api.with(|store| store.remove(&crate::world::morph_key(NAME)));
    assert_eq!(world.pass(NAME).await.unwrap(), Next::Gone);
    sweep(&world.api.server()).await.unwrap();
    assert_eq!((world.children(), world.inspectors()), (Vec::new(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_not_waited_for_without_end() {
    let world = World::new(&crate::world::server_component(""));
    world.create(NAME, serde_json::json!({}));
    world.api.faults(|_, _| Some(Fault::Silent));
    let pass = tokio::time::timeout(Duration::from_secs(300), world.pass(NAME)).await;
    let error = pass.expect("it has an end").unwrap_err();
    assert!(error.to_string().contains("did not answer within"), "{error}");
}
