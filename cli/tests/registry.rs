//! `morph push`, `morph inspect` and the image of `morph run`, against a registry.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use morph_testkit::registry::{Fault, Registry};
use support::{Desk, Ended, guest, morph, run};

fn path(name: &str) -> String {
    guest(name).to_str().unwrap().to_owned()
}

/// The command's world as `morph inspect --json` tells it.
fn inspected(what: &str) -> serde_json::Value {
    let ended = run(&["inspect", "--json", what]);
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_inspected_and_run_from_the_registry() {
    let registry = Registry::start().await;
    let reference = format!("{}/acme/command:1", registry.authority());
    let pushed = run(&["push", &path("command-p3"), &reference]);
    assert_eq!(pushed.code, 0, "{pushed:?}");
    let pinned = pushed.stdout.trim();
    assert!(pinned.starts_with(&format!("{}/acme/command@sha256:", registry.authority())), "{pinned}");
    for what in [reference.as_str(), pinned] {
        let report = inspected(what);
        assert_eq!(report["type"], "Command");
        assert!(pinned.ends_with(report["manifest"].as_str().unwrap()), "{report}");
    }
    let yaml = format!(
        "apiVersion: hayride.dev/v1alpha1\nkind: Morph\nmetadata: {{ name: pulled }}\n\
         spec: {{ image: \"{pinned}\", args: [exit, \"7\"] }}\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("morph.yaml");
    std::fs::write(&file, yaml).unwrap();
    assert_eq!(run(&["run", file.to_str().unwrap()]).code, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_is_not_run() {
    let registry = Registry::start().await;
    let reference = format!("{}/acme/command:1", registry.authority());
    assert_eq!(run(&["push", &path("command"), &reference]).code, 0);
    registry.fault("/blobs/", Fault::Body(b"other bytes".to_vec()));
    let ended = run(&["inspect", &reference]);
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{ended:?}");
    assert!(
        ended.stderr.contains("were announced") || ended.stderr.contains("more than"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_dockers_config() {
    use morph_testkit::registry::{Auth, PASSWORD, USERNAME};
    let registry = Registry::start().await;
    registry.require(Auth::Token);
    let push = |config: &std::path::Path| -> Ended {
        let reference = format!("{}/acme/command:1", registry.authority());
        let mut command = morph();
        command.env("DOCKER_CONFIG", config).args(["push", &path("command"), &reference]);
        command.output().unwrap().into()
    };
    let directory = tempfile::tempdir().unwrap();
    let ended = push(directory.path());
    assert!(ended.code == 1 && ended.stderr.contains("no credentials for it were given"), "{ended:?}");
    let entry = serde_json::json!({ "username": USERNAME, "password": PASSWORD });
    let auths = serde_json::json!({ "auths": { registry.authority(): entry } });
    std::fs::write(directory.path().join("config.json"), auths.to_string()).unwrap();
    assert_eq!(push(directory.path()).code, 0);
}

#[test]
fn nothing_but_a_component_is_pushed() {
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join("module.wasm");
    std::fs::write(&module, wat::parse_str("(module)").unwrap()).unwrap();
    let ended = run(&["push", module.to_str().unwrap(), "localhost:1/x:1"]);
    assert!(ended.code == 1 && ended.stderr.contains("core WebAssembly module"), "{ended:?}");
    let ended = run(&["push", module.to_str().unwrap(), "x:1"]);
    assert!(ended.code == 2 && ended.stderr.contains("the registry is missing"), "{ended:?}");
}

#[test]
fn a_registry_that_is_down_is_named() {
    let ended = run(&["push", &path("command"), "localhost:1/x:1"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("localhost:1 can't be reached: no connection"), "{}", ended.stderr);
}

#[test]
fn inspect_tells_what_needs_a_grant() {
    let report = inspected(&path("counter"));
    assert_eq!(report["type"], "Server");
    let need = |interface: &str| {
        let imports = report["imports"].as_array().unwrap();
        let found =
            imports.iter().find(|import| import["interface"].as_str().unwrap().starts_with(interface));
        found.unwrap_or_else(|| panic!("{interface}: {report:#}")).clone()
    };
    assert_eq!(need("wasi:filesystem/preopens@")["need"], "Grant");
    assert_eq!(need("wasi:filesystem/preopens@")["by"], "capabilities.filesystem");
    assert_eq!(need("wasi:cli/stdout@")["need"], "Nothing");
    let text = run(&["inspect", &path("counter")]).stdout;
    assert!(text.contains("needs capabilities.filesystem"), "{text}");
    assert!(text.contains("export     wasi:http/incoming-handler@0.2"), "{text}");
}

#[test]
fn inspect_tells_what_does_not_run() {
    let text = run(&["inspect", &path("imports-http")]).stdout;
    assert!(text.contains("needs capabilities.http") && !text.contains("does not run"), "{text}");
    let middle = "(component (import \"wasi:http/handler@0.3.0\" (instance)))";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wat::parse_str(middle).unwrap()).unwrap();
    let text = run(&["inspect", file.path().to_str().unwrap()]).stdout;
    assert!(text.contains("can't be had: no field of this version grants it"), "{text}");
    assert!(text.contains("does not run:"), "{text}");
    let text = run(&["inspect", &path("library")]).stdout;
    assert!(text.contains("type       none: the component exports neither"), "{text}");
}

#[test]
fn inspect_of_nothing_says_so() {
    let ended = run(&["inspect", "no-such-file.wasm"]);
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("no such file, and no reference"), "{}", ended.stderr);
    let ended = run(&["inspect", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert!(ended.code == 1 && ended.stderr.contains("not a WebAssembly component"), "{ended:?}");
}

#[test]
fn an_image_that_can_not_be_had_is_the_images_fault() {
    let desk = Desk::new("command", "");
    let ended = desk.run_image();
    assert!(
        ended.code == 1 && ended.stderr.contains("spec.image: registry.invalid can't be reached"),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_believed_by_its_certificate_alone() {
    let (registry, certificate) = Registry::start_tls().await;
    let (_, other) = Registry::start_tls().await;
    let directory = tempfile::tempdir().unwrap();
    let push = |trusted: &str| -> Ended {
        let file = directory.path().join("trusted.pem");
        std::fs::write(&file, trusted).unwrap();
        let reference = format!("{}/acme/command:1", registry.authority());
        let mut command = morph();
        command.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR");
        command.args(["push", &path("command"), &reference]).output().unwrap().into()
    };
    for trusted in [other.as_str(), ""] {
        let ended = push(trusted);
        assert!(ended.code == 1 && ended.stderr.contains("TLS can't be agreed on"), "{ended:?}");
        assert_eq!(registry.log(), [], "nothing is sent to whom isn't known");
    }
    assert_eq!(push(&certificate).code, 0);
    let plain = run(&["push", "--plain-http", &path("command"), &format!("{}/x:1", registry.authority())]);
    assert!(plain.code == 1, "TLS is not guessed: {plain:?}");
}
