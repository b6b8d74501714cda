//! What holds of every plan, however parts and links were thrown together.

use super::*;
use crate::{Shape, Shapes};
use proptest::prelude::*;
use std::collections::BTreeSet;

const NAMES: [&str; 6] = ["t:a/x@1.0.0", "t:a/x@1.2.0", "t:a/y@1.0.0", "t:a/z@2.0.0", "t:b/x", "t:c/q@0.1.3"];

/// What is told of each interface of a world, if anything: mostly what fits.
fn some_shapes() -> impl Strategy<Value = Vec<Option<Shape>>> {
    let shapes = ["f: func()", "f: func();g: func()", "f: func()", "f: func(a: u8)"];
    let shape = prop::sample::select(shapes.to_vec()).prop_map(|text| text.parse().unwrap());
    prop::collection::vec(prop::option::of(shape), 4)
}

fn some_world() -> impl Strategy<Value = World> {
    let set = || prop::collection::btree_set(0..NAMES.len(), 0..4);
    (set(), set(), some_shapes(), some_shapes()).prop_map(|(imports, exports, of_imports, of_exports)| {
        let ids = |set: BTreeSet<usize>| {
            let mut ids: Vec<_> = set.into_iter().map(|name| id(NAMES[name])).collect();
            ids.sort();
            ids
        };
        let shapes = Shapes { imports: of_imports, exports: of_exports };
        World { imports: ids(imports), exports: ids(exports), shapes, ..World::default() }
    })
}

fn some_host() -> impl Strategy<Value = Vec<(Host, Option<String>, InterfaceId)>> {
    let word = prop::sample::select(vec![Host::Serves, Host::Shares, Host::Refuses]);
    prop::collection::vec((word, prop::sample::select(NAMES.to_vec())), 0..5)
        .prop_map(|lines| lines.into_iter().map(|(word, name)| (word, None, id(name))).collect())
}

fn some_case() -> impl Strategy<Value = Case> {
    let link = (0..5_usize, prop::sample::select(NAMES.to_vec()), 0..6_usize);
    (prop::collection::vec(some_world(), 1..5), some_host(), prop::collection::vec(link, 0..3)).prop_map(
        |(worlds, host, links)| {
            let name = |index: usize| if index == 0 { MAIN.to_owned() } else { format!("p{index}") };
            let to = |index: usize| if index == 5 { HOST.to_owned() } else { name(index) };
            let parts = worlds.into_iter().enumerate().map(|(index, world)| (name(index), world)).collect();
            let links = links.into_iter().map(|(from, interface, at)| (name(from), id(interface), to(at)));
            Case { parts, links: links.collect(), host }
        },
    )
}

fn needs(plan: &Plan, part: usize) -> Vec<usize> {
    let providers = plan.parts[part].imports.iter().filter_map(|import| match import.by {
        Provider::Part { part, .. } => Some(part),
        Provider::Host | Provider::Shared => None,
    });
    providers.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_import_has_one_answer_that_fits(case in some_case()) {
        let Ok(plan) = case.plan() else { return Ok(()) };
        prop_assert_eq!(plan.parts.len(), case.parts.len());
        for planned in &plan.parts {
            let (_, world) = case.parts.iter().find(|(name, _)| *name == planned.name).unwrap();
            let imports: Vec<_> = planned.imports.iter().map(|import| import.interface.clone()).collect();
            prop_assert_eq!(&imports, &world.imports);
            for PlannedImport { interface, by } in &planned.imports {
                match by {
                    Provider::Shared => prop_assert_eq!(case.answer(&planned.name, interface), Host::Shares),
                    Provider::Host => prop_assert!(case.answer(&planned.name, interface) != Host::Unknown),
                    Provider::Part { part, export } => {
                        let provider = &plan.parts[*part].name;
                        prop_assert!(provider != MAIN && *provider != planned.name);
                        let (_, other) = case.parts.iter().find(|(name, _)| name == provider).unwrap();
                        prop_assert!(other.exports.contains(export) && export.matches(interface));
                        prop_assert_eq!(world.difference(interface, other, export), None);
                    }
                }
            }
        }
    }

    #[test]
    fn no_two_imports_have_one_label(case in some_case()) {
        let Ok(plan) = case.plan() else { return Ok(()) };
        let labels: BTreeSet<_> = plan.labels().map(|label| label.name).collect();
        prop_assert_eq!(labels.len(), plan.labels().count());
    }

    #[test]
    fn every_part_is_needed_and_none_needs_itself_in_the_end(case in some_case()) {
        let Ok(plan) = case.plan() else { return Ok(()) };
        let all: BTreeSet<usize> = (0..plan.parts.len()).collect();
        let (mut reached, mut made) = (BTreeSet::from([0]), BTreeSet::new());
        // So often that the longest way has its end.
        for _ in &all {
            let further: Vec<_> = reached.iter().flat_map(|part| needs(&plan, *part)).collect();
            reached.extend(further);
            let possible = |part: &usize| needs(&plan, *part).iter().all(|needed| made.contains(needed));
            let possible: Vec<_> = all.iter().copied().filter(possible).collect();
            made.extend(possible);
        }
        prop_assert_eq!(&reached, &all);
        prop_assert_eq!(&made, &all);
    }

    #[test]
    fn the_order_in_which_plugs_come_changes_no_plan_and_no_error(case in some_case()) {
        let mut turned = case.clone();
        turned.parts[1..].reverse();
        prop_assert_eq!(told(&turned.plan()), told(&case.plan()));
    }
}
