//! Rules about plugs, each broken once.

use super::*;
use crate::morph::fixture::{seen_whole, world};
use k8s_openapi::api::core::v1::{ImageVolumeSource, Volume};
use morph_grant::Document;

const WHOLE: &str = "image: r.test/hello:1
plugs:
- name: clock
  image: r.test/clock:1
  env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
";

fn seen_with_plug() -> Seen {
    let mut main = server();
    main.imports.insert(0, "acme:clock/now@0.1.0".parse().unwrap());
    seen_whole(morph(WHOLE), main, &[("clock", world(&[], &["acme:clock/now@0.1.0"]))])
}

fn check_whole(wrong: impl FnOnce(&mut Plan), problems: &[&str]) {
    let seen = seen_with_plug();
    let mut plan = planned(&seen);
    wrong(&mut plan);
    check_broken(&plan, &seen, problems);
}

fn image(plan: &mut Plan) -> &mut ImageVolumeSource {
    let volumes = pod(plan).volumes.as_mut().unwrap();
    volumes.iter_mut().find(|volume| volume.image.is_some()).unwrap().image.as_mut().unwrap()
}

fn regrant(plan: &mut Plan, change: impl FnOnce(&mut Document)) {
    let template = &mut deployment(plan).spec.as_mut().unwrap().template;
    let text = template.metadata.as_mut().unwrap().annotations.as_mut().unwrap();
    let text = text.get_mut(morph_grant::ANNOTATION).unwrap();
    let mut document = morph_grant::open(text, &crate::morph::fixture::trusted(&[signer()])).unwrap();
    change(&mut document);
    *text = morph_grant::seal(&document, &signer()).unwrap();
}

#[test]
fn an_image_that_is_not_pinned_or_nobodys_is_found() {
    check_whole(|_| (), &[]);
    let pinned = "a plug's image is not the volume by the digest that its grant names";
    check_whole(|p| image(p).reference = Some("r.test/clock:1".into()), &[pinned]);
    check_whole(|p| image(p).reference = None, &[pinned]);
    check_whole(
        |p| image(p).pull_policy = Some("Never".into()),
        &["a plug's image is pulled by another policy than the Morph's"],
    );
    let more = |p: &mut Plan| {
        let source = image(p).clone();
        let name = "hayride-plug-other".to_owned();
        pod(p).volumes.as_mut().unwrap().push(Volume { name, image: Some(source), ..Volume::default() });
    };
    let problems = ["its pods have volumes that no grant names", "its pods have images that are no plug's"];
    check_whole(more, &problems);
}

#[test]
fn a_mount_that_a_guest_may_write_or_that_lacks_is_found() {
    let mounts = "its mounts are not those of its grant";
    check_whole(|p| container(p).volume_mounts = None, &[mounts]);
    check_whole(|p| container(p).volume_mounts.as_mut().unwrap()[0].read_only = None, &[mounts]);
}

#[test]
fn a_part_that_may_more_than_its_own_fields_say_is_found() {
    let more = "a part of its grant may do what its own fields don't say";
    check_whole(|p| regrant(p, |document| document.components[1].grants.logging = true), &[more]);
    check_whole(|p| regrant(p, |document| document.components[0].grants.logging = true), &[more]);
}

#[test]
fn a_plugs_grant_for_other_bytes_is_found() {
    let bytes = "a plug's grant is for other bytes than those that were resolved";
    let other = || morph_grant::Digest::of(b"other");
    check_whole(|p| regrant(p, |document| document.components[1].content = other()), &[bytes]);
    let pinned = "a plug's image is not the volume by the digest that its grant names";
    check_whole(|p| regrant(p, |document| document.components[1].manifest = other()), &[bytes, pinned]);
}

#[test]
fn a_variable_of_another_part_is_found() {
    let env = "its env is not what its grant names";
    check_whole(|p| container(p).env = None, &[env]);
    let turn = |p: &mut Plan| {
        let name = "HAYRIDE_PLUG_2/A".to_owned();
        container(p).env.as_mut().unwrap()[0].name = name.clone();
        regrant(p, |document| document.components[1].env_references[0].variable = name);
    };
    check_whole(turn, &["a part's variable is another's"]);
}
