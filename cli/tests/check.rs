//! `morph check`: the operator's verdict on a file, and what would have to be granted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use support::{guest, run};

/// A Morph with this spec in YAML's flow style, in a file; what `morph check` says of it.
fn check(spec: &str, args: &[&str]) -> support::Ended {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("morph.yaml");
    let text = format!(
        "apiVersion: hayride.dev/v1alpha1\nkind: Morph\nmetadata: {{ name: desk }}\n\
         spec: {{ image: \"registry.invalid/x:1\", {spec} }}\n"
    );
    std::fs::write(&file, text).unwrap();
    run(&[&["check", file.to_str().unwrap()], args].concat())
}

#[test]
fn what_is_right_ends_with_zero_and_what_is_wrong_with_one() {
    for (spec, code, want) in [
        ("replicas: 1", 0, "nothing is wrong"),
        ("replicas: -1", 1, "spec.replicas: "),
        ("capabilities: { sockets: { lookup: [\"*.co.uk\"] } }", 1, "spec.capabilities.sockets.lookup[0]: "),
    ] {
        let ended = check(spec, &[]);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.stdout.contains(want), "{want}: {ended:?}");
    }
    let ended = check("replica: 1", &[]);
    assert!(ended.code == 1 && ended.stderr.contains("spec.replica: no such field"), "{ended:?}");
}

#[test]
fn a_component_is_judged_under_the_grants() {
    let component = guest("imports-http");
    let component = ["--component", component.to_str().unwrap()];
    let denied = check("replicas: 1", &component);
    assert!(denied.code == 1 && denied.stdout.contains("ImportDenied"), "{denied:?}");
    assert!(denied.stdout.contains("- { host: HOST, pathPrefixes: [/] }"), "{denied:?}");
    let granted = "capabilities: { http: { allow: [{ host: api.example, pathPrefixes: [/] }] } }";
    let runs = check(granted, &component);
    assert!(runs.code == 0 && runs.stdout.contains("Granted: capabilities.http"), "{runs:?}");
}

/// A Command that wants a `u64` of a clock, and a clock that gives this.
fn parts(core: &str, result: &str) -> [Vec<u8>; 2] {
    let main = "(component (import \"acme:clock/now@0.1.0\" (instance (export \"now\" (func (result u64))))) \
                (instance $i) (export \"wasi:cli/run@0.2.3\" (instance $i)))";
    let plug = format!(
        "(component (core module $m (func (export \"now\") (result {core}) {core}.const 0)) \
         (core instance $i (instantiate $m)) \
         (func $now (result {result}) (canon lift (core func $i \"now\"))) \
         (instance $x (export \"now\" (func $now))) (export \"acme:clock/now@0.1.0\" (instance $x)))"
    );
    [main, &plug].map(|text| wat::parse_str(text).unwrap())
}

#[test]
fn a_plug_that_exports_another_type_is_refused_with_both_types() {
    let directory = tempfile::tempdir().unwrap();
    let plugs = "plugs: [{ name: clock, image: \"registry.invalid/c:1\" }]";
    let said = |core: &str, result: &str| {
        let files = ["main.wasm", "clock.wasm"].map(|name| directory.path().join(name));
        for (file, bytes) in files.iter().zip(parts(core, result)) {
            std::fs::write(file, bytes).unwrap();
        }
        let [main, plug] = files.map(|file| file.to_str().unwrap().to_owned());
        check(plugs, &["--component", &main, "--plug", &format!("clock={plug}")])
    };
    let fits = said("i64", "u64");
    assert!(fits.code == 0 && fits.stdout.contains("Plug: clock"), "{fits:?}");
    let other = said("i32", "u32");
    let words = "Composed=False (TypeMismatch): spec.plugs[0].image: main imports acme:clock/now@0.1.0, and \
                 what clock exports by that name is of another type: now is func() -> u32 there, and func() \
                 -> u64 is wanted";
    assert!(other.code == 1 && other.stdout.contains(words), "{other:?}");
}

#[test]
fn a_suggestion_needs_no_morph() {
    let component = guest("imports-http");
    let ended = run(&["check", "--suggest", "--component", component.to_str().unwrap()]);
    assert!(ended.code == 0 && ended.stdout.contains("spec:\n  capabilities:\n    http:"), "{ended:?}");
    let none = run(&["check", "--suggest"]);
    assert!(none.code != 0 && none.stderr.contains("--component"), "{none:?}");
}

#[test]
fn every_example_is_right() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir())
    {
        let file = entry.unwrap().path().join("morph.yaml");
        let ended = run(&["check", file.to_str().unwrap()]);
        assert_eq!(ended.code, 0, "{}: {ended:?}", file.display());
        count += 1;
    }
    assert!(count >= 14, "{count}");
}

#[test]
fn an_example_grants_what_its_component_imports() {
    for (example, component) in [
        ("hello", "hello"),
        ("hello-p3", "hello-p3"),
        ("counter", "counter"),
        ("sockets", "sockets"),
        ("determinism", "command"),
        ("subpath", "command"),
    ] {
        let file = format!("{}/../examples/{example}/morph.yaml", env!("CARGO_MANIFEST_DIR"));
        let ended = run(&["check", &file, "--component", guest(component).to_str().unwrap()]);
        assert!(ended.code == 0 && ended.stdout.contains("runs as"), "{example}: {ended:?}");
    }
}

#[test]
fn denials_of_a_log_become_a_proposal() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    std::fs::write(&log, "denied by capabilities.sockets (lookup): db.example: no\n").unwrap();
    let ended = run(&["check", "--from-denials", log.to_str().unwrap()]);
    assert!(ended.code == 0 && ended.stdout.contains("- db.example"), "{ended:?}");
}

#[test]
fn a_policy_is_a_ceiling() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    let policy = |prefix: &str| {
        let spec = format!("{{ images: {{ prefixes: [{prefix}] }} }}");
        let head = "apiVersion: hayride.dev/v1alpha1\nkind: MorphPolicy\nmetadata: { name: narrow }\n";
        std::fs::write(&file, format!("{head}spec: {spec}\n")).unwrap();
        check("replicas: 1", &["--policy", file.to_str().unwrap()])
    };
    assert_eq!(policy("registry.invalid/x").code, 0);
    let above = policy("other.invalid/x");
    assert!(above.code == 1 && above.stdout.contains("WithinCeiling=False (AbovePolicy)"), "{above:?}");
    std::fs::write(&file, "kind: MorphPolicy\napiVersion: hayride.dev/v1alpha1\nspec: { image: {} }\n")
        .unwrap();
    let misspelt = check("replicas: 1", &["--policy", file.to_str().unwrap()]);
    assert!(misspelt.code == 1 && misspelt.stderr.contains("spec.image: no such field"), "{misspelt:?}");
}
