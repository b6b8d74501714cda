//! Documents of several components: whose variables, directories, digests and imports are whose.

use super::*;
use morph_grant::{EnvReference, Link};

const EMPTY_DIR: &str = "/var/lib/kubelet/pods/u1/volumes/kubernetes.io~empty-dir/data";

const TIME: &str = "acme:a/time@1.0.0";

fn plug(name: &str) -> Component {
    Component {
        name: name.into(),
        manifest: Digest::of(format!("manifest of {name}").as_bytes()),
        content: Digest::of(format!("content of {name}").as_bytes()),
        grants: Grants::default(),
        limits: Limits::default(),
        links: Vec::new(),
        env: Vec::new(),
        env_references: Vec::new(),
    }
}

/// The sample with a plug `clock`, which says what time it is.
fn with_plug() -> Document {
    let mut document = document();
    document.components[0].links = vec![Link { interface: TIME.parse().unwrap(), to: "clock".into() }];
    document.components.push(plug("clock"));
    document
}

/// A world that exports this and imports that.
fn clock(imports: &[&str]) -> World {
    world(TIME, imports)
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

#[track_caller]
fn refused(document: &Document, worlds: &[&World], code: u8, words: &str) {
    let outcome = Case::new(document).decide().unwrap().task(worlds).unwrap_err();
    let message = outcome.message.unwrap();
    assert!(outcome.code == code && message.contains(words), "{words} is not in {message}");
}

#[test]
fn each_part_has_its_own_manifest_and_bytes_and_what_is_wrong_names_it() {
    let decision = Case::new(&with_plug()).decide().unwrap();
    let [main, plug] = &decision.components()[..] else { panic!("{decision:?}") };
    assert_eq!((main.part.as_deref(), plug.part.as_deref()), (Some("main"), Some("clock")));
    assert_eq!(main.source, Source::Manifest(Digest::of(b"manifest")));
    assert_eq!(plug.source, Source::Manifest(Digest::of(b"manifest of clock")));
    plug.check_content(&Digest::of(b"content of clock")).unwrap();
    // Neither other bytes nor the other part's.
    for forged in [Digest::of(b"forged"), Digest::of(b"content")] {
        let outcome = plug.own(plug.check_content(&forged).unwrap_err());
        assert_eq!(outcome.code, code::GRANT_REFUSED);
        let message = outcome.message.unwrap();
        assert!(message.starts_with("part clock: grant refused: ") && message.contains(&forged.hex()));
    }
}

#[test]
fn a_component_that_is_alone_is_no_part_in_any_message() {
    let decision = Case::new(&document()).decide().unwrap();
    let alone = &decision.components()[0];
    assert_eq!(alone.part, None);
    let outcome = alone.own(alone.check_content(&Digest::of(b"forged")).unwrap_err());
    assert!(outcome.message.unwrap().starts_with("grant refused: "));
    assert_eq!(alone.say("busy".into()), "busy");
}

#[test]
fn a_plugs_variables_reach_no_other_part_whatever_a_prefix_says() {
    let env = vec!["A=1", "HAYRIDE_PLUG_0_KEY=secret", "HAYRIDE_PLUG_1_KEY=nobody's", "HAYRIDE_PLUG_=odd"];
    for prefix in ["", "HAYRIDE_", "HAYRIDE_PLUG_", "HAYRIDE_PLUG_0_KEY"] {
        let mut document = with_plug();
        document.env.clear();
        document.env_prefixes = vec![prefix.into()];
        let variable = "HAYRIDE_PLUG_0_KEY".into();
        document.components[1].env_references = vec![EnvReference { name: "KEY".into(), variable }];
        document.components.push(plug("other"));
        let task = Case { env: env.clone(), ..Case::new(&document) }.granted().task;
        let main = if prefix.is_empty() { pairs(&[("A", "1")]) } else { Vec::new() };
        assert_eq!(task.env, main, "{prefix}");
        assert_eq!(task.plugs[0].env, pairs(&[("KEY", "secret")]), "{prefix}");
        assert_eq!(task.plugs[1].env, [], "{prefix}");
    }
}

#[test]
fn a_pods_own_variables_are_nobodys_even_without_plugs() {
    let mut document = document();
    document.env.clear();
    document.env_prefixes = vec![String::new()];
    let task = Case { env: vec!["HAYRIDE_PLUG_0_KEY=secret"], ..Case::new(&document) }.granted().task;
    assert_eq!(task.env, []);
}

#[test]
fn a_composition_has_a_plan_labels_and_plugs_in_one_order() {
    let mut document = with_plug();
    document.components.push(plug("zone"));
    document.components[1].links =
        vec![Link { interface: "acme:a/zone".parse().unwrap(), to: "zone".into() }];
    let decision = Case::new(&document).decide().unwrap();
    let worlds = [
        world(COMMAND, &[TIME, "wasi:cli/environment@0.2.0"]),
        clock(&["acme:a/zone", "wasi:clocks/wall-clock@0.2.0"]),
        world("acme:a/zone", &[]),
    ];
    let (task, plan) = decision.task(&worlds.each_ref()).unwrap();
    let plan = plan.unwrap();
    let plugs: Vec<_> = task.plugs.iter().map(|plug| plug.name.as_str()).collect();
    assert_eq!(plugs, ["clock", "zone"]);
    assert!(plan.parts.iter().skip(1).map(|part| part.name.as_str()).eq(plugs));
    assert!(plan.labels().eq(task.labels.iter().cloned()));
    let labels: Vec<_> =
        task.labels.iter().map(|label| (label.part, label.interface.interface.as_str())).collect();
    assert_eq!(labels, [(0, "environment"), (1, "wall-clock")]);
}

#[test]
fn links_that_do_not_fit_the_parts_are_refused() {
    let (main, time) = (world(COMMAND, &[TIME]), clock(&[]));
    let document = with_plug();
    Case::new(&document).decide().unwrap().task(&[&main, &time]).unwrap();
    let other = world("acme:a/other@1.0.0", &[]);
    refused(&document, &[&main, &other], code::GRANT_REFUSED, "its links don't fit its parts");
    let idle = world(COMMAND, &[]);
    refused(&document, &[&idle, &time], code::GRANT_REFUSED, "its links don't fit its parts");
    let mut unlinked = document.clone();
    unlinked.components[0].links.clear();
    refused(&unlinked, &[&main, &time], code::GRANT_REFUSED, "nothing uses clock");
}

#[test]
fn an_import_that_a_part_may_not_use_names_the_part() {
    let mut document = with_plug();
    let (config, denied) = ("wasi:config/store@0.2.0-rc.1", code::IMPORT_DENIED);
    document.components[0].grants.config = with(Capability::Config).components[0].grants.config.clone();
    let main = world(COMMAND, &[TIME, config]);
    let plain = clock(&[]);
    Case::new(&document).decide().unwrap().task(&[&main, &plain]).unwrap();
    let asking = clock(&[config]);
    let words = format!("part clock: import {config} is not granted: no config");
    refused(&document, &[&main, &asking], denied, &words);
    // What the plug has is not the main component's either.
    document.components[1].grants = std::mem::take(&mut document.components[0].grants);
    let words = format!("part main: import {config} is not granted: no config");
    refused(&document, &[&main, &asking], denied, &words);
}

#[test]
fn the_first_component_is_the_one_that_is_run() {
    let (main, time) = (world(SERVER, &[TIME]), clock(&[]));
    refused(&with_plug(), &[&main, &time], code::BAD_COMPONENT, "");
}

#[test]
fn a_plug_uses_the_network_as_little_as_others_where_it_is_the_nodes() {
    for (capability, words) in
        [(Capability::Http, "grant: capabilities.http"), (Capability::Sockets, "capabilities.sockets")]
    {
        let mut document = with_plug();
        document.components[1].grants = with(capability).components[0].grants.clone();
        Case { host_network: true, ..Case::new(&document) }.refused(words);
    }
}

#[test]
fn files_of_names_come_along_with_a_plugs_grant_of_the_network() {
    let mut document = with_plug();
    let mounts = vec![bind("/etc/hosts", "/var/lib/kubelet/pods/u1/etc-hosts", &["rw"])];
    let targets = |document: &Document| {
        let volumes = Case { mounts: mounts.clone(), ..Case::new(document) }.granted().volumes;
        volumes.into_iter().map(|volume| volume.target).collect::<Vec<_>>()
    };
    assert!(targets(&document).is_empty());
    document.components[1].grants = with(Capability::Http).components[0].grants.clone();
    assert_eq!(targets(&document), ["/etc/hosts"]);
}

/// A file system grant of the volume `data`.
fn granted_at(path: &str, sub_path: Option<&str>, access: Access) -> FilesystemGrant {
    let sub_path = sub_path.map(Into::into);
    FilesystemGrant { volume: "data".into(), path: path.into(), sub_path, access }
}

#[test]
fn a_volume_of_several_parts_is_mounted_once_and_each_has_its_own_access() {
    let mut document = with_volume(VolumeKind::EmptyDir);
    document.components.push(plug("clock"));
    document.components[0].grants.filesystem = vec![granted_at("/d", None, Access::ReadOnly)];
    document.components[1].grants.filesystem = vec![granted_at("/own", None, Access::ReadWrite)];
    let granted = Case::mounted(&document, EMPTY_DIR, &["rw"]).granted();
    let found: Vec<_> = granted.volumes.iter().map(|v| (v.target.as_str(), v.read_only)).collect();
    assert_eq!(found, [("/volumes/data", false)], "the plug writes there");
    let of = |preopens: &[morph_host::Preopen]| {
        preopens.iter().map(|p| (p.path.clone(), p.directory.clone(), p.access)).collect::<Vec<_>>()
    };
    let directory = PathBuf::from("/volumes/data");
    assert_eq!(of(&granted.task.preopens), [("/d".to_owned(), directory.clone(), Access::ReadOnly)]);
    assert_eq!(of(&granted.task.plugs[0].preopens), [("/own".to_owned(), directory, Access::ReadWrite)]);
}

#[test]
fn directories_of_volumes_are_each_parts_own_and_made_before_they_are_only_read() {
    let mut document = with_volume(VolumeKind::EmptyDir);
    document.components.push(plug("clock"));
    document.components[0].grants.filesystem = vec![granted_at("/d", Some("a"), Access::ReadOnly)];
    document.components[1].grants.filesystem =
        vec![granted_at("/w", None, Access::ReadOnly), granted_at("/d", Some("a"), Access::ReadWrite)];
    let granted = Case::mounted(&document, EMPTY_DIR, &["rw"]).granted();
    let found: Vec<_> = granted.volumes.iter().map(|v| (v.target.as_str(), v.read_only)).collect();
    assert_eq!(found, [("/volumes/data", false), ("/sub-paths/2", false), ("/sub-paths/0", true)]);
    let plug = &granted.task.plugs[0];
    let directories: Vec<_> = granted.task.preopens.iter().chain(&plug.preopens).collect();
    let directories: Vec<_> = directories.iter().map(|p| p.directory.to_str().unwrap()).collect();
    assert_eq!(directories, ["/sub-paths/0", "/volumes/data", "/sub-paths/2"]);
}

#[test]
fn a_volume_that_a_plug_alone_uses_is_held_against_the_pod_as_well() {
    let mut document = with_volume(VolumeKind::EmptyDir);
    document.components.push(plug("clock"));
    document.components[1].grants.filesystem = std::mem::take(&mut document.components[0].grants.filesystem);
    assert_eq!(Case::mounted(&document, EMPTY_DIR, &["rw"]).granted().volumes.len(), 1);
    Case::mounted(&document, "/etc", &[]).refused("is mounted there");
    Case::new(&document).refused("volume data is not mounted at");
}
