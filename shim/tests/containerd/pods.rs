//! Pods: a sandbox, a grant, and the containers that run under it.

use crate::harness::{Containerd, guest_bytes, told, wait_for};
use crate::spec::{DATA, FILES, Spec, document, with_data, with_files};
use morph_grant::{ANNOTATION, Access, Document, SigningKey};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::path::PathBuf;

/// A pod whose sandbox runs.
pub(crate) struct Pod<'a> {
    containerd: &'a Containerd,
    id: String,
    grant: Option<Document>,
    pid: i32,
}

impl<'a> Pod<'a> {
    fn start(containerd: &'a Containerd, grant: Option<Document>) -> Self {
        Self::start_as(containerd, "s1", grant)
    }

    /// One whose sandbox has this id.
    pub(crate) fn start_as(containerd: &'a Containerd, id: &str, grant: Option<Document>) -> Self {
        let mut spec = Spec::sandbox(id, "demo");
        if let Some(document) = &grant {
            spec = spec.granted(document);
        }
        containerd.start_task(id, &spec);
        let pid = containerd.task(id).0;
        Self { containerd, id: id.into(), grant, pid }
    }

    pub(crate) fn container(&self, id: &str, name: &str, image: &str) -> Spec {
        let spec = Spec::container(id, &self.id, "demo", name, image).joined(self.pid);
        match &self.grant {
            Some(document) => spec.granted(document),
            None => spec,
        }
    }

    /// Runs a container to its end: exit code, output, errors.
    pub(crate) fn run(&self, id: &str, spec: &Spec) -> (i32, String, String) {
        let output = self.containerd.run(id, spec, &["--rm"]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().unwrap_or_else(|| panic!("{}", told(&output)));
        (code, text(&output.stdout), text(&output.stderr))
    }

    /// The directory of an emptyDir, as the kubelet makes it.
    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        let path = format!("kubelet/pods/uid-{}/volumes/kubernetes.io~empty-dir/{name}", self.id);
        let path = self.containerd.path(&path);
        std::fs::create_dir_all(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(65532), Some(65532)).unwrap();
        path
    }
}

#[test]
fn args_and_env_come_from_the_grant_alone() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let pod = Pod::start(&containerd, Some(document(&image, "command", &["show", "me"])));
    let (code, stdout, stderr) = pod.run("c1", &pod.container("c1", "morph", "registry.test/other:1"));
    assert_eq!(code, 0, "{stderr}\n{}", containerd.logs());
    assert_eq!(stdout, "arg show\narg me\nenv LOG=info\n");
}

#[test]
fn a_container_that_is_looked_at_tells_what_its_image_is_and_runs_nothing() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let pod = Pod::start(&containerd, None);
    let looked_at = pod.container("c1", "inspect", &image).annotated("hayride.dev/inspect", "true");
    let (code, stdout, stderr) = pod.run("c1", &looked_at);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    let words = &stderr[stderr.find('{').unwrap()..];
    let told = morph_grant::Inspection::parse(words.trim()).unwrap();
    assert_eq!(told.content, morph_grant::Digest::of(&guest_bytes("command")));
    assert!(told.exports.iter().any(|id| id.is("wasi", "cli", "run")), "{told:?}");
    let unmarked = pod.container("c2", "inspect", &image);
    let (_, stdout, stderr) = pod.run("c2", &unmarked);
    assert!(!stderr.contains("manifest"), "{stdout}{stderr}");
}

#[test]
fn exit_codes_are_the_guests() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let pod = Pod::start(&containerd, Some(document(&image, "command", &["exit", "3"])));
    let (code, _, stderr) = pod.run("c1", &pod.container("c1", "morph", &image));
    assert_eq!(code, 3, "{stderr}");
}

#[test]
fn a_trap_ends_with_134_its_reason_in_log_and_termination_message() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let pod = Pod::start(&containerd, Some(document(&image, "command", &["trap"])));
    let directory = containerd.path("kubelet/pods/uid-s1/containers/morph");
    std::fs::create_dir_all(&directory).unwrap();
    let message = directory.join("0a1b");
    std::fs::write(&message, "").unwrap();
    let spec = pod.container("c1", "morph", &image).mounted(&message, "/dev/termination-log");
    let (code, _, stderr) = pod.run("c1", &spec);
    assert_eq!(code, 134, "{stderr}");
    assert!(stderr.contains("unreachable"), "{stderr}");
    let message = std::fs::read_to_string(message).unwrap();
    assert!(message.contains("unreachable"), "{message:?}");
}

