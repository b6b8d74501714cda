//! What of a spec gets into the grant document, and what does not.

#![allow(clippy::unwrap_used, clippy::panic)]

mod words;

use super::*;
use crate::morph::fixture::{command, morph, seen, server};
use crate::morph::validate;
use morph_component::World;
use morph_grant::{Http, Limits};

fn document_of(fields: &str, world: World) -> Document {
    validate(&seen(morph(&format!("image: r.test/hello:1\n{fields}\n")), world)).unwrap().document
}

#[test]
fn nothing_asked_is_nothing_granted() {
    let document = document_of("", server());
    let main = document.main().unwrap();
    assert_eq!(main.grants, Grants::default());
    assert_eq!(main.limits, Limits::default());
    assert_eq!(main.links, []);
    assert_eq!(
        (document.args.len(), document.env.len(), document.env_references.len(), document.env_prefixes.len()),
        (0, 0, 0, 0)
    );
    assert_eq!(document.mounts, []);
}

#[test]
fn the_environment_is_granted_by_any_of_its_fields() {
    for fields in [
        "args: [a]",
        "env: [{name: A, value: a}]",
        "env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]",
        "envFrom: [{secretRef: {name: s}}]",
    ] {
        assert!(document_of(fields, command()).main().unwrap().grants.environment, "{fields}");
    }
}

#[test]
fn values_that_stand_in_the_yaml_are_in_the_document_word_for_word() {
    let document = document_of(
        "args: ['', '$(A)', '$$(A)', 'a b', 'é']\n\
         env: [{name: Z, value: '$(A)'}, {name: A, value: ''}, \
         {name: R, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}]",
        command(),
    );
    assert_eq!(document.args, ["", "$(A)", "$$(A)", "a b", "é"]);
    let env: Vec<_> = document.env.iter().map(|var| (var.name.as_str(), var.value.as_str())).collect();
    assert_eq!(env, [("A", ""), ("Z", "$(A)")]);
    assert_eq!(document.env_references, ["R"]);
}

#[test]
fn a_secrets_name_is_not_in_the_document_and_neither_is_its_key() {
    let document = document_of(
        "env: [{name: R, valueFrom: {secretKeyRef: {name: hidden, key: hidden-key}}}]\n\
         envFrom: [{prefix: P_, secretRef: {name: hidden-too}}]\n\
         volumes: [{name: v, secret: {secretName: hidden-as-well}}]\n\
         capabilities: {filesystem: [{volume: v, path: /v}]}",
        command(),
    );
    assert!(!serde_json::to_string(&document).unwrap().contains("hidden"), "{document:?}");
}

#[test]
fn prefixes_are_told_once_and_none_stands_for_all() {
    let document = document_of(
        "envFrom: [{prefix: P_, configMapRef: {name: a}}, {configMapRef: {name: b}}, \
         {prefix: P_, secretRef: {name: c}}]",
        command(),
    );
    assert_eq!(document.env_prefixes, ["", "P_"]);
}

#[test]
fn a_volume_is_mounted_once_and_may_be_written_if_any_grant_says_so() {
    for (grants, read_only) in [
        ("[{volume: v, path: /a}]", true),
        ("[{volume: v, path: /a}, {volume: v, path: /b}]", true),
        ("[{volume: v, path: /a, access: ReadWrite}]", false),
        ("[{volume: v, path: /a}, {volume: v, path: /b, access: ReadWrite}]", false),
    ] {
        let fields = format!(
            "volumes: [{{name: v, emptyDir: {{}}}}, {{name: w, emptyDir: {{}}}}]\n\
             capabilities: {{filesystem: {grants}}}"
        );
        let document = document_of(&fields, command());
        let [mount] = document.mounts.as_slice() else { panic!("{:?}", document.mounts) };
        assert_eq!((mount.volume.as_str(), mount.read_only), ("v", read_only), "{grants}");
        assert_eq!(mount.destination, "/run/hayride.dev/volumes/v");
    }
}

#[test]
fn a_read_only_grant_stays_one_on_a_volume_that_another_may_write() {
    let document = document_of(
        "volumes: [{name: v, emptyDir: {}}]\n\
         capabilities: {filesystem: [{volume: v, path: /b}, {volume: v, path: /a, access: ReadWrite}]}",
        command(),
    );
    let grants: Vec<_> =
        document.main().unwrap().grants.filesystem.iter().map(|g| (g.path.as_str(), g.access)).collect();
    assert_eq!(grants, [("/a", Access::ReadWrite), ("/b", Access::ReadOnly)]);
}

#[test]
fn a_server_has_a_port_and_times_and_a_command_has_none() {
    let http = |fields: &str| document_of(fields, server()).http.unwrap();
    let times = |http: Http| (http.port, http.lame_duck_seconds, http.grace_period_seconds);
    assert_eq!(times(http("")), (8080, 3, 30));
    assert_eq!(times(http("http: {port: 81}")), (81, 3, 30));
    assert_eq!(
        times(http("http: {lameDuckSeconds: 40}\ntemplate: {terminationGracePeriodSeconds: 60}")),
        (8080, 40, 60)
    );
    let document = document_of("", command());
    assert_eq!((document.run, document.http), (morph_grant::RunType::Command, None));
}

#[test]
fn the_memory_limit_is_told_in_bytes() {
    let limit = |fields: &str| document_of(fields, server()).main().unwrap().limits.memory_bytes;
    assert_eq!(limit("limits: {memory: 64Mi}"), Some(64 << 20));
    assert_eq!(limit("limits: {memory: 1G}"), Some(1_000_000_000));
    assert_eq!(limit("limits: {}"), None);
}

#[test]
fn replicas_and_the_generation_are_not_in_the_document() {
    let one = document_of("replicas: 1", server());
    let mut scaled = morph("image: r.test/hello:1\nreplicas: 9\n");
    scaled.metadata.generation = Some(77);
    assert_eq!(validate(&seen(scaled, server())).unwrap().document, one);
}
