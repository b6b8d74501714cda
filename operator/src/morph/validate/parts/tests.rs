//! Parts that fit together and parts that don't: each reason with the words that people read, and what each
//! import is answered under the rights of its own part.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{morph, seen_whole, world};
use crate::morph::{Failure, Resolution, Valid, validate};
use morph_component::{Shapes, World};
use morph_grant::Answer;

const RUN: &str = "wasi:cli/run@0.2.3";
const HTTP: &str = "wasi:http/outgoing-handler@0.2.3";
const NOW: &str = "acme:clock/now@0.1.0";

/// A Morph with these plugs and fields; its own component runs once and imports this.
fn whole(fields: &str, imports: &[&str], plugs: &[(&str, World)]) -> Seen {
    let listed: String =
        plugs.iter().map(|(name, _)| format!("- {{name: {name}, image: \"r.test/{name}:1\"}}\n")).collect();
    let text = format!("image: r.test/hello:1\nplugs:\n{listed}{fields}\n");
    seen_whole(morph(&text), world(imports, &[RUN]), plugs)
}

/// A plug that exports this and imports that.
fn plug<'a>(name: &'a str, exports: &[&str], imports: &[&str]) -> (&'a str, World) {
    (name, world(imports, exports))
}

fn valid(seen: &Seen) -> Valid {
    validate(seen).unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

fn check_refused(seen: &Seen, condition: ConditionType, reason: Reason, words: &[&str]) -> Refusal {
    let Err(refusal) = validate(seen) else { panic!("it is valid") };
    assert_eq!((refusal.condition, refusal.reason), (condition, reason), "{}", refusal.message);
    for word in words {
        assert!(refusal.message.contains(word), "{word} is not in: {}", refusal.message);
    }
    refusal
}

#[test]
fn parts_that_fit_are_linked_and_each_import_is_answered_once() {
    let plugs = [
        plug("parser", &["acme:text/parse@1.0.0"], &[NOW]),
        plug("clock", &[NOW], &["wasi:cli/stdout@0.2.3"]),
    ];
    let found = valid(&whole("", &["acme:text/parse@1.0.0", "wasi:cli/stdout@0.2.3"], &plugs)).found;
    let names: Vec<_> = found.plugs.iter().map(|plug| plug.name.as_str()).collect();
    assert_eq!(names, ["clock", "parser"], "by name, whatever the spec's order");
    let answers = |imports: &[morph_grant::Answered]| -> Vec<_> {
        imports
            .iter()
            .map(|import| (import.interface.to_string(), import.answer, import.by.clone()))
            .collect()
    };
    let main = answers(&found.imports);
    assert_eq!(main[0], ("acme:text/parse@1.0.0".into(), Answer::Plug, "parser".into()));
    assert_eq!((main.len(), main[1].1), (2, Answer::Ambient));
    assert_eq!(answers(&found.plugs[1].imports), [(NOW.into(), Answer::Plug, "clock".into())]);
    assert_eq!(found.links[0].to, "parser");
    assert_eq!(found.plugs[1].links[0].to, "clock");
    assert!(found.composed.is_some() && found.is_answered());
}

type Case<'a> = (&'a str, &'a [&'a str], Vec<(&'a str, World)>, Reason, [&'a str; 2]);

