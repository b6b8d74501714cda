//! Tidying up, without a compiler.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::tests::{content, key, put, put_with, store};
use super::super::{Key, Origin};
use super::*;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use std::os::unix::fs::FileExt;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// Makes an entry as if it had been used so long ago.
fn use_ago(store: &Store, key: &Key, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    let then = then.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let then = Timespec { tv_sec: i64::try_from(then).unwrap(), tv_nsec: 0 };
    let times = Timestamps { last_access: then, last_modification: then };
    utimensat(CWD, store.entry(key), &times, AtFlags::empty()).unwrap();
}

fn names(store: &Store) -> Vec<String> {
    let entries = fs::read_dir(&store.directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != super::super::LOCKS);
    names.sort();
    names
}

#[test]
fn a_cache_past_its_size_loses_what_was_used_longest_ago() {
    let (_directory, store) = store();
    for (name, ago) in [("a", HOUR), ("b", 3 * HOUR), ("c", 2 * HOUR)] {
        put(&store, &key(name), &[1; 100_000]);
        use_ago(&store, &key(name), ago);
    }
    assert_eq!(store.sweep(350_000).unwrap(), 0);
    assert_eq!(store.sweep(250_000).unwrap(), 1);
    assert!(!store.entry(&key("b")).exists());
    assert_eq!(names(&store).len(), 2);
}

#[test]
fn a_look_that_finds_an_entry_is_a_use_of_it() {
    let (_directory, store) = store();
    put(&store, &key("a"), b"code");
    use_ago(&store, &key("a"), DAY);
    let file = store.find(&key("a")).unwrap().expect("entry");
    assert_eq!(store.sweep(0).unwrap(), 0);
    assert_eq!(content(&file), "code");
}

#[test]
fn code_that_is_mapped_can_be_removed_and_stays_with_whoever_maps_it() {
    let (_directory, store) = store();
    let mapped = put(&store, &key("a"), b"code");
    use_ago(&store, &key("a"), HOUR);
    assert_eq!(store.sweep(0).unwrap(), 1);
    assert_eq!(names(&store), Vec::<String>::new());
    let mut bytes = [0; 4];
    mapped.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"code");
    assert!(store.find(&key("a")).unwrap().is_none());
}

#[test]
fn an_entry_that_was_used_since_it_was_looked_at_stays() {
    let (_directory, store) = store();
    put(&store, &key("a"), b"code");
    use_ago(&store, &key("a"), HOUR);
    let seen = store.look(key("a").name()).unwrap().expect("entry");
    store.find(&key("a")).unwrap().expect("entry");
    assert!(!store.evict(&seen).unwrap());
    assert!(store.find(&key("a")).unwrap().is_some());
}

#[test]
fn code_with_a_successor_goes_once_that_is_there() {
    let (_directory, store) = store();
    let origin = Origin { component: b"component".to_vec(), successor: key("better") };
    put_with(&store, &key("quick"), b"code", Some(&origin));
    use_ago(&store, &key("quick"), HOUR);
    assert_eq!(store.component(&key("quick")).unwrap().expect("origin"), b"component");
    assert_eq!(store.sweep(u64::MAX).unwrap(), 0);
    put(&store, &key("better"), b"better code");
    assert_eq!(store.sweep(u64::MAX).unwrap(), 1);
    assert_eq!(names(&store), [key("better").name()]);
}

#[test]
fn what_dead_servers_left_half_done_is_removed_and_what_is_being_made_is_not() {
    let (directory, store) = store();
    for name in [format!("{DRAFT}{}", key("dead")), format!("{GONE}{}", key("old"))] {
        fs::create_dir(store.directory.join(&name)).unwrap();
        fs::write(store.directory.join(&name).join("code"), "half").unwrap();
    }
    let other = Store::open(&directory.path().join("deep/cache")).unwrap();
    let lock = other.lock(&key("busy")).unwrap();
    let (draft, _file) = other.begin(&key("busy")).unwrap();
    store.sweep(0).unwrap();
    assert_eq!(names(&store), [format!("{DRAFT}{}", key("busy"))]);
    drop((draft, lock));
}

#[test]
fn entries_of_other_versions_go_when_nobody_has_used_them_for_a_month() {
    let (_directory, store) = store();
    for (name, ago) in [("old", 31 * DAY), ("new", DAY)] {
        put(&store, &key(name), b"code");
        use_ago(&store, &key(name), ago);
    }
    assert_eq!(store.sweep(u64::MAX).unwrap(), 1);
    assert_eq!(names(&store), [key("new").name()]);
}

#[test]
fn one_server_tidies_up_at_a_time() {
    let (directory, store) = store();
    put(&store, &key("a"), b"code");
    use_ago(&store, &key("a"), HOUR);
    let other = Store::open(&directory.path().join("deep/cache")).unwrap();
    let lock = other.try_lock(SWEEP).unwrap().expect("free");
    assert_eq!(store.sweep(0).unwrap(), 0);
    drop(lock);
    assert_eq!(store.sweep(0).unwrap(), 1);
}
