//! The same of compositions: two parts that import the same row, and each has it by its own grant or not at all.

use super::*;
use crate::Plug;
use morph_component::{Host, MAIN, Part, Plan, compose, inspect, plan};

/// A composition of two parts that both import a row; the main component uses the plug.
fn both(row: &Entry) -> (Program, Plan) {
    let main = with_world(row, "import used; export lives: interface { live: func(); }");
    let plug = with_world(row, "export used;");
    let worlds = [&main, &plug].map(|bytes| inspect(bytes).unwrap());
    let host = |_: &str, import: &InterfaceId| match lookup(import) {
        Lookup::Known(row) if row.need == Need::Types => Host::Shares,
        Lookup::Known(_) => Host::Serves,
        Lookup::UnknownVersion | Lookup::Unknown => Host::Unknown,
    };
    let part = |name, index: usize| Part { name, world: &worlds[index] };
    let plan = plan(part(MAIN, 0), &[part("plug", 1)], &[], host).unwrap();
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
    let parts = ["row", "plug"].map(|name| message.contains(&format!("of part {name} is not granted")));
    let right = outcome.code == code::IMPORT_DENIED && parts == ["row", "plug"].map(|name| name == part);
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
            is_refused(row, &both, &none, &own, "row"),
            is_refused(row, &both, &others, &own, "row"),
        ],
        Need::EmptyWithout(_) | Need::Types | Need::Ambient(_) => {
            vec![is_linked(row, &both, &own, &none), is_linked(row, &both, &none, &own)]
        }
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
        assert_eq!(is_refused(row, &both, &withheld, &none, "row"), None);
        assert_eq!(is_refused(row, &both, &none, &withheld, "plug"), None);
    }
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
