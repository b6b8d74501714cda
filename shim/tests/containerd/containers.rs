//! Containers that no pod has: what runs, how it ends, and what is refused with which words.

use crate::harness::{Containerd, told};
use crate::spec::Spec;

/// Runs to the end in the foreground; answers exit code and what was written.
fn run(containerd: &Containerd, id: &str, spec: &Spec) -> (i32, String, String) {
    let output = containerd.run(id, spec, &["--rm"]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or_else(|| panic!("{}", told(&output)));
    (code, text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_command_runs_with_stdio_and_nothing_of_its_spec() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let (code, stdout, stderr) = run(&containerd, "c1", &Spec::alone("c1", &image));
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}\n{}", containerd.logs());
    assert!(stderr.contains("shown on stderr"), "{stderr}");
}

#[test]
fn both_generations_run() {
    let containerd = Containerd::start();
    let image = containerd.guest("command-p3");
    let (code, _, stderr) = run(&containerd, "c1", &Spec::alone("c1", &image));
    assert_eq!(code, 0, "{stderr}\n{}", containerd.logs());
}

#[test]
fn what_is_no_component_ends_with_127_and_says_so() {
    let containerd = Containerd::start();
    let config = "application/vnd.oci.image.config.v1+json";
    let tar = "application/vnd.oci.image.layer.v1.tar";
    let sidecar = containerd.image("registry.test/sidecar:1", config, tar, b"tar");
    let (code, _, stderr) = run(&containerd, "c1", &Spec::alone("c1", &sidecar));
    assert_eq!(code, 127, "{stderr}\n{}", containerd.logs());
    assert!(stderr.contains("an ordinary container image"), "{stderr}");
    let wasm = "application/vnd.wasm.config.v0+json";
    let garbage = containerd.image("registry.test/garbage:1", wasm, "application/wasm", b"garbage");
    let (code, _, stderr) = run(&containerd, "c2", &Spec::alone("c2", &garbage));
    assert_eq!(code, 127, "{stderr}");
    assert!(stderr.contains("does not start with"), "{stderr}");
    let missing = format!("registry.test/nowhere@{}", morph_grant::Digest::of(b"nothing"));
    let (code, _, stderr) = run(&containerd, "c3", &Spec::alone("c3", &missing));
    assert_eq!(code, 127, "{stderr}");
    assert!(stderr.contains("not in containerd's store"), "{stderr}");
}

#[test]
fn a_denied_import_ends_with_126_and_is_named() {
    let containerd = Containerd::start();
    let image = containerd.guest("imports-http");
    let (code, _, stderr) = run(&containerd, "c1", &Spec::alone("c1", &image));
    assert_eq!(code, 126, "{stderr}\n{}", containerd.logs());
    assert!(stderr.contains("import wasi:http/outgoing-handler@"), "{stderr}");
}

#[test]
fn an_image_may_be_named_by_its_tag() {
    let containerd = Containerd::start();
    containerd.guest("command");
    let (code, _, stderr) = run(&containerd, "c1", &Spec::alone("c1", "registry.test/command:1"));
    assert_eq!(code, 0, "{stderr}\n{}", containerd.logs());
}

#[test]
fn two_components_with_one_config_each_run_as_themselves() {
    let containerd = Containerd::start();
    let (command, denied) = (containerd.guest("command"), containerd.guest("imports-http"));
    assert_eq!(run(&containerd, "c1", &Spec::alone("c1", &command)).0, 0);
    assert_eq!(run(&containerd, "c2", &Spec::alone("c2", &denied)).0, 126);
    assert_eq!(run(&containerd, "c3", &Spec::alone("c3", &command)).0, 0);
}
