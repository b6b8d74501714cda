//! Tests of `task`.
#![allow(clippy::unwrap_used)]
use super::*;
use morph_crds::Morph;
use morph_grant::Access;
use serde_json::{Value, json};

fn valid(spec: Value) -> ValidMorph {
    let mut all = json!({ "image": "a.test/x:1" });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let morph = json!({
        "apiVersion": "hayride.dev/v1alpha1", "kind": "Morph", "metadata": { "name": "one" }, "spec": all,
    });
    ValidMorph::new(&serde_json::from_value::<Morph>(morph).unwrap()).unwrap()
}

fn given(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, rest)| ((*name).to_owned(), (*rest).to_owned())).collect()
}

/// The task of a spec as a Command, with these values and volumes.
fn made(spec: Value, values: &[(&str, &str)], volumes: &[(&str, &str)]) -> Result<Task> {
    made_as(Kind::Command, spec, values, volumes)
}

fn made_as(kind: Kind, spec: Value, values: &[(&str, &str)], volumes: &[(&str, &str)]) -> Result<Task> {
    let morph = valid(spec);
    let volumes = Volumes::new(&morph, &given(volumes))?;
    let (values, sources) = (given(values), Sources::default());
    task(&morph, &Local { kind, port: None, values: &values, sources: &sources, files: None }, &volumes)
}

fn check_refused(spec: Value, values: &[(&str, &str)], volumes: &[(&str, &str)], want: &str) {
    let error = format!("{:#}", made(spec, values, volumes).map(|_| ()).unwrap_err());
    assert!(error.contains(want), "{want}: {error}");
}

fn by_reference(name: &str, from: Value) -> Value {
    json!({ "env": [{ "name": name, "valueFrom": from }] })
}

#[test]
fn a_bare_morph_gets_nothing() {
    assert_eq!(made(json!({}), &[], &[]).unwrap(), Task::ungranted("one", Run::Command));
}

#[test]
fn args_and_literals_come_as_they_stand() {
    let spec = json!({ "args": ["a", "$(B)"], "env": [{ "name": "B", "value": "$(A) b" }] });
    let task = made(spec, &[], &[]).unwrap();
    assert_eq!(task.args, ["a", "$(B)"]);
    assert_eq!(task.env, given(&[("B", "$(A) b")]));
    assert!(task.grants.environment);
}

#[test]
fn a_reference_takes_the_value_given() {
    let key = json!({ "configMapKeyRef": { "name": "w", "key": "city" } });
    assert_eq!(
        made(by_reference("C", key.clone()), &[("C", "Porto")], &[]).unwrap().env,
        given(&[("C", "Porto")])
    );
    check_refused(
        by_reference("C", key),
        &[],
        &[],
        "comes from key city of ConfigMap w; give a value: --env C=",
    );
    let secret = json!({ "secretKeyRef": { "name": "s", "key": "k" } });
    check_refused(by_reference("C", secret), &[], &[], "key k of Secret s");
    let node = json!({ "fieldRef": { "fieldPath": "spec.nodeName" } });
    check_refused(by_reference("C", node), &[], &[], "the pod's spec.nodeName");
}

#[test]
fn what_may_be_missing_may_be_missing() {
    let optional = json!({ "configMapKeyRef": { "name": "w", "key": "city", "optional": true } });
    assert_eq!(made(by_reference("C", optional), &[], &[]).unwrap().env, []);
    let name = json!({ "fieldRef": { "fieldPath": "metadata.name" } });
    assert_eq!(made(by_reference("C", name), &[], &[]).unwrap().env, given(&[("C", "one")]));
}

#[test]
fn the_command_line_adds_no_variable_that_the_yaml_does_not_take() {
    check_refused(json!({}), &[("A", "1")], &[], "--env A: the Morph takes no such variable");
    let literal = json!({ "env": [{ "name": "A", "value": "1" }] });
    check_refused(literal, &[("A", "2")], &[], "--env A: the Morph gives this variable a value");
    let prefixed = json!({ "envFrom": [{ "prefix": "W_", "configMapRef": { "name": "w" } }] });
    assert_eq!(made(prefixed.clone(), &[("W_A", "1")], &[]).unwrap().env, given(&[("W_A", "1")]));
    check_refused(prefixed, &[("A", "1")], &[], "--env A");
}

fn with_volume(volume: Value, access: &str) -> Value {
    json!({
        "volumes": [volume],
        "capabilities": { "filesystem": [{ "volume": "v", "path": "/data", "access": access }] },
    })
}

