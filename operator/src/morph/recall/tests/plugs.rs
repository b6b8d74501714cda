//! Of a Morph with plugs all parts are remembered, or none; and a tag is resolved once for a generation.

use super::*;
use crate::morph::fixture::{seen_whole, world};
use crate::morph::{Found, Valid};
use morph_component::World;

const SPEC: &str = "image: r.test/hello:1
plugs: [{name: parser, image: \"r.test/parser:1\"}, {name: clock, image: \"r.test/clock:1\"}]
links: [{from: parser, interface: \"acme:clock/now\", to: clock}]
";

fn worlds() -> [(&'static str, World); 2] {
    let parser = world(&["acme:clock/now@0.1.0", "wasi:cli/stdout@0.2.3"], &["acme:text/parse@1.0.0"]);
    [("parser", parser), ("clock", world(&[], &["acme:clock/now@0.1.0"]))]
}

fn main_world() -> World {
    let mut world = server();
    world.imports.insert(0, "acme:text/parse@1.0.0".parse().unwrap());
    world
}

/// Applied in generation 1, its status written.
fn settled() -> (Morph, Children) {
    applied_of(seen_whole(morph(SPEC), main_world(), &worlds()))
}

/// The same in generation 2 with another spec.
fn changed(spec: &str) -> (Morph, Children) {
    next_of(settled(), spec)
}

/// What is found of a Morph that is remembered.
fn found_again(morph: &Morph, children: &Children) -> Found {
    let recalled = recall(morph, children).unwrap();
    let plugs = recalled.plugs.into_iter().map(crate::morph::Resolution::Resolved).collect();
    let resolution = crate::morph::Resolution::Resolved(recalled.main);
    let seen = seen_whole(morph.clone(), server(), &[]);
    let Valid { found, .. } =
        validate(&Seen { resolution, plugs, composed: recalled.composed, ..seen }).unwrap();
    found
}

#[test]
fn all_parts_are_remembered_with_their_links() {
    let (morph, children) = settled();
    let read = validate(&seen_whole(crate::morph::fixture::morph(SPEC), main_world(), &worlds())).unwrap();
    assert_eq!(found_again(&morph, &children), read.found);
}

#[test]
fn the_order_of_plugs_asks_no_registry_and_another_image_or_link_does() {
    let turned = "image: r.test/hello:1
plugs: [{name: clock, image: \"r.test/clock:1\"}, {name: parser, image: \"r.test/parser:1\"}]
links: [{from: parser, interface: \"acme:clock/now\", to: clock}]
";
    for (spec, recalled) in [
        (SPEC.to_owned(), true),
        (turned.to_owned(), true),
        (format!("{SPEC}replicas: 5\n"), true),
        (SPEC.replace("clock:1", "clock:2"), false),
        (SPEC.replace("name: clock,", "name: clock, withhold: [Exit],"), false),
    ] {
        let (morph, children) = changed(&spec);
        assert_eq!(recall(&morph, &children).is_some(), recalled, "{spec}");
        assert_eq!(recall(&morph, &Children::default()), None, "nothing runs that it would keep: {spec}");
        assert!(pinned(&morph).is_empty(), "another generation's tags are resolved anew");
    }
}

#[test]
fn going_back_from_a_plug_that_never_ran_asks_the_registry() {
    let (mut morph, children) = changed(&format!("{SPEC}replicas: 5\n"));
    assert!(recall(&morph, &children).is_some());
    let clock = &mut morph.status.as_mut().unwrap().components[1];
    assert_eq!(clock.name, "clock");
    clock.image = component("r.test/clock:2", server()).image.to_string();
    assert_eq!(recall(&morph, &children), None);
}

#[test]
fn without_any_of_it_nothing_is_remembered() {
    type Change = (&'static str, fn(&mut MorphStatus));
    let changes: [Change; 9] = [
        ("a plug", |status| drop(status.components.remove(2))),
        ("a plug's repository", |status| {
            status.components[1].image = status.components[1].image.replace("clock", "other");
        }),
        ("the digest", |status| status.composed = None),
        ("the digest's form", |status| status.composed = Some("sha256:1".into())),
        ("that they fit", |status| {
            let composed = status.conditions.iter_mut().find(|c| c.type_ == "Composed").unwrap();
            composed.status = "False".into();
        }),
        ("a link's end", |status| status.links[0].to = "none".into()),
        ("a link's import", |status| status.links[0].interface = "acme:none/x@1.0.0".into()),
        ("what the spec's link says", |status| status.links.retain(|link| link.from != "parser")),
        ("a link's form", |status| status.links[0].interface = "none".into()),
    ];
    for (what, change) in changes {
        let (mut morph, children) = settled();
        assert!(recall(&morph, &children).is_some());
        change(morph.status.as_mut().unwrap());
        assert_eq!(recall(&morph, &children), None, "without {what}");
    }
}

#[test]
fn what_does_not_fit_together_stays_pinned_in_its_generation() {
    let wrong = [("parser", world(&[], &["acme:text/parse@2.0.0"])), worlds()[1].clone()];
    let seen = seen_whole(morph(SPEC), main_world(), &wrong);
    let status = report(&seen, &validate(&seen), &Applied::Not, now());
    let mut morph = (*seen.morph).clone();
    morph.status = Some(status);
    assert_eq!(recall(&morph, &Children::default()), None);
    let pins = pinned(&morph);
    let names: Vec<_> = pins.keys().map(String::as_str).collect();
    assert_eq!(names, ["clock", "main", "parser"]);
    assert_eq!(pins["clock"], component("r.test/clock:1", server()).image);
    morph.metadata.generation = Some(2);
    assert!(pinned(&morph).is_empty());
}
