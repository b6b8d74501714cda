//! The plan and the composer say the same of types: one by shapes alone, the other by the bytes.

use super::*;
use crate::inspect::outline;
use crate::{ComposeError, Host, MAIN, Part, Plan, PlanError, PlanErrors, compose, plan};

/// Contents of an interface, each held against each, itself included.
const CONTENTS: [&str; 44] = [
    "now: func();",
    "now: func() -> u64;",
    "now: func() -> s64;",
    "now: func() -> string;",
    "now: async func();",
    "now: async func() -> u64;",
    "now: func(a: u32);",
    "now: func(b: u32);",
    "now: func(a: u32, b: string);",
    "now: func(b: string, a: u32);",
    "later: func();",
    "later: func(); now: func();",
    "now: func(); later: func(a: u32);",
    "type t = u64; now: func() -> t;",
    "type t = u32; now: func() -> u64;",
    "type s = u64; type t = s; now: func() -> t;",
    "record t { a: u8 } now: func(a: t);",
    "record t { b: u8 } now: func(a: t);",
    "record t { a: u16 } now: func(a: t);",
    "record t { a: u8, b: u8 } now: func(a: t);",
    "record t { b: u8, a: u8 } now: func(a: t);",
    "record r { a: u8 } record t { a: r } now: func(a: t);",
    "record r { a: u8 } now: func(a: r);",
    "variant t { a, b(u8) } now: func(a: t);",
    "variant t { a, b } now: func(a: t);",
    "variant t { a(u8), b } now: func(a: t);",
    "enum t { a, b } now: func(a: t);",
    "enum t { b, a } now: func(a: t);",
    "flags t { a, b } now: func(a: t);",
    "now: func(a: list<u8>);",
    "now: func(a: option<u8>);",
    "now: func(a: tuple<u8>);",
    "now: func(a: tuple<u8, u8>);",
    "now: func(a: result);",
    "now: func(a: result<u8>);",
    "now: func(a: result<_, u8>);",
    "now: func(a: result<u8, u8>);",
    "now: func(a: stream<u8>);",
    "now: func(a: future<u8>);",
    "resource t; now: func(a: t);",
    "resource t; now: func(a: borrow<t>);",
    "resource t { constructor(); } now: func(a: t);",
    "resource t { get: func() -> u8; } now: func(a: t);",
    "resource r; now: func(a: r);",
];

/// What a second interface makes of the first, which has a resource, a record and a variant.
const USES: [&str; 7] = [
    "use x.{node}; take: func(a: node);",
    "use x.{node}; take: func(a: borrow<node>);",
    "use x.{node as twig}; take: func(a: twig);",
    "use x.{point}; take: func(a: point);",
    "use x.{point as spot}; take: func(a: spot);",
    "record point { x: u32 } take: func(a: point);",
    "resource node; take: func(a: node);",
];
const USED: &str = "resource node; record point { x: u32 } peek: func() -> point;";

const RUN: &str = "package wasi:cli@0.2.3 { interface run { run: func() -> result; } }";

fn main_of(package: &str, imports: &str) -> Vec<u8> {
    component_instead(&format!("{package} {RUN}"), &format!("{imports} export wasi:cli/run@0.2.3;"))
}

fn planned(main: &World, plug: &World) -> Result<Plan, PlanErrors> {
    let part = |name, world| Part { name, world };
    plan(part(MAIN, main), &[part("plug", plug)], &[], |_, _| Host::Unknown)
}

/// Whether main can't be answered by the plug: as the plan finds, which the composer has to find as well.
#[track_caller]
fn differ((main, main_world): &(Vec<u8>, World), (plug, plug_world): &(Vec<u8>, World)) -> bool {
    let [main_outline, plug_outline] = [main, plug].map(|bytes| outline(bytes).unwrap());
    let by_names = planned(&main_outline, &plug_outline).unwrap();
    let composed = match compose(&by_names, &[main, plug]) {
        // That parts mean different resources by one name is another matter than their types.
        Ok(_) | Err(ComposeError::Whole(_)) => None,
        Err(ComposeError::TypeMismatch { problem, .. }) => Some(problem),
        Err(other) => panic!("{other}"),
    };
    let found = match planned(main_world, plug_world) {
        Ok(_) => None,
        Err(errors) => {
            assert!(errors.iter().all(|error| matches!(error, PlanError::TypeMismatch { .. })), "{errors}");
            Some(errors.to_string())
        }
    };
    assert_eq!(found.is_some(), composed.is_some(), "the plan: {found:?}; the composer: {composed:?}");
    found.is_some()
}

fn inspected(bytes: Vec<u8>) -> (Vec<u8>, World) {
    let world = inspect(&bytes).unwrap();
    (bytes, world)
}

#[test]
fn the_plan_refuses_for_its_types_what_the_composer_refuses() {
    let packages = CONTENTS.map(|inside| package(inside, ""));
    let mains = packages.each_ref().map(|package| inspected(main_of(package, "import t:t/x@1.0.0;")));
    let plugs =
        packages.each_ref().map(|package| inspected(component_instead(package, "export t:t/x@1.0.0;")));
    let mut fits = 0;
    for (wanted, main) in CONTENTS.iter().zip(&mains) {
        for (offered, plug) in CONTENTS.iter().zip(&plugs) {
            let differ = differ(main, plug);
            assert!(!differ || wanted != offered, "{wanted}");
            fits += usize::from(!differ);
        }
    }
    // Each fits itself, and a few have more than others want.
    assert!(fits > CONTENTS.len() && fits < CONTENTS.len() * 2, "{fits}");
}

#[test]
fn the_plan_says_of_types_from_other_interfaces_what_the_composer_says() {
    let packages = USES.map(|inside| package(USED, &format!("interface y {{ {inside} }}")));
    let both = "import t:t/x@1.0.0; import t:t/y@1.0.0;";
    let mains = packages.each_ref().map(|package| inspected(main_of(package, both)));
    let both = both.replace("import", "export");
    let plugs = packages.each_ref().map(|package| inspected(component_instead(package, &both)));
    let mut fits = Vec::new();
    for (wanted, main) in mains.iter().enumerate() {
        for (offered, plug) in plugs.iter().enumerate() {
            if !differ(main, plug) {
                fits.push((wanted, offered));
            }
        }
    }
    for same in 0..USES.len() {
        assert!(fits.contains(&(same, same)), "{fits:?}");
    }
    // A record is its fields, wherever it is from.
    assert!(fits.contains(&(3, 5)) && fits.contains(&(5, 3)), "{fits:?}");
}

#[test]
fn the_words_have_both_types() {
    let said = |wanted: usize, offered: usize| {
        let [wanted, offered] = [wanted, offered].map(|index| package(CONTENTS[index], ""));
        let main = inspect(&main_of(&wanted, "import t:t/x@1.0.0;")).unwrap();
        let plug = inspect(&component_instead(&offered, "export t:t/x@1.0.0;")).unwrap();
        planned(&main, &plug).unwrap_err().to_string()
    };
    let other = "main imports t:t/x@1.0.0, and what plug exports by that name is of another type: ";
    assert_eq!(said(3, 1), format!("{other}now is func() -> u64 there, and func() -> string is wanted"));
    assert_eq!(said(11, 0), format!("{other}later isn't there, and func() is wanted"));
    assert_eq!(said(39, 16), format!("{other}t is type record {{ a: u8 }} there, and resource t is wanted"));
}