#[test]
fn containerds_own_log_says_how_a_container_ended() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let pod = Pod::start(&containerd, Some(document(&image, "command", &["trap"])));
    for id in ["c1", "c2"] {
        let (code, _, stderr) = pod.run(id, &pod.container(id, "morph", &image));
        assert_eq!(code, 134, "{stderr}");
        let log = || std::fs::read_to_string(containerd.path("containerd.log")).unwrap();
        let said =
            format!(" INFO morph: container ends task={id} why=\"the guest trapped: wasm `unreachable`");
        wait_for("said", || log().contains(&said));
    }
}

#[test]
fn a_volume_is_read_and_written_as_granted_and_nothing_else_is_there() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let grant = with_data(document(&image, "command", &["write", "/data/x", "hello"]), Access::ReadWrite);
    let pod = Pod::start(&containerd, Some(grant));
    let volume = pod.volume("data");
    let spec = pod.container("c1", "morph", &image).mounted(&volume, DATA);
    let (code, _, stderr) = pod.run("c1", &spec);
    assert_eq!(code, 0, "{stderr}\n{}", containerd.logs());
    assert_eq!(std::fs::read_to_string(volume.join("x")).unwrap(), "hello");
    let elsewhere = pod.container("c2", "morph", &image).mounted(&containerd.path("kubelet"), DATA);
    let (code, _, stderr) = pod.run("c2", &elsewhere);
    assert_eq!(code, 125, "{stderr}");
    assert!(stderr.contains("volume data is granted as EmptyDir"), "{stderr}");
}

#[test]
fn a_directory_of_a_volume_is_made_and_granted_alone() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let mut grant = with_data(document(&image, "command", &["write", "/data/x", "hello"]), Access::ReadWrite);
    grant.components[0].grants.filesystem[0].sub_path = Some("app/logs".into());
    let pod = Pod::start(&containerd, Some(grant));
    let volume = pod.volume("data");
    let (code, _, stderr) = pod.run("c1", &pod.container("c1", "morph", &image).mounted(&volume, DATA));
    assert_eq!(code, 0, "{stderr}\n{}", containerd.logs());
    assert_eq!(std::fs::read_to_string(volume.join("app/logs/x")).unwrap(), "hello");
    std::fs::remove_dir_all(volume.join("app")).unwrap();
    std::os::unix::fs::symlink("/tmp", volume.join("app")).unwrap();
    let (code, _, stderr) = pod.run("c2", &pod.container("c2", "morph", &image).mounted(&volume, DATA));
    assert_eq!(code, 125, "{stderr}");
    assert!(stderr.contains("subPath of volume data: app: is no directory"), "{stderr}");
}

#[test]
fn a_worker_with_a_network_grant_has_the_files_of_names_and_those_that_its_grant_names() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let pod = Pod::start(&containerd, Some(with_files(document(&image, "command", &["loop"]))));
    let base = containerd.path("kubelet/pods/uid-s1");
    let files = base.join("volumes/kubernetes.io~projected/files");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("config-0"), "north").unwrap();
    std::fs::write(base.join("etc-hosts"), "10.0.0.1 db").unwrap();
    let spec = pod.container("c1", "morph", &image).mounted(&files, FILES);
    let spec = spec.mounted(&base.join("etc-hosts"), "/etc/hosts");
    let log = containerd.start_task("c1", &spec.mounted(&base.join("missing"), "/etc/resolv.conf"));
    wait_for("looping", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("looping")));
    let root = PathBuf::from(format!("/proc/{}/root", containerd.task("c1").0));
    let read = |path: &str| std::fs::read_to_string(root.join(path));
    assert_eq!(read("etc/hosts").unwrap(), "10.0.0.1 db");
    assert_eq!(read("files/config-0").unwrap(), "north");
    assert!(read("etc/resolv.conf").is_err());
    assert!(std::fs::write(root.join("etc/hosts"), "").is_err(), "it is read-only");
    assert!(std::fs::write(root.join("files/config-0"), "").is_err(), "they are read-only");
}

