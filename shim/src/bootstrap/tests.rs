//! Groups and dead servers; the whole of `start` is seen with a real containerd.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

#[test]
fn nobody_and_a_deaf_one_are_no_servers() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sock");
    let address = format!("unix://{}", socket.display());
    assert!(!ping(&address, "c1"));
    let listener = UnixListener::bind(&socket).unwrap();
    drop(listener);
    assert!(!ping(&address, "c1"));
    let listener = UnixListener::bind(directory.path().join("deaf")).unwrap();
    assert!(!ping(&format!("unix://{}", directory.path().join("deaf").display()), "c1"));
    drop(listener);
}

#[test]
fn a_deaf_server_that_lives_is_busy_and_one_that_has_let_go_of_its_life_is_dead() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("sock");
    let (address, life) = (format!("unix://{}", socket.display()), life_file(&socket));
    let _deaf = UnixListener::bind(&socket).unwrap();
    let held = Lock::take(&life, Duration::ZERO).unwrap();
    let error = is_served(&address, &life, "c1").unwrap_err();
    assert!(matches!(error, BootstrapError::Busy { .. }) && error.to_string().contains("busy"), "{error}");
    drop(held);
    assert!(!is_served(&address, &life, "c1").unwrap());
    assert!(socket.exists(), "who only looks removes nothing");
}

#[test]
fn the_run_directory_is_roots_alone_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("deep/run");
    let mode = || std::fs::metadata(&run).unwrap().mode() & 0o777;
    let set = |mode| std::fs::set_permissions(&run, std::fs::Permissions::from_mode(mode)).unwrap();
    keep_private(&run).unwrap();
    assert_eq!(mode(), 0o700);
    // Of an older release.
    set(0o711);
    keep_private(&run).unwrap();
    assert_eq!(mode(), 0o700);
    set(0o777);
    assert_eq!(keep_private(&run).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    set(0o700);
    std::os::unix::fs::chown(&run, Some(12_345), None).unwrap();
    assert_eq!(keep_private(&run).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/etc", &link).unwrap();
    assert_eq!(keep_private(&link).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
}

fn request(namespace: &str) -> Request {
    Request {
        id: "c1".into(),
        namespace: namespace.into(),
        containerd: "/c.sock".into(),
        containerd_ttrpc: "/t.sock".into(),
        debug: false,
        form: Form::Address,
    }
}

#[test]
fn groups_are_apart_by_each_part_of_their_key() {
    let directory = tempfile::tempdir().unwrap();
    let config = NodeConfig { run_dir: directory.path().join("run"), ..NodeConfig::default() };
    let group = |namespace: &str, pods: &str, config: &NodeConfig| {
        Group::new(&request(namespace), pods, config).unwrap().address()
    };
    let one = group("k8s.io", "demo", &config);
    assert_eq!(one, group("k8s.io", "demo", &config));
    assert_ne!(one, group("k8s.io", "other", &config));
    assert_ne!(one, group("default", "demo", &config));
    let other = NodeConfig { cluster: Some("c".into()), ..config };
    assert_ne!(one, group("k8s.io", "demo", &other));
    assert!(one.starts_with("unix:///"));
}

#[test]
fn a_container_without_its_sandbox_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let bundle = state.path().join("c1");
    std::fs::create_dir(&bundle).unwrap();
    let error = address_of_sandbox(&bundle, "s1", "c1").unwrap_err().to_string();
    assert!(error.contains("sandbox s1 has no server"), "{error}");
    assert!(address_of_sandbox(&bundle, "../s1", "c1").is_err());
}
