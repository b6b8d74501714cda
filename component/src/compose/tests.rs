//! Compositions of small components made from WIT: what the whole imports and exports, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::inspect;
use crate::plan::{Choice, Host, LABELS, MAIN, Part, Target};
use crate::samples::component_of;
use std::collections::BTreeSet;
use wasmparser::{KnownCustom, Name, Parser, Payload};

/// What parts of tests may import and export besides.
const PACKAGES: &str = "
package acme:tree@1.0.0 {
    interface tree { resource node { constructor(text: string); depth: func() -> u32; } }
    interface parse { use tree.{node}; parse: func(text: string) -> result<node, string>; }
}
package acme:store@0.1.0 {
    interface store { resource bucket { get: func(key: string) -> option<string>; } open: func() -> bucket; }
    interface atomics { use store.{bucket}; increment: func(bucket: borrow<bucket>) -> u64; }
}
package morph:part1 { interface i0-wasi-cli-stdout { write: func(); } }
";

/// Composes a main component and plugs of these items. The host shares `wasi:filesystem/types`, and serves
/// what is WASI's or is called store.
fn composed(
    main: &str,
    plugs: &[(&str, &str)],
    links: &[(&str, &str, &str)],
) -> Result<Vec<u8>, ComposeError> {
    let mut parts = vec![(MAIN, component_of(PACKAGES, main))];
    parts.extend(plugs.iter().map(|(name, items)| (*name, component_of(PACKAGES, items))));
    parts[1..].sort_by_key(|(name, _)| *name);
    let bytes: Vec<&[u8]> = parts.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    compose(&planned(&parts, links), &bytes)
}

fn planned(parts: &[(&str, Vec<u8>)], links: &[(&str, &str, &str)]) -> Plan {
    // Outlines tell no types, so that these are the composer's to judge.
    let worlds: Vec<_> = parts.iter().map(|(_, bytes)| outline(bytes).unwrap()).collect();
    let parts: Vec<_> = parts.iter().zip(&worlds).map(|((name, _), world)| Part { name, world }).collect();
    let links: Vec<(_, InterfaceId, _)> =
        links.iter().map(|(from, interface, to)| (*from, interface.parse().unwrap(), *to)).collect();
    let links: Vec<_> =
        links.iter().map(|(from, interface, to)| Choice { from, interface, to: Target::of(to) }).collect();
    let host = |_: &str, interface: &InterfaceId| match interface.namespace.as_str() {
        "wasi" if interface.is("wasi", "filesystem", "types") => Host::Shares,
        "wasi" => Host::Serves,
        _ if interface.package == "store" => Host::Serves,
        _ => Host::Unknown,
    };
    crate::plan(parts[0], &parts[1..], &links, host).unwrap_or_else(|errors| panic!("{errors}"))
}

fn imports(component: &[u8]) -> Vec<String> {
    inspect(component).unwrap().imports.iter().map(ToString::to_string).collect()
}

const RUN: &str = "export wasi:cli/run@0.2.3;";

fn with_run(items: &str) -> String {
    format!("{items} {RUN}")
}

#[test]
fn parts_are_one_component_whose_imports_are_each_one_parts() {
    let main = with_run("import acme:clock/now@0.1.0; import wasi:cli/stdout@0.2.3;");
    let plug = "import wasi:cli/stdout@0.2.3; export acme:clock/now@0.1.0;";
    let whole = composed(&main, &[("clock", plug)], &[]).unwrap();
    assert_eq!(imports(&whole), ["morph:part0/i1-wasi-cli-stdout", "morph:part1/i0-wasi-cli-stdout"]);
    assert_eq!(inspect(&whole).unwrap().run().unwrap().kind, crate::Kind::Command);
}

#[test]
fn the_same_parts_give_the_same_bytes() {
    let main = with_run("import acme:clock/now@0.1.0;");
    let whole = || composed(&main, &[("clock", "export acme:clock/now@0.1.0;")], &[]).unwrap();
    assert_eq!(whole(), whole());
}

