//! Names and hashes: they fit, and they don't move. A hash that moves with a release of ours would roll pods,
//! run Commands again, or ask every registry anew.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::morph;
use kube::Resource as _;
use morph_crds::Morph;
use morph_crds::bounds::NAME_CHARS_MAX;

#[test]
fn the_longest_morph_has_a_job_whose_name_is_a_label() {
    let longest = "m".repeat(NAME_CHARS_MAX as usize);
    let name = job(&longest, &"anything");
    assert!(name.len() <= 63, "{name}");
    assert!(name.starts_with(&format!("{longest}-")), "{name}");
}

#[test]
fn hashes_are_the_same_in_every_release() {
    assert_eq!(job("hello", &"anything"), "hello-2a6c3f0535");
    let spec = morph("image: r.test/hello:1\nargs: [a]\nenv: [{name: A, value: b}]\n").spec;
    assert_eq!(spec_hash(&spec), "b0bc356b4f703bf5");
}

#[test]
fn the_owner_is_called_what_the_api_calls_it() {
    assert_eq!(API_VERSION, Morph::api_version(&()));
    assert_eq!(KIND, Morph::kind(&()));
}

#[test]
fn a_spec_is_the_same_whatever_changes_in_place() {
    let hash = |fields: &str| spec_hash(&morph(&format!("image: r.test/hello:1\n{fields}\n")).spec);
    let base = hash("run: {}");
    for (change, same) in [
        ("run: {suspend: true, parallelism: 4, backoffLimit: 0, activeDeadlineSeconds: 9}", true),
        ("run: {}\nreplicas: 9", true),
        ("run: {completions: 2}", false),
        ("run: {schedule: \"@daily\"}", false),
        ("run: {}\nargs: [a]", false),
        ("run: {}\nresources: {limits: {cpu: 1}}", false),
    ] {
        assert_eq!(hash(change) == base, same, "{change}");
    }
}

#[test]
fn the_selector_is_one_label_and_the_uid_is_not_in_it() {
    let identity = Identity { namespace: "demo".into(), name: "hello".into(), uid: "u1".into() };
    assert_eq!(selector(&identity.name).match_labels, Some([(MORPH_LABEL.into(), "hello".into())].into()));
    assert_eq!(labels(&identity).len(), 2);
    assert_eq!(labels(&identity)[MORPH_UID_LABEL], "u1");
}

#[test]
fn volumes_are_mounted_where_no_guest_looks() {
    assert_eq!(mount_path("data"), "/run/hayride.dev/volumes/data");
}

#[test]
fn the_longest_plug_has_a_volume_whose_name_is_a_label() {
    let name = "p".repeat(morph_crds::bounds::PLUG_NAME_CHARS_MAX as usize);
    assert!(plug_volume(&name).len() <= morph_crds::bounds::LABEL_CHARS_MAX as usize);
    assert!(plug_volume("a").starts_with("hayride-"), "the schema refuses a volume of a Morph's own by it");
    assert_eq!(plug_path("clock"), "/run/hayride.dev/plugs/clock");
}
