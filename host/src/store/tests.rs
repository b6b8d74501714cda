//! Tests of what a store has for each part, and for none.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::{EngineKind, Plug, Stdio, engine};
use morph_component::{Label, PARTS_MAX};
use morph_grant::{ConfigEntry, Grants};

/// A store of this task.
fn store(task: Task) -> Store<State> {
    let engine = engine(EngineKind::P2).unwrap();
    let null = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap().into();
    let streams = Streams::new(Stdio { stdin: null(), stdout: null(), stderr: null() }, &task.limits);
    let ticker = Ticker::start(&engine.inner).unwrap();
    Stores::new(engine, Arc::new(task), streams, ticker, None).fresh().unwrap()
}

/// Rights that are known by a value of the configuration.
fn rights(value: &str) -> Grants {
    let config = ConfigEntry { key: "whose".into(), value: Some(value.into()), file: None };
    Grants { config: vec![config], ..Grants::default() }
}

fn task(plugs: usize) -> Task {
    let plug = |number: usize| Plug {
        name: format!("plug{number}"),
        env: Vec::new(),
        preopens: Vec::new(),
        grants: rights(&number.to_string()),
    };
    let label = Label { name: "morph:part0/i0-a-b-c".into(), part: 0, interface: "a:b/c".parse().unwrap() };
    let plugs = (1..=plugs).map(plug).collect();
    Task { plugs, labels: vec![label], grants: rights("0"), ..Task::ungranted("main", Run::Command) }
}

/// Whose rights the view of a part has; `-` for nobody's.
fn whose(state: &mut State, part: usize) -> String {
    let config = cap::of!(part, config)(state);
    config.0.grants.config.first().and_then(|entry| entry.value.clone()).unwrap_or_else(|| "-".into())
}

#[test]
fn each_view_has_the_rights_of_its_part_and_all_others_have_nobodys() {
    for plugs in [0, 1, PARTS_MAX - 1] {
        let mut store = store(task(plugs));
        let state = store.data_mut();
        for part in 0..=plugs {
            assert_eq!(whose(state, part), part.to_string(), "of {plugs} plugs");
        }
        for part in [plugs + 1, PARTS_MAX, PARTS_MAX + 1, NOBODY] {
            assert_eq!(whose(state, part), "-", "{part} of {plugs} plugs");
            assert!(state.sockets_of(part).is_none());
        }
        assert_eq!(state.logging::<1>().component, if plugs == 0 { "" } else { "plug1" });
    }
}

#[test]
fn nobody_has_no_clock_and_no_streams() {
    let nobody = nobody(&task(1));
    assert_eq!(nobody.grants.withheld, Ambient::ALL);
    assert_eq!(nobody.grants.determinism.unwrap().clock_unix_millis, Some(0));
    assert!(!nobody.grants.environment && nobody.env.is_empty() && nobody.preopens.is_empty());
}
