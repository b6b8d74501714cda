//! Parts of WASI 0.2 and of 0.3 in one composition: what fits runs on the engine of 0.3, and what doesn't is
//! refused by name.

use super::granted::{plug, task};
use super::*;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// A plug of 0.3 behind another part.
fn ended(main: &str, words: &[&str]) -> Ended {
    let parts = [(MAIN, main), ("plug", "part-p3-plug")];
    run_composed(composition(&parts, &[]), task(words, "main"), vec![plug("plug")])
}

#[test]
fn a_part_of_0_2_is_answered_by_one_of_0_3_on_its_engine() {
    let parts = [(MAIN, "part-p3-caller"), ("plug", "part-p3-plug")];
    let bytes: Vec<_> = parts.iter().map(|(_, guest)| guest_bytes(guest)).collect();
    let worlds: Vec<_> = bytes.iter().map(|bytes| inspect(bytes).unwrap()).collect();
    assert_eq!(worlds.iter().map(EngineKind::of).collect::<Vec<_>>(), [EngineKind::P2, EngineKind::P3]);
    assert_eq!(EngineKind::of_parts(&worlds), EngineKind::P3);
    assert_eq!(says(&ended("part-p3-caller", &["at-once", "config"])), "whose=plug");
    assert_eq!(says(&ended("part-p3-caller", &["at-once", "kept", "same", "k"])), "not there");
}

/// Only a function that WIT calls `async` may wait for others and call those that may; none of 0.2 is.
#[test]
fn a_function_that_may_not_wait_and_does_is_a_trap_that_names_its_part() {
    for (main, words, part) in [
        ("part-p3-caller", ["waiting", "config"], MAIN),
        ("part-p3-caller", ["at-once", "wait"], "plug"),
        ("part-p3-main", ["at-once", "wait"], "plug"),
    ] {
        let trapped = ended(main, &words);
        assert_eq!((trapped.code, trapped.stdout.as_str()), (code::TRAP, ""), "{main}: {trapped:?}");
        let cause = "cannot block a synchronous task before returning";
        assert!(trapped.message.contains(cause), "{main} {words:?}: {trapped:?}");
        assert!(trapped.message.contains(&format!("part {part}")), "{main} {words:?}: {trapped:?}");
    }
    assert_eq!(says(&ended("part-p3-main", &["at-once", "config"])), "whose=plug");
    assert_eq!(says(&ended("part-p3-main", &["plug", "wait"])), "waited");
}

/// What stands against a plan.
fn refused(parts: &[(&str, &str)], links: &[(&str, &str, &str)]) -> String {
    let bytes: Vec<_> = parts.iter().map(|(name, guest)| (*name, guest_bytes(guest))).collect();
    let parts: Vec<_> = bytes.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    planned(&parts, links).unwrap_err().to_string()
}

#[test]
fn a_plug_of_0_2_does_not_stand_between_a_part_of_0_3_and_the_host() {
    let parts = [(MAIN, "part-p3-main"), ("between", "part-between-http"), ("plug", "part-p3-plug")];
    let error = refused(&parts, &[(MAIN, "wasi:http/client", "between")]);
    let words = "links[0].to: between doesn't export wasi:http/client@0.3.0";
    assert!(error.contains(words), "{error}");
    let parts = [(MAIN, "part-p3-main"), ("between", "part-between"), ("plug", "part-p3-plug")];
    let error = refused(&parts, &[(MAIN, "wasi:cli/environment@0.3.0", "between")]);
    let words = "links[0].to: between doesn't export wasi:cli/environment@0.3.0 but \
                 wasi:cli/environment@0.2.12, which can't stand for it";
    assert!(error.contains(words), "{error}");
}

/// A component of WIT, whose world has these items.
fn component(packages: &str, items: &str) -> Vec<u8> {
    const WASI: &str = "
        package wasi:http@0.2.12 { interface types { resource outgoing-request; } }
        package wasi:http@0.3.0 { interface types { resource request; } }
        package wasi:cli@0.3.0 { interface run { run: async func() -> result; } }";
    let mut resolve = Resolve::default();
    let wit = format!("package test:mixed;\n{WASI}\n{packages}\nworld part {{ {items} }}\n");
    let package = resolve.push_str("part.wit", &wit).unwrap();
    let world = resolve.select_world(&[package], Some("part")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// What stands against a plug, where main and the plug mean these by one name.
fn mismatch(main: &str, other: &str) -> String {
    let package = |content: &str| format!("package acme:work@0.1.0 {{ interface work {{ {content} }} }}");
    let main = component(&package(main), "import acme:work/work@0.1.0; export wasi:cli/run@0.3.0;");
    let other = component(&package(other), "export acme:work/work@0.1.0;");
    // Who plans knows it where parts tell their types, and who composes in any case.
    match planned(&[(MAIN, &main), ("plug", &other)], &[]) {
        Ok(plan) => compose(&plan, &[&main, &other]).unwrap_err().to_string(),
        Err(errors) => errors.to_string(),
    }
}

fn check_mismatch(main: &str, other: &str) {
    let error = mismatch(main, other);
    let words = "main imports acme:work/work@0.1.0, and what plug exports by that name is of another type";
    assert!(error.starts_with(words), "{error}");
}

#[test]
fn a_function_that_waits_and_one_that_does_not_are_of_other_types() {
    let [waits, does_not] = ["act: async func(word: string);", "act: func(word: string);"];
    check_mismatch(waits, does_not);
    check_mismatch(does_not, waits);
}

#[test]
fn a_request_of_0_2_is_none_of_0_3() {
    let [old, new] = ["0.2.12.{outgoing-request as request}", "0.3.0.{request}"]
        .map(|request| format!("use wasi:http/types@{request}; act: func(request: request);"));
    check_mismatch(&old, &new);
    check_mismatch(&new, &old);
}
