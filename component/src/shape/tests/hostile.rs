//! Types made to hurt: graphs that unfold without end, more types than are told, names that lie.

use super::*;
use std::fmt::Write as _;

/// Types that each have the one before twice, and functions of the last: the validator refuses what unfolds
/// to a million.
const DOUBLINGS: usize = 12;
const FUNCTIONS: usize = 50;

fn component(items: &str) -> World {
    inspect(&text(&format!("(component {items})"))).unwrap()
}

#[test]
fn a_graph_that_unfolds_to_much_is_told_in_little() {
    let mut inside = "(type $t0 (tuple u8 u8)) (export \"t0\" (type $e0 (eq $t0)))".to_owned();
    for n in 1..DOUBLINGS {
        let before = n - 1;
        write!(inside, "(type $t{n} (tuple $e{before} $e{before}))").unwrap();
        write!(inside, "(export \"t{n}\" (type $e{n} (eq $t{n})))").unwrap();
    }
    let last = DOUBLINGS - 1;
    for n in 0..FUNCTIONS {
        // Each is a type of its own.
        write!(inside, "(type $f{n} (func (param \"p{n}\" $e{last})))").unwrap();
        write!(inside, "(export \"f{n}\" (func (type $f{n})))").unwrap();
    }
    let world = component(&format!("(import \"t:t/x\" (instance {inside}))"));
    let told = lines(import(&world, "t:t/x"));
    assert_eq!(told.len(), DOUBLINGS + FUNCTIONS);
    let longest = told.iter().map(String::len).max().unwrap();
    assert!(longest < TYPE_TEXT_BYTES_MAX + 20, "{longest}");
    assert!(told.last().unwrap().starts_with("f49: func(p49: tuple<tuple<tuple<"), "{told:?}");
}

#[test]
fn types_beyond_those_that_are_told_fit_all() {
    let (interfaces, types) = (30, 700);
    let mut items = String::new();
    for n in 0..interfaces {
        write!(items, "(import \"t:t/x{n}\" (instance").unwrap();
        for t in 0..types {
            write!(items, "(type $t{t} (list u8)) (export \"t{t}\" (type (eq $t{t})))").unwrap();
        }
        items.push_str("))");
    }
    let bytes = text(&format!("(component {items})"));
    let (world, names, validated) = crate::inspect::read(&bytes, crate::inspect::Bodies::Validated).unwrap();
    let shapes = read(&validated.unwrap(), &names, &world);
    let untold =
        |shape: &Option<Shape>| shape.as_ref().unwrap().items().filter(|(_, text)| *text == UNTOLD).count();
    let untold: Vec<usize> = shapes.imports.iter().map(untold).collect();
    assert_eq!(untold[0], 0);
    assert_eq!(untold.iter().sum::<usize>(), interfaces * types - 20_000);
}

#[test]
fn an_interface_beyond_the_bound_is_not_read_to_its_end() {
    let told = |count: usize| {
        let functions: String = (0..count).map(|n| format!("(export \"f{n}\" (func))")).collect();
        let bytes = text(&format!("(component (import \"t:t/x\" (instance {functions})))"));
        let (world, names, types) = crate::inspect::read(&bytes, crate::inspect::Bodies::Validated).unwrap();
        read(&types.unwrap(), &names, &world).imports[0].is_some()
    };
    // Each takes eight bytes and the digits of its number.
    assert_eq!([told(1_000), told(2_000)], [true, false]);
}

#[test]
fn what_is_nested_beyond_bounds_is_refused_before_it_is_told() {
    let nested = |levels: usize| {
        let mut items = "(type $i0 (instance (export \"f\" (func))))".to_owned();
        for n in 1..levels {
            let before = n - 1;
            let inner = format!("(alias outer 1 $i{before} (type $b)) (export \"i\" (instance (type $b)))");
            write!(items, "(type $i{n} (instance {inner}))").unwrap();
        }
        let last = levels - 1;
        inspect(&text(&format!("(component {items} (import \"t:t/x\" (instance (type $i{last}))))")))
    };
    assert_eq!(lines(import(&nested(90).unwrap(), "t:t/x")), ["i: instance"]);
    let error = nested(200).unwrap_err();
    assert!(matches!(error, crate::Error::Validator), "{error}");
}

#[test]
fn no_item_has_a_name_that_could_be_read_as_others() {
    let inside = |name: &str| {
        let bytes = text(&format!("(component (import \"t:t/x\" (instance (export \"{name}\" (func)))))"));
        inspect(&bytes).map(|world| lines(import(&world, "t:t/x")))
    };
    assert_eq!(inside("now").unwrap(), ["now: func()"]);
    for name in ["url=<https://a.example/x;y: z>", "integrity=<sha256-abc=>", "a;b: func()", "a: b", ""] {
        assert!(inside(name).is_err() && !text::is_name(name), "{name}");
    }
    assert!(text::is_name("[method]a.b"));
}
