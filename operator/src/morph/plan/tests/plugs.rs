//! Pods of Morphs with plugs: goldens, the order of plugs in the YAML, and that no part gets another's
//! rights.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::{check_file, document, golden, render};
use crate::morph::fixture::{morph, planned, seen_whole, server, world};
use crate::morph::{Object, Seen, grants, part_grants, validate};
use morph_component::World;
use morph_crds::{MorphSpec, Plug, ValidMorph};
use morph_grant::{Document, Grants};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

const NOW: &str = "acme:clock/now@0.1.0";
const ASK: &str = "acme:weather/ask@1.0.0";

fn main_world() -> World {
    let mut world = server();
    world.imports.insert(0, ASK.parse().unwrap());
    world
}

fn plugs() -> [(&'static str, World); 2] {
    let client = world(&[NOW, "wasi:cli/environment@0.2.3", "wasi:http/outgoing-handler@0.2.3"], &[ASK]);
    [("http-client", client), ("clock", world(&["wasi:clocks/wall-clock@0.2.3"], &[NOW]))]
}

fn check_golden_of(name: &str, main: World, plugs: &[(&str, World)]) {
    let spec = std::fs::read_to_string(golden(name).join("spec.yaml")).unwrap();
    let plan = planned(&seen_whole(morph(&spec), main, plugs));
    check_file(&golden(name).join("plan.yaml"), &render(&plan));
}

#[test]
fn a_server_with_plugs_has_their_images_as_volumes_and_a_grant_for_each() {
    check_golden_of("plugs", main_world(), &plugs());
}

#[test]
fn a_command_with_a_plug_has_its_image_as_a_volume() {
    let main = world(&[NOW, "wasi:cli/stdout@0.2.3"], &["wasi:cli/run@0.2.3"]);
    check_golden_of("plugs-command", main, &plugs()[1..]);
}

fn golden_spec() -> String {
    std::fs::read_to_string(golden("plugs").join("spec.yaml")).unwrap()
}

fn whole(change: impl FnOnce(&mut MorphSpec)) -> Seen {
    let mut morph = morph(&golden_spec());
    change(&mut morph.spec);
    seen_whole(morph, main_world(), &plugs())
}

fn template(seen: &Seen) -> Value {
    let plan = planned(seen);
    let deployment = plan.apply.iter().find(|object| matches!(object, Object::Deployment(_))).unwrap();
    deployment.to_value()
}

fn document_of(seen: &Seen) -> Document {
    document(&validate(seen).unwrap().envelope)
}

#[test]
fn the_order_of_plugs_and_links_moves_nothing() {
    let turned = whole(|spec| spec.plugs.reverse());
    let straight = whole(|_| ());
    assert_eq!(template(&turned), template(&straight), "not even the workload's annotations");
    assert_eq!(document_of(&turned), document_of(&straight));
    let within = whole(|spec| spec.plugs.iter_mut().for_each(|plug| plug.env.reverse()));
    let pods = |seen: &Seen| template(seen).pointer("/spec/template").cloned();
    assert_eq!(pods(&within), pods(&straight));
}

#[test]
fn another_image_of_a_plug_rolls_the_pods() {
    let (old, new) =
        (whole(|_| ()), whole(|spec| spec.plugs[1].image = "registry.test/team/clock:0.2".into()));
    let pods = |seen: &Seen| template(seen).pointer("/spec/template").cloned();
    assert_ne!(pods(&old), pods(&new));
    let annotation = |seen: &Seen| template(seen)["metadata"]["annotations"]["hayride.dev/spec"].clone();
    assert_ne!(annotation(&old), annotation(&new), "its tag is resolved anew");
}

#[test]
fn a_plugs_image_is_mounted_for_reading_where_no_guest_looks() {
    let pod = template(&whole(|_| ())).pointer("/spec/template/spec").cloned().unwrap();
    let volumes = pod["volumes"].as_array().unwrap();
    let images: Vec<_> = volumes.iter().filter(|volume| !volume["image"].is_null()).collect();
    assert_eq!(images.len(), 2);
    for volume in images {
        let name = volume["name"].as_str().unwrap().strip_prefix("hayride-plug-").unwrap();
        let reference = volume["image"]["reference"].as_str().unwrap();
        assert!(reference.starts_with(&format!("registry.test/team/{name}@sha256:")), "{reference}");
        assert_eq!(volume["image"]["pullPolicy"], pod["containers"][0]["imagePullPolicy"]);
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["name"] == volume["name"]).unwrap();
        let path = format!("/run/hayride.dev/plugs/{name}");
        assert_eq!(*mount, json!({ "name": volume["name"], "mountPath": path, "readOnly": true }));
    }
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1, "no container for a plug");
}

