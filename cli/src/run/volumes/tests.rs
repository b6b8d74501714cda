//! Tests of `volumes`.
#![allow(clippy::unwrap_used)]
use super::*;
use std::os::unix::fs::{MetadataExt as _, symlink};

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

fn found(volume: &Path, relative: &str) -> Option<u64> {
    let opened = beneath(volume, Path::new(relative), Access::ReadOnly).ok()?;
    Some(rustix::fs::fstat(&opened).unwrap().st_ino)
}

#[test]
fn a_sub_path_names_directories_of_the_volume() {
    let (_world, volume) = volume();
    for relative in ["", "a", "a/b"] {
        let wanted = std::fs::metadata(volume.join(relative)).unwrap().ino();
        assert_eq!(found(&volume, relative), Some(wanted), "{relative}");
    }
}

#[test]
fn no_sub_path_leads_out_of_the_volume() {
    let (_world, volume) = volume();
    for relative in [
        "..",
        "../outside",
        "a/../../outside",
        "/etc",
        "up",
        "absolute",
        "inside",
        "inside/b",
        "a/up",
        "file",
        "none",
    ] {
        assert_eq!(found(&volume, relative), None, "{relative}");
        assert!(beneath(&volume, Path::new(relative), Access::ReadWrite).is_err() || relative == "none");
    }
}
