//! A Morph's life in a model of a cluster: people change it, its tag moves, its registry fails, controllers
//! go on with what was applied, and passes happen in between. What must never happen is looked at after each
//! step.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::fixture::{applied, command, component, morph, now, server, settled, world};
use super::*;
use morph_crds::{Morph, MorphStatus, Reason};
use morph_grant::{KeyId, SigningKey, TrustedKeys};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Passes after which a Morph that nobody touches must have come to rest.
const PASSES_MAX: usize = 8;

/// Specs that people write; the image's name says what it is.
const SPECS: [&str; 8] = [
    "image: r.test/a:server\n",
    "image: r.test/a:server\nargs: [a]\n",
    "image: r.test/a:server-2\nreplicas: 2\n",
    "image: r.test/a:command\n",
    "image: r.test/a:command\nargs: [a]\n",
    "image: r.test/a:command\nrun: {schedule: \"@daily\"}\n",
    "image: r.test/a:denied\n",
    "image: r.test/a:server\nlimits: {memory: 1}\n",
];

/// What happens to a Morph.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Somebody writes another spec.
    Change(&'static str),
    /// Somebody or an autoscaler scales.
    Scale(i32),
    /// All tags point at other images from now on.
    MoveTags,
    /// The registry stops or begins to answer.
    Registry(bool),
    /// The key that signs is another one; the old ones are trusted while somebody uses them.
    Rotate,
    /// The operator makes a pass. It remembers nothing, so each is also the first after a restart.
    Pass,
    /// Controllers and garbage collector do what is left to do.
    Controllers,
}

#[derive(Default)]
struct Model {
    spec: String,
    replicas: Option<i32>,
    generation: i64,
    status: Option<MorphStatus>,
    children: Children,
    stored: BTreeMap<(ChildKind, String), serde_json::Value>,
    pushed: u32,
    registry: bool,
    rotations: u64,
    /// Names of the Jobs that were made, in order.
    runs: Vec<String>,
    /// The image that each generation was given.
    pinned: BTreeMap<i64, String>,
}

impl Model {
    fn new(spec: &str) -> Self {
        Self { spec: spec.into(), generation: 1, registry: true, ..Self::default() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Change(spec) => {
                (self.spec, self.replicas, self.generation) = (spec.into(), None, self.generation + 1);
            }
            Step::Scale(replicas) => {
                (self.replicas, self.generation) = (Some(replicas), self.generation + 1);
            }
            Step::MoveTags => self.pushed += 1,
            Step::Registry(answers) => self.registry = answers,
            Step::Rotate => self.rotations += 1,
            Step::Pass => self.pass(),
            Step::Controllers => self.controllers(),
        }
    }

    fn signer(&self) -> Arc<SigningKey> {
        fixture::key(self.rotations)
    }

    /// As the operator publishes them: the last two keys, and those that something names that can still start
    /// a pod.
    fn trusted(&self) -> Arc<TrustedKeys> {
        let live: BTreeSet<KeyId> = self.keys_in_use();
        let own = self.rotations.saturating_sub(1);
        let keys = (0..=self.rotations).map(|n| (n, fixture::key(n).public()));
        Arc::new(keys.filter(|(n, key)| *n >= own || live.contains(&key.id())).map(|(_, key)| key).collect())
    }

    fn keys_in_use(&self) -> BTreeSet<KeyId> {
        let lives = self.children.0.iter().filter(|child| !child.has_ended());
        let grants = lives.filter_map(|child| child.grant.as_ref());
        grants.map(|grant| morph_grant::key_id_of(grant).unwrap()).collect()
    }

    fn morph(&self) -> Morph {
        let mut morph = morph(&self.spec);
        morph.spec.replicas = self.replicas.unwrap_or(morph.spec.replicas);
        morph.metadata.generation = Some(self.generation);
        morph.status = self.status.clone();
        morph
    }

