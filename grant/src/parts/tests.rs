//! Compositions under grants: whose rights answer, and that links are the plan that was made.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::samples::document;
use crate::{Component, Limits, Link};
use morph_component::plan;

fn id(text: &str) -> InterfaceId {
    text.parse().unwrap()
}

fn world(imports: &[&str], exports: &[&str]) -> World {
    let ids = |texts: &[&str]| texts.iter().map(|text| id(text)).collect();
    World { imports: ids(imports), exports: ids(exports), ..World::default() }
}

const CLOCK: &str = "acme:clock/now@0.1.0";
const ENVIRONMENT: &str = "wasi:cli/environment@0.2.3";
const STREAMS: &str = "wasi:io/streams@0.2.3";
const LOGGING: &str = "wasi:logging/logging";

fn worlds() -> [World; 2] {
    let main = world(&[CLOCK, ENVIRONMENT, STREAMS], &["wasi:http/incoming-handler@0.2.3"]);
    [main, world(&[STREAMS], &["acme:clock/now@0.1.2"])]
}

fn with_plug() -> Document {
    let mut document = document();
    document.components[0].links = vec![Link { interface: id(CLOCK), to: "clock".into() }];
    document.components.push(Component {
        name: "clock".into(),
        content: Digest::of(b"clock"),
        grants: Grants::default(),
        limits: Limits::default(),
        links: vec![],
        env: Vec::new(),
        env_references: Vec::new(),
        ..document.components[0].clone()
    });
    document
}

#[test]
fn the_host_answers_by_the_rights_of_the_part_that_asks() {
    let has = Grants { logging: true, ..Grants::default() };
    for (interface, grants, wanted) in [
        (LOGGING, &has, Host::Serves),
        (LOGGING, &Grants::default(), Host::Refuses),
        (STREAMS, &Grants::default(), Host::Shares),
        (CLOCK, &Grants::of_each_capability(), Host::Unknown),
        ("wasi:http/types@0.9.0", &Grants::of_each_capability(), Host::Unknown),
    ] {
        assert_eq!(host(&id(interface), grants), wanted, "{interface}");
        assert_eq!(shares(&id(interface)), wanted == Host::Shares, "{interface}");
    }
}

#[test]
fn the_links_of_a_document_are_the_plan_that_was_made() {
    let (document, [main, clock]) = (with_plug(), worlds());
    let part = |name, world| Part { name, world };
    let planned = plan(part(MAIN, &main), &[part("clock", &clock)], &[], |_, interface| {
        host(interface, &document.components[0].grants)
    });
    assert_eq!(document.plan(&[&main, &clock]), planned);
    assert_eq!(planned.unwrap().links().count(), 1);
}

#[test]
fn a_link_that_fits_nothing_is_no_plan() {
    let (mut document, [main, clock]) = (with_plug(), worlds());
    document.components[0].links[0].interface = id("acme:clock/then@0.1.0");
    let errors = document.plan(&[&main, &clock]).unwrap_err().to_string();
    assert!(errors.contains("doesn't import acme:clock/then@0.1.0"), "{errors}");
}

#[test]
fn each_import_has_the_plugs_or_the_hosts_answer_under_the_parts_own_rights() {
    let (document, [main, clock]) = (with_plug(), worlds());
    let plan = document.plan(&[&main, &clock]).unwrap();
    let names = ["weather", "clock"];
    let answers = |part: usize, grants: &Grants| -> Vec<(Answer, String)> {
        let answered = check_part(&plan.parts[part], grants, |index| names[index]);
        answered.into_iter().map(|one| (one.answer, one.by)).collect()
    };
    let of_main = answers(0, &document.components[0].grants);
    assert_eq!(of_main[0], (Answer::Plug, "clock".to_owned()));
    assert_eq!(of_main[1].0, Answer::Granted);
    assert_eq!(answers(1, &document.components[1].grants), [(Answer::Ambient, "types only".to_owned())]);
}

#[test]
fn what_is_composed_is_told_by_plan_and_bytes() {
    let (document, [main, clock]) = (with_plug(), worlds());
    let plan = document.plan(&[&main, &clock]).unwrap();
    let contents = [Digest::of(b"content"), Digest::of(b"clock")];
    let digest = composed_digest(&plan, &contents);
    assert_eq!(digest, composed_digest(&plan.clone(), &contents));
    assert_ne!(digest, composed_digest(&plan, &[contents[0].clone(), Digest::of(b"other")]));
    let mut other = plan.clone();
    other.parts[0].imports[0].by = Provider::Host;
    assert_ne!(digest, composed_digest(&other, &contents));
    // Written down in status: a change of this text composes everything anew.
    let text = format!("morph composition 1\n{plan}{}\n{}\n", contents[0], contents[1]);
    assert_eq!(digest, Digest::of(text.as_bytes()));
}