#[test]
fn what_defines_types_is_shared_and_what_uses_them_is_each_parts_own() {
    let both = "import wasi:filesystem/preopens@0.2.3;";
    let main = with_run(&format!("{both} import acme:clock/now@0.1.0;"));
    let plug = format!("{both} export acme:clock/now@0.1.0;");
    let found = imports(&composed(&main, &[("clock", &plug)], &[]).unwrap());
    let labels: Vec<_> = found.iter().filter(|import| import.starts_with(LABELS)).collect();
    assert_eq!(labels.len(), 2, "{found:?}");
    let shared: Vec<_> = found.iter().filter(|import| !import.starts_with(LABELS)).collect();
    assert_eq!(shared, ["wasi:filesystem/types@0.2.3"]);
}

#[test]
fn a_resource_of_the_hosts_is_each_parts_own_with_all_that_uses_it() {
    let both = "import acme:store/store@0.1.0; import acme:store/atomics@0.1.0;";
    let main = with_run(&format!("{both} import acme:clock/now@0.1.0;"));
    let plug = format!("{both} export acme:clock/now@0.1.0;");
    let found = imports(&composed(&main, &[("clock", &plug)], &[]).unwrap());
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().all(|import| import.starts_with(LABELS)), "{found:?}");
}

#[test]
fn resources_pass_between_parts() {
    let main = with_run("import acme:tree/tree@1.0.0; import acme:tree/parse@1.0.0;");
    let plug = "export acme:tree/tree@1.0.0; export acme:tree/parse@1.0.0;";
    assert_eq!(imports(&composed(&main, &[("parser", plug)], &[]).unwrap()), Vec::<String>::new());
}

#[test]
fn a_part_that_spells_anothers_label_gets_a_name_of_its_own() {
    let main = with_run("import acme:clock/now@0.1.0;");
    let parts = [
        (MAIN, component_of(PACKAGES, &main)),
        ("clock", component_of(PACKAGES, "import wasi:cli/stdout@0.2.3; export acme:clock/now@0.1.0;")),
    ];
    let plan = planned(&parts, &[]);
    let label = plan.labels().next().unwrap();
    assert_eq!(label.name, "morph:part1/i0-wasi-cli-stdout");
    let spelt = with_run(&format!("import acme:clock/now@0.1.0; import {};", label.name));
    let spelt = component_of(PACKAGES, &spelt);
    let world = inspect(&spelt).unwrap();
    let clock = inspect(&parts[1].1).unwrap();
    let part = |name, world| Part { name, world };
    let all = |_: &str, _: &InterfaceId| Host::Serves;
    let link: InterfaceId = "acme:clock/now@0.1.0".parse().unwrap();
    let link = Choice { from: MAIN, interface: &link, to: Target::Part("clock") };
    let plan = crate::plan(part(MAIN, &world), &[part("clock", &clock)], &[link], all).unwrap();
    let found = imports(&compose(&plan, &[&spelt, &parts[1].1]).unwrap());
    let own = "morph:part0/i1-morph-part1-i0-wasi-cli-stdout";
    assert_eq!(found, [own, "morph:part1/i0-wasi-cli-stdout"]);
}

#[test]
fn a_plug_stands_between_a_part_and_the_host() {
    let main = with_run("import wasi:http/outgoing-handler@0.2.3;");
    let cache = "import wasi:http/outgoing-handler@0.2.3; export wasi:http/outgoing-handler@0.2.3;";
    let link = [("main", "wasi:http/outgoing-handler", "cache")];
    let found = imports(&composed(&main, &[("cache", cache)], &link).unwrap());
    assert_eq!(found, ["morph:part1/i0-wasi-http-outgoing-handler"], "there is no way round it");
}

