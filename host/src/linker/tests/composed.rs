//! The same of compositions: two parts that import the same row, and each has it by its own grant or not at
//! all.

use super::*;
use crate::Plug;
use morph_component::{Host, MAIN, Part, Plan, PlanErrors, compose, inspect, plan};

/// What the host makes of an import, before anybody asks for rights.
fn host(_: &str, import: &InterfaceId) -> Host {
    morph_grant::host(import, &Grants::of_each_capability())
}

fn planned(main: &[u8], plug: &[u8], host: impl Fn(&str, &InterfaceId) -> Host) -> Result<Plan, PlanErrors> {
    let worlds = [main, plug].map(|bytes| inspect(bytes).unwrap());
    let part = |name, index: usize| Part { name, world: &worlds[index] };
    plan(part(MAIN, 0), &[part("plug", 1)], &[], host)
}

/// A main component that imports a row and uses the plug.
fn main_of(row: &Entry) -> Vec<u8> {
    with_world(row, "import used; export lives: interface { live: func(); }")
}

/// A composition of two parts that both import a row.
fn both(row: &Entry) -> (Program, Plan) {
    let (main, plug) = (main_of(row), with_world(row, "export used;"));
    let plan = planned(&main, &plug, host).unwrap();
    let bytes = compose(&plan, &[&main, &plug]).unwrap_or_else(|error| panic!("{row:?}: {error:#}"));
    (Program::from_component(&an_engine(), &bytes).unwrap(), plan)
}

fn task(plan: &Plan, main: &Grants, plug: &Grants) -> Task {
    let plug = Plug { name: "plug".into(), env: Vec::new(), preopens: Vec::new(), grants: plug.clone() };
    Task { plugs: vec![plug], labels: plan.labels().collect(), ..with_grants(main) }
}

fn own(row: &Entry) -> Grants {
    let mut grants = Grants::default();
    needed(row).into_iter().for_each(|capability| super::grant(&mut grants, capability));
    grants
}

/// What is wrong where both parts should have what they import.
fn is_linked(row: &Entry, both: &(Program, Plan), main: &Grants, plug: &Grants) -> Option<String> {
    let linked = link(&both.0, &task(&both.1, main, plug));
    linked.err().map(|outcome| format!("{row:?} is not linked: {outcome:?}"))
}

/// What is wrong where it should be refused for this part and for no other.
fn is_refused(
    row: &Entry,
    both: &(Program, Plan),
    main: &Grants,
    plug: &Grants,
    part: &str,
) -> Option<String> {
    let Err(outcome) = link(&both.0, &task(&both.1, main, plug)) else {
        return Some(format!("{row:?} is linked for {part}"));
    };
    let message = outcome.message.unwrap_or_default();
    let parts = [MAIN, "plug"].map(|name| message.contains(&format!("of part {name} is not granted")));
    let right = outcome.code == code::IMPORT_DENIED && parts == [MAIN, "plug"].map(|name| name == part);
    (!right).then(|| format!("{row:?} is refused with {}: {message}", outcome.code))
}

fn wrong(row: &Entry) -> Vec<String> {
    let (both, own) = (both(row), own(row));
    let (none, others) = (Grants::default(), with_all_but(needed(row)));
    let found = match row.need {
        Need::Grant(_) => vec![
            is_linked(row, &both, &own, &own),
            is_refused(row, &both, &own, &none, "plug"),
            is_refused(row, &both, &own, &others, "plug"),
            is_refused(row, &both, &none, &own, MAIN),
            is_refused(row, &both, &others, &own, MAIN),
        ],
        Need::EmptyWithout(_) | Need::Types | Need::Ambient(_) => vec![
            is_linked(row, &both, &own, &none),
            is_linked(row, &both, &none, &own),
            is_linked(row, &both, &others, &none),
        ],
        Need::Ungrantable => Vec::new(),
    };
    found.into_iter().flatten().collect()
}