    fn look(&self, morph: &Morph) -> Resolution {
        if let Some(component) = recall(morph, &self.children) {
            return Resolution::Resolved(component.main);
        }
        if !self.registry {
            let message = "r.test can't be reached".into();
            return Resolution::Failed(Failure {
                reason: Reason::RegistryUnavailable,
                message,
                transient: true,
            });
        }
        let image = &morph.spec.image;
        let world = match image.split([':', '-']).nth(1).unwrap_or_default() {
            "server" => server(),
            "command" => command(),
            _ => world(&["acme:a/b@1.0.0"], &["wasi:cli/run@0.2.3"]),
        };
        Resolution::Resolved(component(&format!("{image}-{}", self.pushed), world))
    }

    fn pass(&mut self) {
        let morph = self.morph();
        let resolution = self.look(&morph);
        let seen = Seen {
            morph: Arc::new(morph),
            cluster: "c".into(),
            fence: Some(Arc::default()),
            ceiling: Ceiling::None,
            signer: self.signer(),
            trusted: self.trusted(),
            resolution,
            plugs: Vec::new(),
            composed: None,
            children: self.children.clone(),
        };
        let judged = validate(&seen);
        let done = match &judged {
            Ok(valid) => {
                let image = valid.found.image.to_string();
                let first = self.pinned.entry(self.generation).or_insert_with(|| image.clone());
                assert_eq!(*first, image, "one generation, one image");
                let plan = plan(valid, &seen);
                lint(&plan, &seen).unwrap_or_else(|broken| panic!("{broken:#?}"));
                Applied::All { changed: self.apply(&plan) }
            }
            Err(_) => Applied::Not,
        };
        self.status = Some(report(&seen, &judged, &done, now()));
    }

    /// Whether anything had to be written.
    fn apply(&mut self, plan: &Plan) -> bool {
        let mut changed = !plan.delete.is_empty();
        let mut written = plan.clone();
        written.apply.retain(|object| {
            let key = (object.kind(), object.name().to_owned());
            let value = object.to_value();
            self.stored.get(&key) != Some(&value) || self.children.get(key.0, &key.1).is_none()
        });
        for object in &written.apply {
            changed = true;
            let key = (object.kind(), object.name().to_owned());
            if object.kind() == ChildKind::Job && self.children.get(key.0, &key.1).is_none() {
                self.runs.push(key.1.clone());
            }
            if object.kind() == ChildKind::Deployment {
                // Its controller has yet to see the new generation.
                self.children.0.retain(|child| child.kind != ChildKind::Deployment);
            }
            self.stored.insert(key, object.to_value());
        }
        self.children = applied(&written, &self.children);
        changed
    }

    fn controllers(&mut self) {
        self.children = settled(std::mem::take(&mut self.children));
        for child in &mut self.children.0 {
            match &mut child.state {
                ChildState::Deployment { observed, desired, existing, updated, available, .. } => {
                    (*observed, *existing, *updated, *available) = (true, *desired, *desired, *desired);
                }
                ChildState::Job { succeeded, end, suspended: false, .. } => {
                    (*succeeded, *end) = (1, Some(JobEnd::Succeeded));
                }
                _ => {}
            }
        }
    }

    /// Passes and controllers until nothing changes.
    fn rest(&mut self) {
        for _ in 0..PASSES_MAX {
            let before = (self.status.clone(), self.children.clone());
            self.pass();
            self.controllers();
            if (self.status.clone(), self.children.0.clone()) == (before.0, before.1.0) {
                return;
            }
        }
        panic!("it does not come to rest: {:#?}", self.status);
    }

    fn ready(&self) -> (String, String) {
        let conditions = &self.status.as_ref().unwrap().conditions;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
        (ready.status.clone(), ready.reason.clone())
    }