#[test]
fn an_export_of_another_type_is_refused_by_name() {
    let other = "package acme:clock@0.1.0 { interface now { now: func() -> string; } }";
    let main = component_of(PACKAGES, &with_run("import acme:clock/now@0.1.0;"));
    let plug = crate::samples::component_instead(other, "export acme:clock/now@0.1.0;");
    let parts = [(MAIN, main), ("clock", plug)];
    let plan = planned(&parts, &[]);
    let error = compose(&plan, &[&parts[0].1, &parts[1].1]).unwrap_err();
    assert!(matches!(error, ComposeError::TypeMismatch { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("main imports acme:clock/now@0.1.0, and what clock exports"), "{text}");
}

#[test]
fn a_plan_that_leads_to_no_part_is_not_followed() {
    let main = component_of(PACKAGES, &with_run("import acme:clock/now@0.1.0;"));
    let plug = component_of(PACKAGES, "export acme:clock/now@0.1.0;");
    let mut plan = planned(&[(MAIN, main.clone()), ("clock", plug.clone())], &[]);
    assert!(plan.is_whole() && compose(&plan, &[&main, &plug]).is_ok());
    let mut imports = plan.parts[0].imports.iter_mut();
    let answered = imports.find_map(|import| match &mut import.by {
        Provider::Part { part, .. } => Some(part),
        _ => None,
    });
    *answered.unwrap() = 2;
    assert!(!plan.is_whole());
    let error = compose(&plan, &[&main, &plug]).unwrap_err().to_string();
    assert!(error.contains("the plan leads to a part that isn't there"), "{error}");
}

#[test]
fn a_part_of_other_bytes_than_planned_is_refused() {
    let main = component_of(PACKAGES, &with_run("import acme:clock/now@0.1.0;"));
    let plug = component_of(PACKAGES, "export acme:clock/now@0.1.0;");
    let other = component_of(PACKAGES, "import wasi:cli/stdout@0.2.3; export acme:clock/now@0.1.0;");
    let plan = planned(&[(MAIN, main.clone()), ("clock", plug)], &[]);
    let error = compose(&plan, &[&main, &other]).unwrap_err();
    assert!(matches!(&error, ComposeError::OtherPart { part } if part == "clock"), "{error:?}");
    let error = compose(&plan, &[&main]).unwrap_err();
    assert!(matches!(error, ComposeError::Composer(_)), "{error:?}");
    let error = compose(&plan, &[&main, b"\0asm"]).unwrap_err();
    assert!(matches!(&error, ComposeError::Part { part, .. } if part == "clock"), "{error:?}");
}

#[test]
fn parts_that_are_too_large_together_are_refused_before_they_are_read() {
    let main = component_of(PACKAGES, &with_run("import acme:clock/now@0.1.0;"));
    let plug = component_of(PACKAGES, "export acme:clock/now@0.1.0;");
    let plan = planned(&[(MAIN, main.clone()), ("clock", plug)], &[]);
    let large = vec![0; usize::try_from(COMPONENT_SIZE_BYTES_MAX).unwrap()];
    let error = compose(&plan, &[&main, &large]).unwrap_err();
    assert!(matches!(error, ComposeError::TooLarge { .. }), "{error:?}");
}

/// The names of all core modules, however deep.
fn module_names(component: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(component) {
        let Payload::CustomSection(section) = payload.unwrap() else { continue };
        let KnownCustom::Name(section) = section.as_known() else { continue };
        names.extend(section.filter_map(|name| match name {
            Ok(Name::Module { name, .. }) => Some(name.to_owned()),
            _ => None,
        }));
    }
    names
}

#[test]
fn each_module_is_named_after_its_part() {
    let main = with_run("import acme:clock/now@0.1.0;");
    let whole = composed(&main, &[("clock", "export acme:clock/now@0.1.0;")], &[]).unwrap();
    let names = module_names(&whole);
    let parts: BTreeSet<_> = names.iter().filter_map(|name| part_of_module(name)).collect();
    assert_eq!(parts, ["clock", "main"].into(), "{names:?}");
    assert!(names.iter().all(|name| part_of_module(name).is_some()), "{names:?}");
}

#[test]
fn names_change_nothing_but_names() {
    let text = r#"(component
        (core module $inner (func $f (export "f") (param $p i32) unreachable))
        (component (core module (memory 1) (data (i32.const 0) "x"))))"#;
    let bytes = crate::samples::text(text);
    let named = name::named(&bytes, "clock").unwrap();
    inspect(&named).unwrap();
    assert_eq!(module_names(&named), ["part clock: ".to_owned(), "part clock: inner".to_owned()].into());
    let again = name::named(&named, "clock").unwrap();
    assert_eq!(name::named(&again, "clock").unwrap().len(), again.len() + 2 * "part clock: ".len());
    assert_eq!(part_of_module("inner"), None);
}