#[test]
fn each_part_has_a_row_by_its_own_grant_alone() {
    let wrong: Vec<String> =
        TABLE.iter().filter(|row| row.need != Need::Ungrantable).flat_map(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_withheld_from_one_part_is_the_others() {
    for row in TABLE {
        let Need::Ambient(ambient) = row.need else { continue };
        let (both, withheld) = (both(row), Grants { withheld: vec![ambient], ..Grants::default() });
        let none = Grants::default();
        assert_eq!(is_refused(row, &both, &withheld, &none, MAIN), None);
        assert_eq!(is_refused(row, &both, &none, &withheld, "plug"), None);
        assert_eq!(is_linked(row, &both, &none, &none), None);
    }
}

/// The row that is a right without being refused, and the name by which the main component's is linked.
fn environment() -> (&'static Entry, String) {
    let row = TABLE.iter().find(|row| row.interface == "wasi:cli/environment").unwrap();
    let (_, plan) = both(row);
    let of_main = |label: &Label| label.part == 0 && label.interface.interface == "environment";
    (row, plan.labels().find(of_main).unwrap().name)
}

#[test]
fn a_part_that_spells_anothers_label_has_nothing_of_it() {
    let (row, label) = environment();
    let (package, interface) = label.split_once('/').unwrap();
    let packages = format!(
        "package {package} {{ interface {interface} {{ \
         get-environment: func() -> list<tuple<string, string>>; \
         get-arguments: func() -> list<string>; initial-cwd: func() -> option<string>; }} }}"
    );
    let main = main_of(row);
    let plug = with_packages(row, &format!("export used; import {label};"), &packages);
    let refused = planned(&main, &plug, host).unwrap_err();
    assert!(refused.to_string().contains(&label), "{refused}");
    // As if whoever planned had let it pass: it gets a name of its own like any other, and nothing behind it.
    let plan = planned(&main, &plug, |part, import| match import.to_string() == label {
        true => Host::Serves,
        false => host(part, import),
    })
    .unwrap();
    let owners: Vec<usize> = plan.labels().filter(|one| one.name == label).map(|one| one.part).collect();
    assert_eq!(owners, [0], "the name is the main component's alone");
    let bytes = compose(&plan, &[&main, &plug]).unwrap();
    let program = Program::from_component(&an_engine(), &bytes).unwrap();
    let all = with_all_but(None);
    let outcome = link(&program, &task(&plan, &all, &all)).err().unwrap();
    assert_eq!(outcome.code, code::IMPORT_DENIED);
    let message = outcome.message.unwrap();
    assert!(message.contains(&format!("import {label} of part plug is not granted")), "{message}");
}

#[test]
fn a_label_that_is_a_plain_name_is_no_label() {
    let (row, _) = environment();
    let (program, grants) = (importing(row), own(row));
    let interface: InterfaceId = row.linked_as().parse().unwrap();
    let label = Label { name: row.linked_as(), part: 0, interface };
    let task = Task { labels: vec![label], ..with_grants(&grants) };
    let outcome = link(&program, &task).err().unwrap();
    assert_eq!(outcome.code, code::IMPORT_DENIED);
    assert!(outcome.message.unwrap().contains("is no part's"));
}

#[test]
fn more_parts_than_have_views_are_refused() {
    let (row, _) = environment();
    let (program, plan) = both(row);
    let mut task = task(&plan, &own(row), &own(row));
    let plug = task.plugs[0].clone();
    task.plugs.resize(PARTS_MAX - 1, plug.clone());
    assert!(link(&program, &task).is_ok());
    task.plugs.push(plug);
    let outcome = link(&program, &task).err().unwrap();
    assert_eq!(outcome.code, code::BAD_COMPONENT);
    assert!(outcome.message.unwrap().contains("the composition has 10 parts; the most is 9"));
}

#[test]
fn an_import_that_no_label_names_is_refused() {
    let row = TABLE.iter().find(|row| row.interface == "wasi:cli/environment").unwrap();
    let (program, plan) = both(row);
    let mut task = task(&plan, &own(row), &own(row));
    task.labels.remove(0);
    let outcome = link(&program, &task).err().unwrap();
    assert_eq!(outcome.code, code::IMPORT_DENIED);
    assert!(outcome.message.unwrap().contains("is no part's"));
}

#[test]
fn a_label_of_a_part_that_there_is_not_is_refused() {
    let row = TABLE.iter().find(|row| row.interface == "wasi:cli/environment").unwrap();
    let (program, plan) = both(row);
    let mut task = task(&plan, &own(row), &own(row));
    task.plugs.clear();
    let outcome = link(&program, &task).err().unwrap();
    assert_eq!(outcome.code, code::IMPORT_DENIED);
    assert!(outcome.message.unwrap().contains("of part 1, which there isn't"));
}
