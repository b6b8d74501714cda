//! `morph run` and `morph compose` with plugs: each part has what its place in the YAML grants, and nothing
//! of another's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use support::{Desk, Ended, guest, morph};

/// The main component, and a plug that does what it is told; `spec` is the rest of the Morph, `plug` of the
/// plug.
fn desk(spec: &str, plug: &str) -> Desk {
    let comma = if plug.is_empty() { "" } else { ", " };
    let spec = format!("{spec}, plugs: [{{ name: helper, image: \"registry.invalid/p:1\"{comma}{plug} }}]");
    Desk::new("part-main", &spec)
}

fn helper() -> String {
    format!("helper={}", guest("part-plug").display())
}

fn run(desk: &Desk, args: &[&str]) -> Ended {
    let plug = helper();
    desk.run(&[&["--plug", &plug][..], args].concat())
}

#[test]
fn each_part_sees_its_own_variables() {
    let own = "env: [{ name: MAIN, value: \"1\" }]";
    let plug = "env: [{ name: PLUG, value: \"2\" }, \
                { name: KEY, valueFrom: { secretKeyRef: { name: s, key: k } } }]";
    for (who, want) in [("self", "MAIN=1\n"), ("plug", "KEY=given,PLUG=2\n")] {
        let ended = run(&desk(&format!("args: [{who}, env], {own}"), plug), &["--env", "helper/KEY=given"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (0, want), "{who}: {ended:?}");
    }
}

#[test]
fn each_part_has_its_own_directories() {
    let claim = "volumes: [{ name: data, persistentVolumeClaim: { claimName: c } }]";
    let grant = "capabilities: { filesystem: [{ volume: data, path: /data }] }";
    for (who, has, spec, plug, code) in [
        ("self", "main", grant, "", 0),
        ("plug", "main", grant, "", 1),
        ("self", "the plug", "replicas: 1", grant, 1),
        ("plug", "the plug", "replicas: 1", grant, 0),
    ] {
        let desk = desk(&format!("args: [{who}, read, /data/file], {claim}, {spec}"), plug);
        std::fs::write(desk.directory("data").join("file"), "text").unwrap();
        let volume = format!("data={}", desk.directory("data").display());
        let ended = run(&desk, &["--volume", &volume]);
        assert_eq!(ended.code, code, "{who}, {has} has the grant: {ended:?}");
        assert_eq!(ended.stdout.contains("text"), code == 0, "{who}: {ended:?}");
    }
}

#[test]
fn what_does_not_fit_is_said_before_anything_runs() {
    let linked = |link: &str| format!("args: [count], links: [{link}]");
    let host = "{ from: main, interface: \"acme:parts/work\", to: host }";
    let other = "{ from: main, interface: \"acme:parts/none\", to: helper }";
    for (spec, args, want) in [
        ("args: [count]".to_owned(), vec!["--plug", "none=/x"], "spec.plugs has no such plug"),
        ("args: [count]".to_owned(), vec!["--env", "none/A=1"], "spec.plugs has no plug none"),
        ("args: [count]".to_owned(), vec!["--env", "helper/A=1"], "the plug takes no such variable"),
        (linked(host), vec![], "the host doesn't know acme:parts/work"),
        (linked(other), vec![], "main doesn't import acme:parts/none"),
    ] {
        let ended = run(&desk(&spec, ""), &args);
        assert!(ended.code != 0 && ended.stdout.is_empty(), "{ended:?}");
        assert!(ended.stderr.contains(want), "{want}: {}", ended.stderr);
    }
}

#[test]
fn a_plug_of_another_type_is_refused_before_anything_is_composed_or_runs() {
    let desk = desk("args: [count]", "");
    let exports =
        ["work", "handles"].map(|name| format!("(export \"acme:parts/{name}@0.1.0\" (instance $i))"));
    let empty = wat::parse_str(format!("(component (instance $i) {})", exports.concat())).unwrap();
    let file = desk.directory("other").join("plug.wasm");
    std::fs::write(&file, empty).unwrap();
    let plug = format!("helper={}", file.display());
    let words = "the parts can't be composed: main imports acme:parts/";
    let runs = desk.run(&["--plug", &plug]);
    assert!(runs.code != 0 && runs.stdout.is_empty() && runs.stderr.contains(words), "{runs:?}");
    let mut command = morph();
    command
        .arg("compose")
        .arg(desk.file())
        .arg("--component")
        .arg(guest("part-main"))
        .args(["--plug", &plug]);
    let composed: Ended = command.output().unwrap().into();
    assert!(composed.code != 0 && composed.stderr.contains("act isn't there, and func("), "{composed:?}");
    assert!(composed.stderr.contains(words), "{composed:?}");
}

#[test]
fn a_plug_without_a_right_keeps_the_whole_from_starting() {
    let ended = run(&desk("args: [count]", "withhold: [Clocks]"), &[]);
    assert_eq!(ended.code, 126, "{ended:?}");
    assert!(ended.stderr.contains("helper"), "the part is named: {}", ended.stderr);
}

#[test]
fn the_composition_is_a_component_and_the_same_each_time() {
    let desk = desk("args: [count]", "");
    let compose = |name: &str| {
        let (out, yaml) = (desk.directory("out").join(name), desk.file());
        let (main, plug) = (guest("part-main"), helper());
        let mut command = morph();
        command.arg("compose").arg(&yaml).arg("--component").arg(&main).arg("--plug").arg(&plug);
        let ended: Ended = command.arg("--out").arg(&out).output().unwrap().into();
        assert_eq!(ended.code, 0, "{ended:?}");
        (ended.stdout, std::fs::read(out).unwrap())
    };
    let (said, first) = compose("one.wasm");
    assert_eq!((said.clone(), first.clone()), compose("two.wasm"));
    assert!(said.contains("acme:parts/work@0.1.0 <- helper's acme:parts/work@0.1.0"), "{said}");
    let world = morph_component::inspect(&first).unwrap();
    let is_labelled = |id: &morph_component::InterfaceId| id.to_string().starts_with(morph_component::LABELS);
    assert!(world.imports.iter().any(is_labelled), "{world:?}");
    assert!(!world.imports.iter().any(|id| id.is("wasi", "cli", "environment")), "{world:?}");
}

#[test]
fn without_plugs_there_is_nothing_to_compose() {
    let desk = Desk::new("command", "");
    let ended: Ended = morph().arg("compose").arg(desk.file()).output().unwrap().into();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("has no plugs"), "{}", ended.stderr);
}