#[test]
fn an_empty_directory_is_made_and_goes_with_the_volumes() {
    let morph = valid(with_volume(json!({ "name": "v", "emptyDir": {} }), "ReadWrite"));
    let volumes = Volumes::new(&morph, &[]).unwrap();
    let made = task(
        &morph,
        &Local { kind: Kind::Command, port: None, values: &[], sources: &Sources::default(), files: None },
        &volumes,
    )
    .unwrap();
    let directory = made.preopens[0].directory.clone();
    assert_eq!((made.preopens[0].path.as_str(), made.preopens[0].access), ("/data", Access::ReadWrite));
    assert!(directory.is_dir());
    drop(volumes);
    assert!(!directory.exists());
}

#[test]
fn any_other_volume_needs_a_directory() {
    let claim = json!({ "name": "v", "persistentVolumeClaim": { "claimName": "c" } });
    let spec = with_volume(claim, "ReadOnly");
    check_refused(spec.clone(), &[], &[], "give a directory for it: --volume v=DIR");
    check_refused(spec.clone(), &[], &[("v", "/nowhere/at/all")], "--volume v=/nowhere/at/all");
    let file = tempfile::NamedTempFile::new().unwrap();
    check_refused(spec.clone(), &[], &[("v", file.path().to_str().unwrap())], "not a directory");
    let directory = tempfile::tempdir().unwrap();
    let task = made(spec, &[], &[("v", directory.path().to_str().unwrap())]).unwrap();
    assert_eq!(task.preopens[0].directory, directory.path().canonicalize().unwrap());
    assert_eq!(task.preopens[0].access, Access::ReadOnly);
}

#[test]
fn a_volume_that_is_not_granted_is_not_given() {
    let ungranted = json!({ "volumes": [{ "name": "v", "emptyDir": {} }] });
    assert_eq!(made(ungranted.clone(), &[], &[]).unwrap().preopens, []);
    check_refused(ungranted, &[], &[("v", "/")], "--volume v: capabilities.filesystem grants no such volume");
}

#[test]
fn a_server_listens_on_loopback_with_the_morphs_own_patience() {
    let spec = json!({
        "http": { "port": 9000, "lameDuckSeconds": 1 },
        "template": { "terminationGracePeriodSeconds": 7 },
    });
    let Run::Server(http) = made_as(Kind::Server, spec, &[], &[]).unwrap().run else { unreachable!() };
    assert!(http.address.is_loopback());
    assert_eq!((http.port, http.lame_duck_seconds, http.grace_period_seconds), (9000, 1, 7));
    let morph = valid(json!({}));
    let volumes = Volumes::new(&morph, &[]).unwrap();
    let sources = Sources::default();
    let local = Local { kind: Kind::Server, port: Some(0), values: &[], sources: &sources, files: None };
    let Run::Server(http) = task(&morph, &local, &volumes).unwrap().run else { unreachable!() };
    assert_eq!(http.port, 0);
}

#[test]
fn fields_of_the_other_type_are_refused() {
    check_refused(json!({ "http": { "port": 9000 } }), &[], &[], "spec.http: the component is a Command");
    let error = made_as(Kind::Server, json!({ "run": { "backoffLimit": 1 } }), &[], &[]).unwrap_err();
    assert!(error.to_string().contains("spec.run: the component is a Server"), "{error}");
}

#[test]
fn the_memory_limit_is_the_guests() {
    let task = made(json!({ "limits": { "memory": "64Mi" } }), &[], &[]).unwrap();
    assert_eq!(task.limits.memory_bytes, Some(64 << 20));
}

#[test]
fn every_grant_of_the_yaml_is_the_operators_own() {
    let spec = json!({
        "config": [{ "key": "units", "value": "metric" }],
        "capabilities": { "logging": {}, "http": { "allow": [{ "host": "a.test", "pathPrefixes": ["/"] }] } },
        "limits": { "memory": "64Mi", "cpuPerCallMillis": 7 },
        "withhold": ["Exit"],
    });
    let task = made(spec.clone(), &[], &[]).unwrap();
    assert_eq!(task.grants, grants(valid(spec.clone()).spec()));
    assert_eq!(task.limits, limits(valid(spec).spec()));
    assert!(task.grants.http.is_some() && task.grants.logging && task.node_addresses.is_empty());
}