    fn image_of(&self, kind: ChildKind) -> Option<String> {
        self.children.0.iter().find(|child| child.kind == kind)?.image.clone()
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => select(SPECS.as_slice()).prop_map(Step::Change),
        2 => (0..3_i32).prop_map(Step::Scale),
        1 => Just(Step::MoveTags),
        1 => any::<bool>().prop_map(Step::Registry),
        1 => Just(Step::Rotate),
        4 => Just(Step::Pass),
        2 => Just(Step::Controllers),
    ]
}

proptest! {
    #[test]
    fn any_life_comes_to_rest_in_the_state_of_its_last_spec(
        first in select(SPECS.as_slice()),
        steps in prop::collection::vec(any_step(), 0..25),
    ) {
        let mut model = Model::new(first);
        for step in steps {
            model.step(step);
        }
        model.registry = true;
        model.rest();
        let (ready, reason) = model.ready();
        match model.spec.as_str() {
            spec if spec.contains("denied") => prop_assert_eq!(reason, "ImportDenied"),
            spec if spec.contains("memory: 1}") => prop_assert_eq!(reason, "SpecInvalid"),
            _ => {
                prop_assert_eq!(&ready, "True", "{}", reason);
                let fresh = Seen {
                    morph: Arc::new(model.morph()),
                    cluster: "c".into(),
                    fence: Some(Arc::default()),
                    ceiling: Ceiling::None,
                    signer: model.signer(),
                    trusted: model.trusted(),
                    resolution: model.look(&model.morph()),
                    plugs: Vec::new(),
                    composed: None,
                    children: model.children.clone(),
                };
                let wanted: BTreeSet<_> = fixture::planned(&fresh)
                    .apply.iter().map(|object| (object.kind(), object.name().to_owned())).collect();
                let there: BTreeSet<_> =
                    model.children.0.iter().map(|child| (child.kind, child.name.clone())).collect();
                prop_assert_eq!(there, wanted, "exactly what the last spec asks for is there");
            }
        }
    }

    #[test]
    fn passes_alone_change_nothing_once_at_rest(spec in select(SPECS.as_slice()), passes in 1..6_usize) {
        let mut model = Model::new(spec);
        model.rest();
        let before = (model.status.clone(), model.children.0.clone(), model.runs.clone());
        model.step(Step::MoveTags);
        model.step(Step::Registry(false));
        for _ in 0..passes {
            // A Morph that was refused asks again, and may be told something else: the rest must not.
            if model.image_of(ChildKind::Deployment).is_some() || !model.runs.is_empty() {
                model.pass();
            }
        }
        prop_assert_eq!((model.status, model.children.0, model.runs), before);
    }
}

#[test]
fn a_finished_command_is_not_run_again_and_a_changed_one_once_more() {
    let mut model = Model::new("image: r.test/a:command\n");
    for _ in 0..5 {
        model.rest();
    }
    assert_eq!(model.runs.len(), 1);
    assert_eq!(model.ready(), ("True".into(), "CommandSucceeded".into()));
    model.step(Step::Change("image: r.test/a:command\nargs: [a]\n"));
    for _ in 0..5 {
        model.rest();
    }
    assert_eq!(model.runs.len(), 2);
    assert_ne!(model.runs[0], model.runs[1]);
}

#[test]
fn a_tag_that_moves_is_taken_by_the_next_change_and_not_by_scaling() {
    let mut model = Model::new("image: r.test/a:server\n");
    model.rest();
    let first = model.image_of(ChildKind::Deployment);
    model.step(Step::MoveTags);
    model.step(Step::Scale(5));
    model.rest();
    assert_eq!(model.image_of(ChildKind::Deployment), first);
    model.step(Step::Change("image: r.test/a:server\nargs: [a]\n"));
    model.rest();
    assert_ne!(model.image_of(ChildKind::Deployment), first);
}

