//! What of a document's components can't be meant together.
#![allow(clippy::unwrap_used)]

use crate::document::{EnvLiteral, EnvReference};
use crate::samples::document;
use crate::{Component, Document, DocumentError, Grants, Limits, Link};

fn plug(name: &str) -> Component {
    let main = document().components[0].clone();
    Component { name: name.into(), grants: Grants::default(), limits: Limits::default(), ..main }
}

fn with_plugs() -> Document {
    let mut document = document();
    document.components.extend([plug("clock"), plug("parser")]);
    document
}

fn refers(name: &str, variable: &str) -> EnvReference {
    EnvReference { name: name.into(), variable: variable.into() }
}

fn link(to: &str) -> Link {
    Link { interface: "acme:clock/now@0.1.0".parse().unwrap(), to: to.into() }
}

#[test]
fn components_that_fit_are_taken() {
    let mut document = with_plugs();
    document.components[0].links = vec![link("parser")];
    document.components[2].links = vec![link("clock")];
    document.components[1].env = vec![EnvLiteral { name: "LOG".into(), value: "1".into() }];
    document.components[1].env_references = vec![refers("CITY", "HAYRIDE_PLUG_0_CITY")];
    document.components[2].env_references = vec![refers("CITY", "HAYRIDE_PLUG_1_CITY")];
    assert_eq!(document.check(), Ok(()));
}

#[test]
fn what_of_components_cannot_be_meant_is_refused_by_name() {
    type Change = fn(&mut Document);
    let cases: [(Change, &str); 9] = [
        (|d| d.components.extend((0..7).map(|i| plug(&format!("x{i}")))), "components: x6: is more than"),
        (
            |d| d.components[0].env = vec![EnvLiteral { name: "A".into(), value: String::new() }],
            "is the main",
        ),
        (|d| d.components[0].env_references = vec![refers("A", "HAYRIDE_PLUG_0_A")], "is the main component"),
        (|d| d.env_references.push("HAYRIDE_PLUG_0_A".into()), "refers to a variable of a plug"),
        (|d| d.components.swap(1, 2), "components: clock: is not in its place"),
        (|d| d.components[1].limits.memory_bytes = Some(1 << 20), "components: clock: has limits of its own"),
        (|d| d.components[1].env_references = vec![refers("A", "PATH")], "variable that is no plug's"),
        (|d| d.components[1].links = vec![link("parser"), link("parser")], "two links for one interface"),
        (
            |d| d.components[1].env_references = vec![refers("A=B", "HAYRIDE_PLUG_0_A")],
            "\"A=B\" can't be a variable's name",
        ),
    ];
    for (change, wanted) in cases {
        let mut document = with_plugs();
        change(&mut document);
        let error = document.check().unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}, wanted: {wanted}");
    }
}

#[test]
fn one_variable_of_the_container_is_one_plugs() {
    let mut document = with_plugs();
    document.components[1].env_references = vec![refers("A", "HAYRIDE_PLUG_0_A")];
    document.components[2].env_references = vec![refers("B", "HAYRIDE_PLUG_0_A")];
    let twice = DocumentError::Twice { list: "envReferences", name: "HAYRIDE_PLUG_0_A".into() };
    assert_eq!(document.check(), Err(twice));
    document.components[2].env_references.clear();
    document.components[1].env = vec![EnvLiteral { name: "A".into(), value: "1".into() }];
    assert_eq!(document.check(), Err(DocumentError::Twice { list: "env", name: "A".into() }));
}

#[test]
fn a_link_leads_to_another_plug() {
    for to in ["weather", "clock", "nobody", "host", "main"] {
        let mut document = with_plugs();
        document.components[1].links = vec![link(to)];
        assert_eq!(document.check(), Err(DocumentError::Link { to: to.into() }), "{to}");
    }
}
