//! Plans as golden files, one for each case: what is given stands above a line of dashes, what comes of it
//! below.
#![allow(clippy::unwrap_used, clippy::panic)]

mod random;

use super::*;
use std::fs;
use std::path::{Path, PathBuf};

/// Parts, links and a host, as a case's file says them.
#[derive(Debug, Clone, Default)]
struct Case {
    parts: Vec<(String, World)>,
    links: Vec<(String, InterfaceId, String)>,
    /// Word, part (or any), interface of whatever version.
    host: Vec<(Host, Option<String>, InterfaceId)>,
}

fn id(text: &str) -> InterfaceId {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

impl Case {
    fn read(text: &str) -> Self {
        let mut case = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["main", ..] => case.parts.push((MAIN.to_owned(), world(&words[1..]))),
                ["plug", name, ..] => case.parts.push((name.to_owned(), world(&words[2..]))),
                ["type", part, side, interface, ..] => case.tell(part, side, &id(interface), &words[4..]),
                ["link", from, interface, to] => case.links.push((from.into(), id(interface), to.into())),
                ["host", word, interface] => case.host.push((host(word), None, id(interface))),
                ["host", word, interface, "to", part] => {
                    case.host.push((host(word), Some(part.into()), id(interface)));
                }
                _ => panic!("{line}"),
            }
        }
        case
    }

    /// One more item of an interface that a part `imports` or `exports`.
    fn tell(&mut self, part: &str, side: &str, interface: &InterfaceId, item: &[&str]) {
        let (_, world) = self.parts.iter_mut().find(|(name, _)| name == part).unwrap();
        let (ids, shapes) = match side {
            "imports" => (&world.imports, &mut world.shapes.imports),
            "exports" => (&world.exports, &mut world.shapes.exports),
            _ => panic!("{side}"),
        };
        shapes.resize(ids.len(), None);
        let shape = &mut shapes[ids.iter().position(|id| id == interface).unwrap()];
        let before = shape.take().map(|shape| format!("{};", String::from(shape))).unwrap_or_default();
        *shape = Some(format!("{before}{}", item.join(" ")).parse().unwrap());
    }

    fn answer(&self, part: &str, interface: &InterfaceId) -> Host {
        let of = |line: &&(Host, Option<String>, InterfaceId)| {
            line.1.as_deref().is_none_or(|name| name == part) && line.2.is_like(interface)
        };
        self.host.iter().find(of).map_or(Host::Unknown, |line| line.0)
    }

    fn plan(&self) -> Result<Plan, PlanErrors> {
        let part = |(name, world): &'_ (String, World)| (name.clone(), world.clone());
        let parts: Vec<_> = self.parts.iter().map(part).collect();
        let parts: Vec<_> = parts.iter().map(|(name, world)| Part { name, world }).collect();
        let links =
            self.links.iter().map(|(from, interface, to)| Choice { from, interface, to: Target::of(to) });
        let links: Vec<_> = links.collect();
        plan(parts[0], &parts[1..], &links, |part, interface| self.answer(part, interface))
    }
}

fn world(words: &[&str]) -> World {
    let mut world = World::default();
    let mut to_exports = false;
    for word in words {
        match *word {
            "imports" => to_exports = false,
            "exports" => to_exports = true,
            word if to_exports => world.exports.push(id(word)),
            word => world.imports.push(id(word)),
        }
    }
    world.imports.sort();
    world.exports.sort();
    world
}

fn host(word: &str) -> Host {
    match word {
        "serves" => Host::Serves,
        "shares" => Host::Shares,
        "refuses" => Host::Refuses,
        _ => panic!("{word}"),
    }
}

fn told(plan: &Result<Plan, PlanErrors>) -> String {
    match plan {
        Ok(plan) => plan.to_string(),
        Err(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
    }
}

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/cases");
    let mut cases: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn plans_are_as_their_cases_say() {
    let mut stale = Vec::new();
    for path in cases() {
        let text = fs::read_to_string(&path).unwrap();
        let given = text.split("----\n").next().unwrap();
        let now = format!("{given}----\n{}", told(&Case::read(given).plan()));
        if now != text && std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &now).unwrap();
        } else if now != text {
            stale.push(format!("{}: UPDATE=1 rewrites it. It should be:\n{now}", path.display()));
        }
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
    assert!(cases().len() >= 40);
}

#[test]
fn the_order_of_plugs_and_links_changes_no_plan() {
    for path in cases() {
        let text = fs::read_to_string(&path).unwrap();
        let case = Case::read(text.split("----\n").next().unwrap());
        let Ok(plan) = case.plan() else { continue };
        let mut turned = Case::read(text.split("----\n").next().unwrap());
        turned.parts[1..].reverse();
        turned.links.reverse();
        assert_eq!(turned.plan().as_ref(), Ok(&plan), "{}", path.display());
    }
}

#[test]
fn what_was_planned_is_planned_again_from_its_links_alone() {
    for path in cases() {
        let text = fs::read_to_string(&path).unwrap();
        let case = Case::read(text.split("----\n").next().unwrap());
        let Ok(plan) = case.plan() else { continue };
        let parts: Vec<_> = case.parts.iter().map(|(name, world)| Part { name, world }).collect();
        let links: Vec<_> = plan.links().collect();
        let links: Vec<_> = links
            .iter()
            .map(|(from, interface, to)| Choice { from, interface, to: Target::Part(to) })
            .collect();
        let shares = |interface: &InterfaceId| case.answer(MAIN, interface) == Host::Shares;
        let again = Plan::of_links(parts[0], &parts[1..], &links, shares);
        assert_eq!(again.as_ref(), Ok(&plan), "{}", path.display());
    }
}

#[test]
fn a_label_is_an_interface_that_no_part_can_import_by_chance() {
    let text =
        "main imports a:b/c@1.0.0 d:e/f exports wasi:cli/run@0.2.0\nhost serves a:b/c\nhost serves d:e/f";
    let plan = Case::read(text).plan().unwrap();
    let labels: Vec<_> = plan.labels().collect();
    let names: Vec<_> = labels.iter().map(|label| label.name.as_str()).collect();
    assert_eq!(names, ["morph:part0/i0-a-b-c", "morph:part0/i1-d-e-f"]);
    for label in labels {
        assert_eq!(id(&label.name).to_string(), label.name);
        assert!(label.name.starts_with(LABELS));
    }
}
