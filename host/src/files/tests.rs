//! Tests of files that no guest sees.
#![allow(clippy::unwrap_used)]
use super::*;

#[test]
fn a_file_is_read_to_one_byte_past_its_bound() {
    let directory = tempfile::tempdir().unwrap();
    let files = Files::new(Some(directory.path()));
    for (length, want) in [(0, 0), (7, 7), (8, 8), (9, 9), (10_000, 9)] {
        std::fs::write(directory.path().join("config-0"), vec![b'a'; length]).unwrap();
        assert_eq!(files.read("config-0", 8).unwrap().len(), want, "{length}");
    }
}

#[test]
fn a_name_that_is_a_way_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "x").unwrap();
    let inside = outside.path().join("files");
    std::fs::create_dir(&inside).unwrap();
    let files = Files::new(Some(&inside));
    for name in ["", ".", "..", "../secret", "/etc/passwd", "a/b", "a.b", "a\0"] {
        assert_eq!(files.read(name, 8).unwrap_err(), Unread::NoName, "{name:?}");
    }
    assert_eq!(files.read("secret", 8).unwrap_err(), Unread::Kind(ErrorKind::NotFound));
    assert_eq!(Files::new(None).read("secret", 8).unwrap_err(), Unread::NoFiles);
}

#[test]
fn a_link_that_was_turned_round_is_followed_at_the_next_reading() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let files = Files::new(Some(directory.path()));
    for value in ["first", "second"] {
        std::fs::write(at(value), value).unwrap();
        std::os::unix::fs::symlink(value, at("new")).unwrap();
        std::fs::rename(at("new"), at("config-0")).unwrap();
        assert_eq!(files.read("config-0", 64).unwrap().as_slice(), value.as_bytes());
    }
}
