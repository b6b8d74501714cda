//! When the registry is asked again, and when not.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{applied, component, morph, now, planned, seen, server};
use crate::morph::{Applied, Seen, report, validate};
use morph_crds::RunType;

mod plugs;

const SPEC: &str = "image: r.test/hello:1\n";

/// A Morph that was resolved and applied in generation 1, its status written.
fn settled() -> (Morph, Children) {
    applied_of(seen(morph(SPEC), server()))
}

/// What was seen, once it is applied and its status written.
fn applied_of(seen: Seen) -> (Morph, Children) {
    let children = applied(&planned(&seen), &Children::default());
    let seen = Seen { children, ..seen };
    let status = report(&seen, &validate(&seen), &Applied::All { changed: false }, now());
    let mut morph = (*seen.morph).clone();
    morph.status = Some(status);
    (morph, seen.children)
}

/// The same Morph in generation 2 with another spec.
fn changed(spec: &str) -> (Morph, Children) {
    next_of(settled(), spec)
}

fn next_of((settled, children): (Morph, Children), spec: &str) -> (Morph, Children) {
    let mut next = morph(spec);
    next.metadata.generation = Some(2);
    next.status = settled.status;
    (next, children)
}

#[test]
fn a_generation_is_resolved_once() {
    let (morph, children) = settled();
    let recalled = recall(&morph, &children).unwrap().main;
    let read = component("r.test/hello:1", server());
    assert_eq!((&recalled.image, &recalled.content), (&read.image, &read.content));
    assert_eq!(recalled.known.imports(), read.known.imports());
    assert!(matches!(recalled.known, Known::Remembered { runs: Some(RunType::Server), .. }));
}

#[test]
fn a_morph_that_was_never_looked_at_is_not_recalled() {
    assert_eq!(recall(&morph(SPEC), &Children::default()), None);
}

#[test]
fn scaling_does_not_ask_the_registry_and_a_change_does() {
    for (change, recalled) in [
        ("", true),
        ("replicas: 5", true),
        ("args: [a]", false),
        ("limits: {memory: 64Mi}", false),
        ("template: {annotations: {restarted: now}}", false),
    ] {
        let (morph, children) = changed(&format!("{SPEC}{change}\n"));
        assert_eq!(recall(&morph, &children).is_some(), recalled, "{change}");
        assert_eq!(recall(&morph, &Children::default()), None, "nothing runs that it would keep: {change}");
    }
}

#[test]
fn somebody_elses_child_proves_nothing() {
    let (morph, mut children) = changed(&format!("{SPEC}replicas: 5\n"));
    children.0.iter_mut().for_each(|child| child.owner = Some("other".into()));
    assert_eq!(recall(&morph, &children), None);
}

#[test]
fn going_back_from_an_image_that_never_ran_asks_the_registry() {
    let (mut morph, mut children) = changed(&format!("{SPEC}replicas: 5\n"));
    let own = &mut morph.status.as_mut().unwrap().components[0];
    own.image = component("r.test/hello:2", server()).image.to_string();
    assert_eq!(recall(&morph, &children), None);
    children.0.iter_mut().for_each(|child| child.image = Some(own_image(&morph)));
    assert!(recall(&morph, &children).is_some());
}

fn own_image(morph: &Morph) -> String {
    morph.status.as_ref().unwrap().components[0].image.clone()
}

#[test]
fn a_resolution_that_failed_is_not_recalled() {
    let (mut morph, children) = settled();
    for condition in &mut morph.status.as_mut().unwrap().conditions {
        if condition.type_ == "Resolved" {
            condition.status = "False".into();
        }
    }
    assert_eq!(recall(&morph, &children), None);
}

#[test]
fn a_status_that_can_not_be_read_is_asked_again() {
    type Wrong = fn(&mut MorphStatus);
    let wrongs: [Wrong; 5] = [
        |status| status.components.clear(),
        |status| status.components[0].image = "r.test/hello:1".into(),
        |status| status.components[0].image = status.components[0].image.replace("hello", "other"),
        |status| status.components[0].digest = "sha256:1".into(),
        |status| status.imports[0].interface = "wasi".into(),
    ];
    for (index, wrong) in wrongs.into_iter().enumerate() {
        let (mut morph, children) = settled();
        wrong(morph.status.as_mut().unwrap());
        assert_eq!(recall(&morph, &children), None, "{index}");
    }
}

/// Status can be written by whoever has that right; a wrong one must not bring another image or more rights.
#[test]
fn a_status_that_was_tampered_with_brings_no_other_repository() {
    let digest = own_image(&settled().0).split_once('@').unwrap().1.to_owned();
    for image in [
        format!("r.test/other@{digest}"),
        format!("evil.test/hello@{digest}"),
        format!("r.test:5000/hello@{digest}"),
        format!("r.test/hello/more@{digest}"),
        "r.test/hello:1".to_owned(),
        format!("r.test/hello@{}", &digest[..70]),
        format!("r.test/hello@{digest} "),
        String::new(),
    ] {
        let (mut morph, children) = settled();
        morph.status.as_mut().unwrap().components[0].image = image.clone();
        assert_eq!(recall(&morph, &children), None, "{image}");
    }
}

#[test]
fn a_status_without_one_of_its_parts_is_not_recalled() {
    type Part = (&'static str, fn(&mut MorphStatus));
    let parts: [Part; 8] = [
        ("no component", |status| status.components.clear()),
        ("another component", |status| status.components[0].name = "other".into()),
        ("no digest", |status| status.components[0].digest = String::new()),
        ("another digest's form", |status| status.components[0].digest = "sha512:00".into()),
        ("an import that is none", |status| status.imports[0].interface = "not an interface".into()),
        ("no conditions", |status| status.conditions.clear()),
        ("another generation", |status| {
            status.conditions.iter_mut().for_each(|c| c.observed_generation = Some(0));
        }),
        ("a resolution that failed", |status| {
            status.conditions.iter_mut().for_each(|c| c.status = "False".into());
        }),
    ];
    for (name, change) in parts {
        let (mut morph, _) = settled();
        assert!(recall(&morph, &Children::default()).is_some(), "before: {name}");
        change(morph.status.as_mut().unwrap());
        assert_eq!(recall(&morph, &Children::default()), None, "{name}");
    }
}
