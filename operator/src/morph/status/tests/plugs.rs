//! What people read of a Morph with plugs.

use super::*;
use crate::morph::fixture::seen_whole;
use ConditionType::Composed;

const SPEC: &str = "image: r.test/hello:1
plugs: [{name: parser, image: \"r.test/parser:1\"}, {name: clock, image: \"r.test/clock:1\"}]
";

fn worlds() -> [(&'static str, World); 2] {
    let parser = world(&["acme:clock/now@0.1.0", "wasi:cli/stdout@0.2.3"], &["acme:text/parse@1.0.0"]);
    [("parser", parser), ("clock", world(&[], &["acme:clock/now@0.1.0"]))]
}

fn whole() -> Seen {
    let main = world(&["acme:text/parse@1.0.0", "wasi:cli/stdout@0.2.3"], &["wasi:cli/run@0.2.3"]);
    seen_whole(morph(SPEC), main, &worlds())
}

#[test]
fn each_part_is_listed_and_the_conditions_have_an_order() {
    let seen = whole();
    let children = applied(&planned(&seen), &Children::default());
    let status = status_of(&seen.with(children), &CHANGED);
    let types: Vec<_> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    let wanted = ["Resolved", "Composed", "ImportsSatisfied", "WithinCeiling", "Available", "Ready"];
    assert_eq!(types[..6], wanted);
    assert_eq!(line(&status, Composed), Some(("True", "PartsComposed")));
    assert_eq!(message(&status, Composed), "3 parts, 2 links");
    assert_eq!(message(&status, ImportsSatisfied), "0 granted, 2 ambient, 2 by plugs");
    assert!(message(&status, Resolved).contains("; clock: r.test/clock@sha256:"));
    let parts: Vec<_> = status.components.iter().map(|part| (part.name.as_str(), part.type_)).collect();
    assert_eq!(parts, [("hello", Some(RunType::Command)), ("clock", None), ("parser", None)]);
    let links: Vec<_> = status.links.iter().map(|link| (link.from.as_str(), link.to.as_str())).collect();
    assert_eq!(links, [("hello", "parser"), ("parser", "clock")], "never `main`");
    let answers: Vec<_> = status
        .imports
        .iter()
        .map(|import| (import.component.as_str(), import.answer, import.by.as_deref().unwrap()))
        .collect();
    assert_eq!(answers[0], ("hello", Answer::Plug, "parser"));
    assert_eq!(answers[2], ("parser", Answer::Plug, "clock"));
    assert_eq!(answers.len(), 4);
    assert!(status.composed.unwrap().starts_with("sha256:"));
}

#[test]
fn parts_that_do_not_fit_are_listed_and_nothing_is_answered() {
    let mut seen = whole();
    let Resolution::Resolved(clock) = &mut seen.plugs[1] else { panic!() };
    clock.known = crate::morph::Known::Read(world(&[], &["acme:clock/now@0.2.0"]).into());
    let status = status_of(&seen, &Applied::Not);
    check(
        &status,
        &[
            (Resolved, "True", "ImageResolved"),
            (Composed, "False", "VersionMismatch"),
            (ImportsSatisfied, "Unknown", "Pending"),
            (WithinCeiling, "True", "NoPolicy"),
            (Available, "False", "PodsUnavailable"),
            (Ready, "False", "VersionMismatch"),
            (Stalled, "True", "VersionMismatch"),
        ],
    );
    assert_eq!(status.components.len(), 3);
    assert!(status.imports.is_empty() && status.links.is_empty() && status.composed.is_none());
}

#[test]
fn a_plug_that_is_missing_is_told_by_its_field() {
    let mut seen = whole();
    let message = "spec.plugs[1].image: there is none".to_owned();
    seen.plugs[1] = Resolution::Failed(Failure { reason: Reason::ImageNotFound, message, transient: false });
    let status = status_of(&seen, &Applied::Not);
    assert_eq!(line(&status, Resolved), Some(("False", "ImageNotFound")));
    assert_eq!(super::message(&status, Resolved), "spec.plugs[1].image: there is none");
    assert_eq!(line(&status, Composed), Some(("Unknown", "Pending")));
}

#[test]
fn saying_it_again_is_saying_it_once_and_parts_that_go_are_not_told_of() {
    let seen = whole();
    let children = applied(&planned(&seen), &Children::default());
    let status = status_of(&seen.clone().with(children.clone()), &UNCHANGED);
    let again = whole().with(children.clone()).after(status.clone());
    assert_eq!(status_of(&again, &UNCHANGED), status);
    let alone = super::seen(morph("image: r.test/hello:1\n"), command()).after(status);
    let status = status_of(&alone, &Applied::Not);
    assert_eq!((status.components.len(), status.links.len(), status.composed.clone()), (1, 0, None));
    assert_eq!(line(&status, Composed), None);
}