#[test]
fn a_bad_image_leaves_the_old_pods_and_going_back_mends_it() {
    let good = "image: r.test/a:server\n";
    let mut model = Model::new(good);
    model.rest();
    let before = model.children.0.clone();
    model.step(Step::Change("image: r.test/a:denied\n"));
    model.rest();
    assert_eq!(model.children.0, before);
    assert_eq!(model.ready(), ("False".into(), "ImportDenied".into()));
    model.step(Step::Change(good));
    model.rest();
    assert_eq!(model.children.0, before);
    assert_eq!(model.ready(), ("True".into(), "Ready".into()));
}

#[test]
fn a_registry_that_is_down_matters_only_to_what_must_be_asked() {
    let mut model = Model::new("image: r.test/a:server\n");
    model.rest();
    model.step(Step::Registry(false));
    model.step(Step::Scale(3));
    model.rest();
    assert_eq!(model.ready(), ("True".into(), "Ready".into()));
    model.step(Step::Change("image: r.test/a:server-2\n"));
    model.rest();
    assert_eq!(model.ready(), ("False".into(), "RegistryUnavailable".into()));
    model.step(Step::Registry(true));
    model.rest();
    assert_eq!(model.ready(), ("True".into(), "Ready".into()));
}

#[test]
fn a_new_key_rolls_no_pod_and_runs_no_command_again() {
    for spec in SPECS.iter().filter(|spec| !spec.contains("denied") && !spec.contains("memory")) {
        let mut model = Model::new(spec);
        model.rest();
        let before = (model.stored.clone(), model.runs.clone(), model.children.0.clone());
        for _ in 0..20 {
            model.step(Step::Rotate);
            model.rest();
        }
        assert_eq!((model.stored, model.runs, model.children.0), before, "{spec}");
    }
}

#[test]
fn a_command_that_has_ended_keeps_no_key_and_its_next_run_has_the_new_one() {
    let mut model = Model::new("image: r.test/a:command\n");
    model.pass();
    assert_eq!(model.keys_in_use(), BTreeSet::from([fixture::key(0).public().id()]), "it runs");
    model.rest();
    assert_eq!(model.keys_in_use(), BTreeSet::new());
    for _ in 0..3 {
        model.step(Step::Rotate);
        model.rest();
    }
    assert_eq!(model.runs.len(), 1, "nor is it run again");
    model.step(Step::Change("image: r.test/a:command\nrun: {completions: 2}\n"));
    model.pass();
    model.children = settled(std::mem::take(&mut model.children));
    model.pass();
    assert_eq!(model.keys_in_use(), BTreeSet::from([fixture::key(3).public().id()]));
    assert_eq!(model.runs.len(), 2);
}

#[test]
fn a_morph_is_signed_anew_at_its_next_change() {
    let mut model = Model::new("image: r.test/a:server\n");
    model.rest();
    let old = fixture::key(0).public().id();
    assert_eq!(model.keys_in_use(), BTreeSet::from([old]));
    model.step(Step::Rotate);
    model.step(Step::Scale(5));
    model.rest();
    assert_eq!(
        model.keys_in_use(),
        BTreeSet::from([fixture::key(0).public().id()]),
        "scaling changes no grant"
    );
    model.step(Step::Change("image: r.test/a:server\nargs: [a]\n"));
    model.rest();
    assert_eq!(model.keys_in_use(), BTreeSet::from([fixture::key(1).public().id()]));
}

#[test]
fn a_grant_whose_key_nobody_trusts_any_more_is_signed_anew() {
    let mut model = Model::new("image: r.test/a:server\n");
    model.rest();
    model.rotations = 5;
    // As if the Secret and what is published were lost: the old key is known to nobody.
    let seen = fixture::seen(model.morph(), server()).with(model.children.clone());
    let seen = Seen { cluster: "c".into(), ..seen }.signed_by(&[fixture::key(5)]);
    let valid = validate(&seen).unwrap();
    assert_eq!(morph_grant::key_id_of(&valid.envelope).unwrap(), fixture::key(5).public().id());
}