#[test]
fn a_volume_that_one_part_writes_another_still_only_reads() {
    let document = document_of(&whole(|_| ()));
    let mount = document.mounts.iter().find(|mount| mount.volume == "cache").unwrap();
    assert!(!mount.read_only, "the container's mount is of what any part may");
    let access =
        |index: usize| document.components[index].grants.filesystem.iter().find(|g| g.volume == "cache");
    assert_eq!(access(0).unwrap().access, morph_grant::Access::ReadOnly);
    assert_eq!(access(2).unwrap().access, morph_grant::Access::ReadWrite);
    assert!(access(1).is_none());
}

#[test]
fn variables_by_reference_are_each_parts_own() {
    let seen = whole(|_| ());
    let env = template(&seen).pointer("/spec/template/spec/containers/0/env").cloned().unwrap();
    let listed: Vec<_> =
        env.as_array().unwrap().iter().map(|var| (&var["name"], &var["valueFrom"])).collect();
    let secret = |name: &str, optional: Value| {
        let mut key = json!({ "name": name, "key": "token" });
        if optional == true {
            key["optional"] = optional;
        }
        json!({ "secretKeyRef": key })
    };
    let (own, theirs) = (secret("own", json!(null)), secret("theirs", json!(true)));
    assert_eq!(listed, [(&json!("HAYRIDE_PLUG_2/TOKEN"), &theirs), (&json!("TOKEN"), &own)]);
    let document = document_of(&seen);
    assert_eq!(document.env_references, ["TOKEN"]);
    let client = &document.components[2];
    assert_eq!(client.env_references[0].name, "TOKEN");
    assert_eq!(client.env_references[0].variable, "HAYRIDE_PLUG_2/TOKEN");
    assert_eq!((client.env[0].name.as_str(), client.env[0].value.as_str()), ("AGENT", "hello $(TOKEN)"));
    assert!(document.components[0].env.is_empty() && document.components[1].env.is_empty());
}

/// The kubelet keeps what `envFrom` brings under a name whose own optional source is missing: who may write a
/// ConfigMap that the Morph takes whole must not choose a plug's variable by it.
#[test]
fn nothing_that_env_from_brings_is_called_as_a_plugs_variable() {
    let seen = whole(|_| ());
    let document = document_of(&seen);
    let references = document.components.iter().flat_map(|component| &component.env_references);
    let variables: Vec<_> = references.map(|reference| reference.variable.clone()).collect();
    assert!(!variables.is_empty());
    // What the API server takes for a key of a ConfigMap or a Secret.
    let is_key = |text: &str| {
        text.len() <= 253 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
    };
    let is_allowed = |prefix: &str| {
        let from = json!([{ "prefix": prefix, "configMapRef": { "name": "all" } }]);
        let mut morph = (*seen.morph).clone();
        morph.spec.env_from = serde_json::from_value(from).unwrap();
        ValidMorph::new(&morph).is_ok()
    };
    assert!(is_allowed("") && is_allowed("HAYRIDE_"), "only a whole reserved word is refused");
    for variable in &variables {
        let splits = (0..variable.len()).map(|at| variable.split_at(at));
        let found: Vec<_> = splits.filter(|(prefix, key)| is_key(key) && is_allowed(prefix)).collect();
        assert_eq!(found, [], "{variable}");
    }
}

/// What a part may be granted, as its fields; `NAME` is replaced by something of the part's own.
const RIGHTS: [&str; 7] = [
    "env: [{name: NAME, value: v}]",
    "config: [{key: NAME, value: v}]",
    "withhold: [Exit]",
    "http: {allow: [{host: NAME.example, pathPrefixes: [/]}]}",
    "sockets: {connect: [{host: NAME.test, ports: [5432]}]}",
    "keyvalue: [{bucket: NAME, memory: {maxBytes: 1Mi}}]",
    "filesystem: [{volume: v, path: /NAME}]",
];