#[test]
fn a_grant_of_an_unknown_key_ends_with_125_until_the_key_is_trusted() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let other = SigningKey::generate(&mut StdRng::seed_from_u64(2));
    let text = morph_grant::seal(&document(&image, "command", &["exit", "3"]), &other).unwrap();
    let run = |sandbox: &str, id: &str| {
        let spec = Spec::sandbox(sandbox, "demo").annotated(ANNOTATION, &text);
        containerd.start_task(sandbox, &spec);
        let pod =
            Pod { id: sandbox.into(), containerd: &containerd, grant: None, pid: containerd.task(sandbox).0 };
        let spec = Spec::container(id, sandbox, "demo", "morph", &image).joined(pod.pid);
        pod.run(id, &spec.annotated(ANNOTATION, &text))
    };
    let (code, _, stderr) = run("s1", "c1");
    assert_eq!(code, 125, "{stderr}");
    let words = format!("signed by key {}, which is not trusted here", other.public().id());
    assert!(stderr.contains(&words), "{stderr}");
    std::fs::write(containerd.path("keys/2.pem"), other.public().to_pem().unwrap()).unwrap();
    let (code, _, stderr) = run("s2", "c2");
    assert_eq!(code, 3, "the same server takes it for a new sandbox: {stderr}");
    assert_eq!(containerd.server_pids().len(), 1);
}

#[test]
fn a_read_only_grant_refuses_a_write() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let grant = with_data(document(&image, "command", &["write", "/data/x", "hello"]), Access::ReadOnly);
    let pod = Pod::start(&containerd, Some(grant));
    let volume = pod.volume("data");
    let (code, _, stderr) = pod.run("c1", &pod.container("c1", "morph", &image).mounted(&volume, DATA));
    assert_ne!(code, 0, "{stderr}");
    assert!(!volume.join("x").exists());
}

#[test]
fn a_grant_that_does_not_fit_ends_with_125_and_says_why() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let mut foreign = document(&image, "command", &[]);
    foreign.subject.namespace = "other".into();
    let pod = Pod::start(&containerd, Some(foreign));
    let (code, _, stderr) = pod.run("c1", &pod.container("c1", "morph", &image));
    assert_eq!(code, 125, "{stderr}");
    assert!(stderr.contains("for namespace other"), "{stderr}");
}

#[test]
fn a_grant_for_other_bytes_ends_with_125() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let mut wrong = document(&image, "command", &[]);
    wrong.components[0].content = morph_grant::Digest::of(b"others");
    let pod = Pod::start(&containerd, Some(wrong));
    let (code, _, stderr) = pod.run("c1", &pod.container("c1", "morph", &image));
    assert_eq!(code, 125, "{stderr}");
}

#[test]
fn a_grant_cannot_be_changed_once_the_sandbox_is_there() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let mut pod = Pod::start(&containerd, Some(document(&image, "command", &["exit", "3"])));
    pod.grant = Some(document(&image, "command", &["exit", "4"]));
    let (code, _, stderr) = pod.run("c1", &pod.container("c1", "morph", &image));
    assert_eq!(code, 125, "{stderr}");
    assert!(stderr.contains("changed"), "{stderr}");
}

#[test]
fn a_sidecar_gets_nothing_of_the_grant() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let pod = Pod::start(&containerd, Some(document(&image, "command", &["exit", "3"])));
    let (code, stdout, stderr) = pod.run("c1", &pod.container("c1", "sidecar", &image));
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
}

#[test]
fn a_pod_has_one_server_and_its_containers_the_sandboxes_namespaces() {
    let containerd = Containerd::start();
    let image = containerd.guest("command");
    let pod = Pod::start(&containerd, Some(document(&image, "command", &["loop"])));
    let log = containerd.start_task("c1", &pod.container("c1", "morph", &image));
    wait_for("looping", || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("looping")));
    assert_eq!(containerd.server_pids().len(), 1);
    let pid = containerd.task("c1").0;
    let namespace = |pid: i32, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    for kind in ["net", "ipc", "uts"] {
        assert_eq!(namespace(pid, kind), namespace(pod.pid, kind), "{kind}");
        assert_ne!(namespace(pid, kind), namespace(std::process::id().cast_signed(), kind), "{kind}");
    }
    for kind in ["pid", "mnt"] {
        assert_ne!(namespace(pid, kind), namespace(pod.pid, kind), "{kind}");
    }
}

#[test]
fn pods_of_two_namespaces_have_two_servers() {
    let containerd = Containerd::start();
    containerd.start_task("s1", &Spec::sandbox("s1", "demo"));
    containerd.start_task("s2", &Spec::sandbox("s2", "demo"));
    assert_eq!(containerd.server_pids().len(), 1);
    containerd.start_task("s3", &Spec::sandbox("s3", "other"));
    assert_eq!(containerd.server_pids().len(), 2);
}
