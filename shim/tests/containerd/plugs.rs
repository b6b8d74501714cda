//! Compositions out of containerd's own store: parts that answer each other, each with its own rights.

use crate::harness::Containerd;
use crate::pods::Pod;
use crate::spec::{DATA, composed, with_data};
use morph_grant::{Access, Digest, Document, EnvReference, FilesystemGrant};

/// A document for both parts, whose images are in the store.
fn grant(containerd: &Containerd, args: &[&str]) -> Document {
    composed(&containerd.guest("part-main"), &containerd.guest("part-plug"), args)
}

/// The main component reads the volume `data` at `/data`, the plug writes it at `/own`.
fn shared(containerd: &Containerd, args: &[&str]) -> Document {
    let mut document = with_data(grant(containerd, args), Access::ReadWrite);
    document.components[0].grants.filesystem[0].access = Access::ReadOnly;
    let own = FilesystemGrant {
        volume: "data".into(),
        path: "/own".into(),
        sub_path: None,
        access: Access::ReadWrite,
    };
    document.components[1].grants.filesystem = vec![own];
    document
}

#[test]
fn parts_answer_each_other_and_each_has_its_own_variables() {
    let containerd = Containerd::start();
    for (sandbox, args, wanted) in [
        ("s1", &["count"][..], "42\n"),
        ("s2", &["plug", "env"], "KEY=secret,LOG=info\n"),
        ("s3", &["self", "env"], "FROM_SPEC=yes,LOG=info\n"),
    ] {
        let mut document = grant(&containerd, args);
        document.env_prefixes = vec![String::new()];
        document.components[1].env = document.env.clone();
        document.components[1].env_references =
            vec![EnvReference { name: "KEY".into(), variable: "HAYRIDE_PLUG_1/KEY".into() }];
        let pod = Pod::start_as(&containerd, sandbox, Some(document));
        let id = format!("c-{sandbox}");
        let spec = pod.container(&id, "morph", "registry.test/other:1");
        let (code, stdout, stderr) = pod.run(&id, &spec.with_env(&["HAYRIDE_PLUG_1/KEY=secret"]));
        assert_eq!((code, stdout.as_str()), (0, wanted), "{stderr}\n{}", containerd.logs());
    }
}

#[test]
fn one_volume_is_read_by_one_part_and_written_by_another() {
    let containerd = Containerd::start();
    for (sandbox, args, wanted) in [
        ("s1", &["plug", "write", "/own/x", "hello"][..], Ok("")),
        ("s2", &["plug", "read", "/own/x"], Ok("before")),
        ("s3", &["self", "read", "/data/x"], Ok("before")),
        ("s4", &["self", "write", "/data/x", "hello"], Err(())),
        ("s5", &["self", "write", "/own/x", "hello"], Err(())),
        ("s6", &["plug", "read", "/data/x"], Err(())),
    ] {
        let pod = Pod::start_as(&containerd, sandbox, Some(shared(&containerd, args)));
        let volume = pod.volume("data");
        std::fs::write(volume.join("x"), "before").unwrap();
        std::os::unix::fs::chown(volume.join("x"), Some(65532), Some(65532)).unwrap();
        let id = format!("c-{sandbox}");
        let (code, stdout, stderr) = pod.run(&id, &pod.container(&id, "morph", "x").mounted(&volume, DATA));
        assert_eq!(code == 0, wanted.is_ok(), "{args:?}: {stderr}\n{}", containerd.logs());
        assert_eq!(stdout.trim(), wanted.unwrap_or_default(), "{args:?}: {stderr}");
        let written = args.contains(&"plug") && args.contains(&"write");
        let after = std::fs::read_to_string(volume.join("x")).unwrap();
        assert_eq!(after, if written { "hello" } else { "before" }, "{args:?}");
    }
}

#[test]
fn a_plug_that_containerd_does_not_have_is_named_in_the_log() {
    let containerd = Containerd::start();
    let mut document = grant(&containerd, &["count"]);
    document.components[1].manifest = Digest::of(b"never pulled");
    let pod = Pod::start_as(&containerd, "s1", Some(document));
    let (code, stdout, stderr) = pod.run("c1", &pod.container("c1", "morph", "x"));
    assert_eq!((code, stdout.as_str()), (127, ""), "{stderr}");
    assert!(stderr.contains("part plug: blob sha256:"), "{stderr}");
    assert!(stderr.contains("is not in containerd's store; was its image pulled?"), "{stderr}");
}

#[test]
fn a_trap_of_a_plug_names_the_part() {
    let containerd = Containerd::start();
    let pod = Pod::start_as(&containerd, "s1", Some(grant(&containerd, &["plug", "trap"])));
    let (code, _, stderr) = pod.run("c1", &pod.container("c1", "morph", "x"));
    assert_eq!(code, 134, "{stderr}");
    assert!(stderr.contains("part plug: "), "{stderr}");
}