/// Each is refused for its reason in these words, and what is known is told.
fn check_reasons(cases: &[Case<'_>]) {
    for (fields, imports, plugs, reason, words) in cases {
        let refusal = check_refused(&whole(fields, imports, plugs), ConditionType::Composed, *reason, words);
        assert!(!refusal.transient, "{reason}");
        let found = refusal.found.unwrap();
        assert_eq!((found.plugs.len(), found.composed), (plugs.len(), None), "what is known is told");
        assert!(found.imports.is_empty() && found.links.is_empty(), "nothing is answered");
    }
}

#[test]
fn each_thing_that_stands_against_a_composition_has_its_reason() {
    let clock = || plug("clock", &[NOW], &[]);
    let many: Vec<String> = (0..1024).map(|n| format!("acme:a/i{n}@1.0.0")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).chain([NOW]).collect();
    check_reasons(&[
        ("", &[NOW, "acme:a/b@1.0.0"][..], vec![clock()], Reason::Unresolved, ["acme:a/b@1.0.0", "main"]),
        ("", &[], vec![clock()], Reason::Unresolved, ["nothing uses clock", "export"]),
        (
            "",
            &[NOW],
            vec![clock(), plug("other", &[NOW], &[])],
            Reason::Ambiguous,
            ["clock and by other", NOW],
        ),
        (
            "capabilities: {http: {allow: [{host: a.example, pathPrefixes: [/]}]}}",
            &[HTTP],
            vec![plug("cache", &[HTTP], &[])],
            Reason::Ambiguous,
            ["cache and by host", HTTP],
        ),
        (
            "",
            &["acme:clock/now@0.2.0"],
            vec![clock()],
            Reason::VersionMismatch,
            ["clock exports acme:clock/now@0.1.0", "main imports acme:clock/now@0.2.0"],
        ),
        (
            "",
            &["acme:a/a@1.0.0"],
            vec![
                plug("a", &["acme:a/a@1.0.0"], &["acme:b/b@1.0.0"]),
                plug("b", &["acme:b/b@1.0.0"], &["acme:a/a@1.0.0"]),
            ],
            Reason::Cycle,
            ["a → b → a", "first"],
        ),
        ("", &many, vec![clock()], Reason::TooLarge, ["1025 imports", "1024"]),
    ]);
}

#[test]
fn a_link_that_cannot_be_meant_is_told_by_its_place() {
    let clock = || plug("clock", &[NOW], &[]);
    let link = |text: &str| format!("links: [{text}]");
    check_reasons(&[
        (
            &link("{from: main, interface: \"acme:clock/now\", to: none}"),
            &[NOW],
            vec![clock()],
            Reason::Unresolved,
            ["spec.links[0].to", "no part \"none\""],
        ),
        (
            &link("{from: main, interface: \"acme:other/now\", to: clock}"),
            &[NOW],
            vec![clock()],
            Reason::Unresolved,
            ["spec.links[0].interface", "main doesn't import"],
        ),
        (
            &link("{from: main, interface: \"acme:clock/now@0.2.0\", to: clock}"),
            &["acme:clock/now@0.2.0"],
            vec![clock()],
            Reason::VersionMismatch,
            ["spec.links[0].to", NOW],
        ),
    ]);
}

/// The same world, whose first import or export has these items.
fn of_types(mut world: World, imports: &str, exports: &str) -> World {
    let shape = |text: &str| vec![Some(text.parse().unwrap())];
    world.shapes = Shapes { imports: shape(imports), exports: shape(exports) };
    world
}

#[test]
fn an_export_of_another_type_is_refused_with_both_types() {
    let whole = |now: &str| {
        let clock = of_types(world(&[], &[NOW]), "", now);
        let text = "image: r.test/hello:1\nplugs: [{name: clock, image: \"r.test/clock:1\"}]\n";
        let main = of_types(world(&[NOW], &[RUN]), "now: func() -> string", "run: func()");
        seen_whole(morph(text), main, &[("clock", clock)])
    };
    valid(&whole("now: func() -> string;zone: func() -> string"));
    let message = "spec.plugs[0].image: main imports acme:clock/now@0.1.0, and what clock exports by that \
                   name is of another type: now is func() -> u64 there, and func() -> string is wanted";
    let seen = whole("now: func() -> u64");
    let refusal = check_refused(&seen, ConditionType::Composed, Reason::TypeMismatch, &[message]);
    assert!(!refusal.transient && refusal.message == message, "{refusal:?}");
    let found = refusal.found.unwrap();
    assert_eq!((found.plugs.len(), found.composed), (1, None), "what is known is told");
}

#[test]
fn a_link_settles_what_is_ambiguous_and_stands_between() {
    let plugs = [plug("cache", &[HTTP], &[HTTP])];
    let fields = "links: [{from: main, interface: \"wasi:http/outgoing-handler\", to: cache}, \
                  {from: cache, interface: \"wasi:http/outgoing-handler\", to: host}]";
    let mut seen = whole(fields, &[HTTP], &plugs);
    let mut morph = crate::morph::Seen::clone(&seen).morph.as_ref().clone();
    let allow = "http: {allow: [{host: a.example, pathPrefixes: [/]}]}";
    morph.spec.plugs[0].capabilities = Some(serde_norway::from_str(&format!("{{{allow}}}")).unwrap());
    seen.morph = std::sync::Arc::new(morph);
    let valid = valid(&seen);
    assert_eq!(valid.found.imports[0].answer, Answer::Plug);
    assert_eq!(valid.found.plugs[0].imports[0].answer, Answer::Granted);
    let [main, cache] = valid.document.components.as_slice() else { panic!() };
    assert!(main.grants.http.is_none() && cache.grants.http.is_some(), "no way round");
}

#[test]
fn each_import_is_answered_under_the_grants_of_its_own_part() {
    let granted = "capabilities: {http: {allow: [{host: a.example, pathPrefixes: [/]}]}}";
    let plugs = [plug("clock", &[NOW], &[HTTP])];
    let words = [
        "1 import is denied",
        "wasi:http/outgoing-handler@0.2.3 of plug clock: no capabilities.http",
        "\nspec:\n  plugs:\n  - name: clock\n    capabilities:\n      http:\n        allow:\n",
    ];
    let condition = ConditionType::ImportsSatisfied;
    let refusal = check_refused(&whole(granted, &[NOW], &plugs), condition, Reason::ImportDenied, &words);
    assert!(refusal.found.unwrap().composed.is_some());
    // And the other way round: what a plug may, main may not.
    let main = whole("", &[NOW, HTTP], &[plug("clock", &[NOW], &[])]);
    let words =
        ["wasi:http/outgoing-handler@0.2.3: no capabilities.http", "\nspec:\n  capabilities:\n    http:\n"];
    check_refused(&main, condition, Reason::ImportDenied, &words);
    let both = whole("", &[NOW, HTTP], &[plug("clock", &[NOW], &["wasi:logging/logging@0.1.0-draft"])]);
    let words =
        ["2 imports are denied", "\n  plugs:\n  - name: clock\n    capabilities:\n      logging: {}\n"];
    check_refused(&both, condition, Reason::ImportDenied, &words);
}

#[test]
fn names_that_two_have_are_refused() {
    let text = "image: r.test/hello:1\nplugs: [{name: NAME, image: \"r.test/a:1\"}]\n";
    for (name, field) in
        [("hello", "spec.plugs"), ("main", "spec.plugs[0].name"), ("host", "spec.plugs[0].name")]
    {
        let seen = seen_whole(morph(&text.replace("NAME", name)), world(&[NOW], &[RUN]), &[]);
        check_refused(&seen, ConditionType::Ready, Reason::SpecInvalid, &[field]);
    }
    let twice = text.replace("[{", "[{name: a, image: \"r.test/a:1\"}, {").replace("NAME", "a");
    let seen = seen_whole(morph(&twice), world(&[NOW], &[RUN]), &[]);
    check_refused(&seen, ConditionType::Ready, Reason::SpecInvalid, &["spec.plugs[1]", "same name"]);
}

#[test]
fn a_link_about_no_interface_names_its_field() {
    let fields = "links: [{from: main, interface: \"acme:clock/now\", to: clock}, \
                  {from: main, interface: \"Clock\", to: clock}]";
    let seen = whole(fields, &[NOW], &[plug("clock", &[NOW], &[])]);
    check_refused(&seen, ConditionType::Ready, Reason::SpecInvalid, &["spec.links[1].interface"]);
}

#[test]
fn a_plug_that_is_not_resolved_holds_all_back() {
    let mut seen = whole("", &[NOW], &[plug("clock", &[NOW], &[])]);
    seen.plugs.clear();
    let refusal = check_refused(&seen, ConditionType::Resolved, Reason::Pending, &["not looked at"]);
    assert!(refusal.transient);
    let message = "spec.plugs[0].image: the registry has none".to_owned();
    let failure = Failure { reason: Reason::ImageNotFound, message, transient: false };
    seen.plugs = vec![Resolution::Failed(failure)];
    let refusal =
        check_refused(&seen, ConditionType::Resolved, Reason::ImageNotFound, &["spec.plugs[0].image"]);
    assert_eq!((refusal.transient, refusal.found), (false, None));
}

#[test]
fn a_plug_of_any_make_has_no_type() {
    // It may export what could be run; only the Morph's own component is.
    let seen = whole("", &[NOW], &[plug("clock", &[NOW, RUN, "wasi:http/incoming-handler@0.2.3"], &[])]);
    assert_eq!(valid(&seen).found.runs, RunType::Command);
}

#[test]
fn a_field_of_the_other_type_is_refused_with_what_is_known() {
    let seen = whole("http: {port: 1}", &[NOW], &[plug("clock", &[NOW], &[])]);
    let refusal = check_refused(&seen, ConditionType::Ready, Reason::SpecInvalid, &["spec.http"]);
    assert_eq!(refusal.found.unwrap().plugs.len(), 1);
}

#[test]
fn the_digest_of_a_composition_is_of_its_parts_and_their_links() {
    let clock = || plug("clock", &[NOW], &[]);
    let digest = |seen: &Seen| valid(seen).found.composed;
    let base = whole("", &[NOW], &[clock()]);
    assert_eq!(digest(&base), digest(&whole("args: [a]", &[NOW], &[clock()])), "rights are not composed");
    let mut other = base.clone();
    let Resolution::Resolved(component) = &mut other.plugs[0] else { panic!() };
    component.content = morph_grant::Digest::of(b"other bytes");
    assert_ne!(digest(&base), digest(&other));
    let more = world(&["wasi:cli/stdout@0.2.3"], &[NOW]);
    assert_ne!(digest(&base), digest(&whole("", &[NOW], &[("clock", more)])));
}
