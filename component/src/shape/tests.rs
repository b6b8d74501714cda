//! Texts of types: each kind of type, names of resources, where texts and shapes are cut.
#![allow(clippy::unwrap_used, clippy::panic)]

mod composer;
mod hostile;

use super::*;
use crate::inspect;
use crate::samples::{component_instead, text};

/// The interface `t:t/x` with this in it, and what else the package has.
fn package(inside: &str, more: &str) -> String {
    format!("package t:t@1.0.0 {{ interface x {{ {inside} }} {more} }}")
}

fn shape<'a>(ids: &[InterfaceId], shapes: &'a [Option<Shape>], name: &str) -> Option<&'a Shape> {
    told(ids, shapes, &name.parse().unwrap())
}

fn import<'a>(world: &'a World, name: &str) -> Option<&'a Shape> {
    shape(&world.imports, &world.shapes.imports, name)
}

fn export<'a>(world: &'a World, name: &str) -> Option<&'a Shape> {
    shape(&world.exports, &world.shapes.exports, name)
}

fn lines(shape: Option<&Shape>) -> Vec<String> {
    shape.unwrap().items().map(|(name, it)| format!("{name}: {it}")).collect()
}

/// What is told of `t:t/x` by who imports it and by who exports it, which is the same.
#[track_caller]
fn check(inside: &str, want: &[&str]) {
    let package = package(inside, "");
    let importing = inspect(&component_instead(&package, "import t:t/x@1.0.0;")).unwrap();
    let exporting = inspect(&component_instead(&package, "export t:t/x@1.0.0;")).unwrap();
    assert_eq!(lines(import(&importing, "t:t/x@1.0.0")), want);
    assert_eq!(lines(export(&exporting, "t:t/x@1.0.0")), want);
}

#[test]
fn each_kind_of_type_has_its_text() {
    check(
        "record point { x: s32, y: option<string> }
         variant shape { none, dot(point) }
         enum color { red, green }
         flags rights { read, write }
         type points = list<point>;
         draw: func(a: shape, b: color, c: rights, d: points);
         plain: func(a: bool, b: u8, c: s16, d: u64, e: f32, f: f64, g: char);
         pair: func() -> tuple<u8, string>;
         all: func() -> result<u8, string>;
         ok: func() -> result<u8>;
         err: func() -> result<_, string>;
         done: func() -> result;",
        &[
            "point: type record { x: s32, y: option<string> }",
            "shape: type variant { none, dot(record { x: s32, y: option<string> }) }",
            "color: type enum { red, green }",
            "rights: type flags { read, write }",
            "points: type list<record { x: s32, y: option<string> }>",
            "draw: func(a: variant { none, dot(record { x: s32, y: option<string> }) }, \
             b: enum { red, green }, c: flags { read, write }, \
             d: list<record { x: s3…8e7df4f228837fba",
            "plain: func(a: bool, b: u8, c: s16, d: u64, e: f32, f: f64, g: char)",
            "pair: func() -> tuple<u8, string>",
            "all: func() -> result<u8, string>",
            "ok: func() -> result<u8, _>",
            "err: func() -> result<_, string>",
            "done: func() -> result<_, _>",
        ],
    );
}

#[test]
fn a_resource_goes_by_its_name_and_its_handles_are_told_apart() {
    check(
        "resource node {
            constructor(text: string);
            depth: func() -> u32;
            join: static func(a: node, b: borrow<node>) -> node;
         }",
        &[
            "node: resource node",
            "[constructor]node: func(text: string) -> own<node>",
            "[method]node.depth: func(self: borrow<node>) -> u32",
            "[static]node.join: func(a: own<node>, b: borrow<node>) -> own<node>",
        ],
    );
}

#[test]
fn what_waits_is_told_from_what_does_not() {
    check(
        "wait: async func(a: stream<u8>, b: future<string>) -> future; look: func() -> stream;",
        &["wait: async func(a: stream<u8>, b: future<string>) -> future<_>", "look: func() -> stream<_>"],
    );
}

#[test]
fn other_names_of_a_type_are_looked_through() {
    check(
        "type celsius = s16; type degrees = celsius; now: func() -> degrees;",
        &["celsius: type s16", "degrees: type s16", "now: func() -> s16"],
    );
}

#[test]
fn a_resource_of_another_interface_keeps_its_first_name() {
    let package = package("resource node;", "interface y { use x.{node as twig}; cut: func(it: twig); }");
    let want = ["twig: resource node", "cut: func(it: own<node>)"];
    let importing = inspect(&component_instead(&package, "import t:t/y@1.0.0;")).unwrap();
    assert_eq!(lines(import(&importing, "t:t/y@1.0.0")), want);
    let exporting = component_instead(&package, "export t:t/x@1.0.0; export t:t/y@1.0.0;");
    assert_eq!(lines(export(&inspect(&exporting).unwrap(), "t:t/y@1.0.0")), want);
}

#[test]
fn what_is_neither_function_nor_type_is_told_by_its_kind() {
    let world = inspect(&text(
        r#"(component (import "t:t/x" (instance
            (export "a" (instance (export "b" (func))))
            (export "c" (component))
            (export "d" (core module))
            (type $f (func)) (export "e" (type (eq $f))))))"#,
    ));
    let want = ["a: instance", "c: component", "d: module", "e: type func()"];
    assert_eq!(lines(import(&world.unwrap(), "t:t/x")), want);
}