/// The fields of one part, each named after the part.
fn fields(name: &str, rights: &[&str], indent: &str) -> String {
    let named: Vec<_> = rights.iter().map(|right| right.replace("NAME", name)).collect();
    let (own, inner): (Vec<_>, Vec<_>) = named
        .into_iter()
        .partition(|right| ["env", "config", "withhold"].iter().any(|f| right.starts_with(f)));
    let own: String = own.iter().map(|right| format!("{indent}{right}\n")).collect();
    format!("{own}{indent}capabilities: {{{}}}\n", inner.join(", "))
}

fn any_rights() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(RIGHTS.to_vec(), 0..=RIGHTS.len())
}

/// The grants of a Morph that consists of this part alone.
fn alone(spec: &MorphSpec, part: Option<&Plug>) -> Grants {
    let mut alone = MorphSpec { plugs: Vec::new(), links: Vec::new(), ..spec.clone() };
    if let Some(plug) = part {
        alone.args = Vec::new();
        alone.env = plug.env.clone();
        alone.env_from = Vec::new();
        alone.config = plug.config.clone();
        alone.capabilities = plug.capabilities.clone();
        alone.withhold = plug.withhold.clone();
    }
    grants(&alone)
}

proptest! {
    /// Whatever the parts of a Morph are granted: each part's grant is what it would have alone, nothing of
    /// another's name is in it, and the order of plugs changes nothing.
    #[test]
    fn no_part_gets_another_parts_rights(
        parts in prop::collection::vec(any_rights(), 2..5),
        turn in select(vec![0_usize, 1, 2]),
    ) {
        let names = ["hello", "quagga", "wombat", "zebra"];
        let mut text = "image: r.test/hello:1\nvolumes: [{name: v, emptyDir: {}}]\n".to_owned();
        text += &fields("hello", &parts[0], "");
        text += "plugs:\n";
        for (name, rights) in names.iter().zip(&parts).skip(1) {
            text += &format!("- name: {name}\n  image: r.test/{name}:1\n{}", fields(name, rights, "  "));
        }
        let mut morph = morph(&text);
        let count = morph.spec.plugs.len();
        let named = names.iter().skip(1).take(count);
        let ids: Vec<_> = named.map(|name| format!("acme:{name}/x@1.0.0")).collect();
        let imports: Vec<_> = ids.iter().map(String::as_str).collect();
        let worlds: Vec<_> =
            names.iter().skip(1).zip(&ids).map(|(name, id)| (*name, world(&[], &[id.as_str()]))).collect();
        let main = world(&imports, &["wasi:cli/run@0.2.3"]);
        let straight = document_of(&seen_whole(morph.clone(), main.clone(), &worlds));
        morph.spec.plugs.rotate_left(turn % count);
        let seen = seen_whole(morph.clone(), main, &worlds);
        let document = document_of(&seen);
        prop_assert_eq!(&document, &straight);
        planned(&seen);
        for component in &document.components {
            let plug = morph.spec.plugs.iter().find(|plug| plug.name == component.name);
            let part = morph.spec.parts().find(|part| part.name == component.name);
            let part = part.unwrap_or(morph.spec.main());
            prop_assert_eq!(&component.grants, &part_grants(&morph.spec, &part));
            let mut wanted = alone(&morph.spec, plug);
            wanted.environment = component.grants.environment;
            prop_assert_eq!(&component.grants, &wanted);
            if let Some(plug) = plug {
                prop_assert_eq!(component.grants.environment, !plug.env.is_empty());
            }
            let own = serde_json::to_string(&(&component.grants, &component.env)).unwrap();
            for other in names.iter().filter(|name| **name != component.name) {
                prop_assert!(!own.contains(other), "{} in {}", other, own);
            }
        }
    }
}

#[test]
fn the_schema_has_the_words_of_grants_and_plans() {
    assert_eq!(morph_crds::PLUG_VARIABLE_PREFIX, morph_grant::PLUG_VARIABLE_PREFIX);
    assert_eq!((morph_crds::MAIN, morph_crds::HOST), (morph_component::MAIN, morph_component::HOST));
}