#[test]
fn a_reference_takes_the_key_of_a_directory_unless_a_value_is_given() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("city"), "Faro").unwrap();
    std::fs::write(directory.path().join("raw"), [0xff]).unwrap();
    let given_to = |key: &str, values: &[(&str, &str)]| {
        let morph = valid(by_reference("C", json!({ "secretKeyRef": { "name": "s", "key": key } })));
        let secrets = given(&[("s", directory.path().to_str().unwrap())]);
        let sources = Sources::new(morph.spec(), &[], &secrets).unwrap();
        let volumes = Volumes::new(&morph, &[]).unwrap();
        let values = given(values);
        let local =
            Local { kind: Kind::Command, port: None, values: &values, sources: &sources, files: None };
        task(&morph, &local, &volumes).map(|task| task.env)
    };
    assert_eq!(given_to("city", &[]).unwrap(), given(&[("C", "Faro")]));
    assert_eq!(given_to("city", &[("C", "Porto")]).unwrap(), given(&[("C", "Porto")]));
    for (key, want) in [("none", "give a value: --env C="), ("raw", "is no text")] {
        let error = format!("{:#}", given_to(key, &[]).unwrap_err());
        assert!(error.contains(want), "{error}");
    }
}

/// What is in the directory that a grant of `v` with this `subPath` gives.
fn beneath(volume: &std::path::Path, sub_path: &str, access: &str) -> Result<Vec<String>> {
    let morph = valid(json!({
        "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "c" } }],
        "capabilities": { "filesystem": [
            { "volume": "v", "path": "/v", "subPath": sub_path, "access": access }] },
    }));
    let volumes = Volumes::new(&morph, &given(&[("v", volume.to_str().unwrap())]))?;
    let sources = Sources::default();
    let local = Local { kind: Kind::Command, port: None, values: &[], sources: &sources, files: None };
    let task = task(&morph, &local, &volumes)?;
    let listed = std::fs::read_dir(&task.preopens[0].directory).unwrap();
    Ok(listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
}

#[test]
fn a_sub_path_that_is_missing_is_made_where_it_may_be_written() {
    let volume = tempfile::tempdir().unwrap();
    assert!(beneath(volume.path(), "a/b", "ReadOnly").is_err());
    assert_eq!(beneath(volume.path(), "a/b", "ReadWrite").unwrap(), Vec::<String>::new());
    std::fs::write(volume.path().join("a/b/kept"), "").unwrap();
    assert_eq!(beneath(volume.path(), "a/b", "ReadWrite").unwrap(), ["kept"]);
}

#[test]
fn a_sub_path_is_a_directory_of_the_volume_and_no_link_leads_there() {
    let outer = tempfile::tempdir().unwrap();
    let volume = outer.path().join("volume");
    std::fs::create_dir_all(volume.join("a/b")).unwrap();
    std::fs::create_dir_all(outer.path().join("secret")).unwrap();
    std::fs::write(volume.join("a/b/inside"), "").unwrap();
    std::fs::write(volume.join("file"), "").unwrap();
    for (link, target) in [("out", "../secret"), ("in", "a"), ("a/up", "..")] {
        std::os::unix::fs::symlink(target, volume.join(link)).unwrap();
    }
    assert_eq!(beneath(&volume, "a/b", "ReadOnly").unwrap(), ["inside"]);
    for (wrong, access) in
        ["out", "in/b", "a/up", "file"].into_iter().zip(["ReadOnly", "ReadWrite"].iter().cycle())
    {
        let error = format!("{:#}", beneath(&volume, wrong, access).unwrap_err());
        assert!(error.contains(&format!("volume v: subPath {wrong} is no directory")), "{error}");
    }
    assert!(!outer.path().join("secret/b").exists(), "nothing was made on the way out");
}

#[test]
fn a_plug_gets_its_own_and_main_nothing_of_it() {
    let spec = json!({
        "env": [{ "name": "MAIN", "value": "1" }],
        "volumes": [{ "name": "v", "emptyDir": {} }],
        "plugs": [{
            "name": "helper", "image": "a.test/p:1", "withhold": ["Random"],
            "env": [{ "name": "PLUG", "valueFrom": { "configMapKeyRef": { "name": "w", "key": "k" } } }],
            "capabilities": { "filesystem": [{ "volume": "v", "path": "/v" }], "logging": {} },
        }],
    });
    let task = made(spec.clone(), &[("helper/PLUG", "2")], &[]).unwrap();
    assert_eq!(task.env, given(&[("MAIN", "1")]));
    assert!(task.preopens.is_empty() && !task.grants.logging && task.grants.withheld.is_empty());
    let [helper] = &task.plugs[..] else { unreachable!("{:?}", task.plugs) };
    assert_eq!((helper.name.as_str(), &helper.env), ("helper", &given(&[("PLUG", "2")])));
    assert_eq!((helper.preopens.len(), helper.grants.logging, helper.grants.withheld.len()), (1, true, 1));
    check_refused(spec.clone(), &[], &[], "give a value: --env helper/PLUG=VALUE");
    check_refused(spec.clone(), &[("PLUG", "2")], &[], "--env PLUG: the Morph takes no such variable");
    check_refused(spec, &[("helper/PLUG", "2"), ("other/A", "1")], &[], "spec.plugs has no plug other");
}