#[test]
fn an_interface_without_items_is_told_and_has_none() {
    let text =
        text(r#"(component (import "t:t/x" (instance)) (instance $i) (export "t:t/y" (instance $i)))"#);
    let world = inspect(&text).unwrap();
    assert_eq!(lines(import(&world, "t:t/x")), Vec::<String>::new());
    assert_eq!(lines(export(&world, "t:t/y")), Vec::<String>::new());
}

#[test]
fn a_module_is_told_as_the_component_that_it_becomes() {
    let module = text(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (func (export "_start")))"#,
    );
    let world = inspect(&module).unwrap();
    assert!(!world.shapes.are_untold());
    assert_eq!(inspect(&crate::adapt(&module).unwrap()).unwrap(), world);
}

#[test]
fn a_long_text_is_cut_and_still_tells_its_type() {
    let fields = |last: &str| {
        let fields: String = (0..40).map(|n| format!("field{n}: u32, ")).collect();
        format!("record wide {{ {fields} {last}: u32 }}  get: func() -> list<wide>;")
    };
    let told = |last: &str| {
        let package = package(&fields(last), "");
        let world = inspect(&component_instead(&package, "export t:t/x@1.0.0;")).unwrap();
        lines(export(&world, "t:t/x@1.0.0"))
    };
    let (one, other) = (told("last"), told("least"));
    assert_eq!(one, told("last"));
    for (one, other) in one.iter().zip(&other) {
        assert!(one.len() < TYPE_TEXT_BYTES_MAX + 20 && one.contains("field3: u32, "), "{one}");
        let digits = one.rsplit('…').next().unwrap();
        assert!(digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
        assert_ne!(one, other, "the last field's name");
    }
}

/// An interface with so many functions of 20 bytes each.
fn functions(count: usize) -> String {
    (100..100 + count).map(|n| format!("now{n}: func() -> u8;")).collect()
}

#[test]
fn an_interface_beyond_the_bound_is_not_told_and_those_of_wasi_go_first() {
    let most = SHAPES_BYTES_MAX / "now100: func() -> u8;".len();
    let package = |count: usize| {
        let small = "package t:t@1.0.0 { interface x { now: func(); } }";
        let wasi = format!("package wasi:a@1.0.0 {{ interface a {{ {} }} }}", functions(count));
        let own = format!("package z:z@1.0.0 {{ interface z {{ {} }} }}", functions(count));
        format!("{small} {wasi} {own}")
    };
    let all = "import t:t/x@1.0.0; import wasi:a/a@1.0.0; import z:z/z@1.0.0;";
    let told = |count: usize| {
        let world = inspect(&component_instead(&package(count), all)).unwrap();
        let sizes = world.shapes.imports.iter().flatten().map(Shape::size_bytes);
        assert!(sizes.sum::<usize>() <= SHAPES_BYTES_MAX);
        ["t:t/x@1.0.0", "wasi:a/a@1.0.0", "z:z/z@1.0.0"].map(|name| import(&world, name).is_some())
    };
    assert_eq!(told(most / 2 - 2), [true; 3]);
    assert_eq!(told(most / 2 + 2), [true, false, true]);
    assert_eq!(told(most - 1), [true, false, true]);
    assert_eq!(told(most + 1), [true, false, false]);
}

#[test]
fn an_export_may_have_more_and_in_another_order() {
    let shape = |text: &str| text.parse::<Shape>().unwrap();
    let difference = |wanted: &str, offered: &str| {
        let found = shape(offered).difference(&shape(wanted))?;
        Some((found.item, found.wanted, found.offered.unwrap_or_default()))
    };
    for (wanted, offered, item) in [
        ("", "", ""),
        ("", "a: func()", ""),
        ("a: func();b: func()", "b: func();c: func();a: func()", ""),
        ("a: func()", "", "a"),
        ("a: func();b: func()", "b: func(x: u8);a: func()", "b"),
        ("a: func()", "a: resource a", "a"),
        ("a: ?", "a: func()", ""),
        ("a: func()", "a: ?", ""),
        ("a: ?", "b: func()", "a"),
    ] {
        let found = difference(wanted, offered);
        assert_eq!(found.map_or(String::new(), |found| found.0), item, "{wanted} / {offered}");
    }
    let found = difference("a: func();b: func()", "a: func();b: func(x: u8)");
    assert_eq!(found, Some(("b".into(), "func()".into(), "func(x: u8)".into())));
}

#[test]
fn a_text_that_is_no_shape_is_not_read_as_one() {
    let odd = ["a: fu\u{1b}[2Jnc()", "a: \u{202e}func()", "a: func()\u{200b}", "a: fünc()"];
    let cut = ["a", ": func()", "a: func();", "a: func();;b: func()", "a b: func()"];
    for text in cut.into_iter().chain(odd) {
        assert_eq!(text.parse::<Shape>(), Err(ShapeError), "{text:?}");
    }
    let text = "a: func();[method]b.c: func(self: borrow<b>);d:e/f@1.0.0: instance";
    assert_eq!(String::from(text.parse::<Shape>().unwrap()), text);
    assert!(serde_json::from_str::<Shape>("\"a: func()\\n\"").is_err());
}

#[test]
fn shapes_are_read_back_with_their_world() {
    let world = inspect(&crate::samples::server()).unwrap();
    assert!(!world.shapes.are_untold());
    let json = serde_json::to_string(&world).unwrap();
    assert_eq!(serde_json::from_str::<World>(&json).unwrap(), world);
    let bare = World { shapes: Shapes::default(), ..world };
    let json = serde_json::to_string(&bare).unwrap();
    assert!(!json.contains("shapes"), "{json}");
    assert_eq!(serde_json::from_str::<World>(&json).unwrap(), bare);
}
