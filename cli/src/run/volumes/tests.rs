//! Tests of `volumes`.
#![allow(clippy::unwrap_used)]
use super::*;
use std::os::unix::fs::symlink;

/// A volume with `a/b`, a file, and links; a secret lies beside it.
fn volume() -> (TempDir, PathBuf) {
    let world = tempfile::tempdir().unwrap();
    let volume = world.path().join("volume");
    std::fs::create_dir_all(volume.join("a/b")).unwrap();
    std::fs::create_dir(world.path().join("outside")).unwrap();
    std::fs::write(volume.join("file"), "").unwrap();
    symlink("../outside", volume.join("up")).unwrap();
    symlink(world.path().join("outside"), volume.join("absolute")).unwrap();
    symlink("a", volume.join("inside")).unwrap();
    symlink("../../outside", volume.join("a/up")).unwrap();
    (world, volume)
}

#[test]
fn a_sub_path_names_directories_of_the_volume() {
    let (_world, volume) = volume();
    assert_eq!(beneath(&volume, None).unwrap(), volume);
    assert_eq!(beneath(&volume, Some("a")).unwrap(), volume.join("a"));
    assert_eq!(beneath(&volume, Some("a/b")).unwrap(), volume.join("a/b"));
}

#[test]
fn no_sub_path_leads_out_of_the_volume() {
    let (_world, volume) = volume();
    for (sub_path, want) in [
        ("..", "write the names of directories"),
        ("../outside", "write the names of directories"),
        ("a/../../outside", "write the names of directories"),
        ("./a", "write the names of directories"),
        ("/etc", "write the names of directories"),
        ("a//b", "write the names of directories"),
        ("", "write the names of directories"),
        ("up", "not a directory (links aren't followed)"),
        ("absolute", "not a directory (links aren't followed)"),
        ("inside", "not a directory (links aren't followed)"),
        ("inside/b", "not a directory (links aren't followed)"),
        ("a/up", "not a directory (links aren't followed)"),
        ("file", "not a directory (links aren't followed)"),
        ("none", "subPath"),
    ] {
        let error = format!("{:#}", beneath(&volume, Some(sub_path)).unwrap_err());
        assert!(error.contains(want), "{sub_path}: {error}");
    }
}
