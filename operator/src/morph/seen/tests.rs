//! What the steps hand on keeps apart what must not be mixed up.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{applied, component, morph, planned, seen, server};

#[test]
fn children_are_found_by_kind_and_name_whoever_owns_them() {
    let seen = seen(morph("image: r.test/hello:1\n"), server());
    let mut children = applied(&planned(&seen), &Children::default());
    children.0.iter_mut().for_each(|child| child.owner = None);
    assert!(children.get(ChildKind::Service, "hello").is_some());
    assert!(children.get(ChildKind::Service, "other").is_none());
    assert!(children.get(ChildKind::CronJob, "hello").is_none());
    assert_eq!(children.owned("0e5a4b9c-0000-4000-8000-00000000cafe").count(), 0);
}

#[test]
fn an_owner_is_known_by_uid_and_not_by_name() {
    let seen = seen(morph("image: r.test/hello:1\n"), server());
    let children = applied(&planned(&seen), &Children::default());
    assert_eq!(children.owned("0e5a4b9c-0000-4000-8000-00000000cafe").count(), children.0.len());
    assert_eq!(children.owned("hello").count(), 0);
}

#[test]
fn an_object_tells_the_api_server_what_it_is() {
    let seen = seen(morph("image: r.test/hello:1\n"), server());
    for object in planned(&seen).apply {
        let value = object.to_value();
        assert_eq!(value["kind"], object.kind().as_str());
        assert_eq!(value["metadata"]["name"], object.name());
        assert!(
            ["v1", "apps/v1", "networking.k8s.io/v1"].contains(&value["apiVersion"].as_str().unwrap()),
            "{value}"
        );
        assert!(value.get("status").is_none(), "{value}");
    }
}

#[test]
fn a_refusal_stays_unless_it_is_said_to_pass() {
    let refusal = Refusal::of(ConditionType::Ready, Reason::SpecInvalid, "no");
    assert!(!refusal.transient);
    assert!(refusal.clone().passing().transient);
    let component = component("r.test/hello:1", server());
    let (image, content) = (component.image, component.content);
    let found = Found {
        image,
        content,
        runs: RunType::Server,
        imports: Vec::new(),
        links: Vec::new(),
        plugs: Vec::new(),
        composed: None,
    };
    assert_eq!(refusal.found(found.clone()).found.as_deref(), Some(&found));
}
