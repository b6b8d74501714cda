//! The cache's directory, without a compiler.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::io::Write;

pub(super) fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("directory");
    let store = Store::open(&directory.path().join("deep/cache")).expect("store");
    (directory, store)
}

pub(super) fn key(component: &str) -> Key {
    Key::new(&Digest::of(component.as_bytes()), EngineKind::P2, "engine")
}

pub(super) fn put(store: &Store, key: &Key, code: &[u8]) -> File {
    put_with(store, key, code, None)
}

pub(super) fn put_with(store: &Store, key: &Key, code: &[u8], origin: Option<&Origin>) -> File {
    let (draft, mut file) = store.begin(key).expect("draft");
    file.write_all(code).expect("write");
    store.commit(draft, &file, Digest::of(code).hex().as_str(), origin).expect("commit")
}

pub(super) fn content(code: &File) -> String {
    std::io::read_to_string(code).expect("code")
}

#[test]
fn an_entry_is_found_by_this_and_by_a_later_server() {
    let (directory, store) = store();
    assert!(store.find(&key("a")).expect("find").is_none());
    assert_eq!(content(&put(&store, &key("a"), b"code")), "code");
    assert_eq!(content(&store.find(&key("a")).expect("find").expect("entry")), "code");
    let later = Store::open(&directory.path().join("deep/cache")).expect("store");
    assert_eq!(content(&later.find(&key("a")).expect("find").expect("entry")), "code");
    assert!(later.find(&key("b")).expect("find").is_none());
}

#[test]
fn a_key_tells_component_kind_and_engine_apart() {
    let digest = Digest::of(b"component");
    let one = Key::new(&digest, EngineKind::P2, "engine");
    assert_eq!(one, Key::new(&digest, EngineKind::P2, "engine"));
    assert_ne!(one, Key::new(&Digest::of(b"other"), EngineKind::P2, "engine"));
    assert_ne!(one, Key::new(&digest, EngineKind::P3, "engine"));
    assert_ne!(one, Key::new(&digest, EngineKind::P2, "newer engine"));
}

#[test]
fn a_draft_is_no_entry_and_goes_when_it_is_given_up() {
    let (_directory, store) = store();
    let (draft, _file) = store.begin(&key("a")).expect("draft");
    let place = draft.directory.clone();
    assert!(place.exists());
    assert!(store.find(&key("a")).expect("find").is_none());
    drop(draft);
    assert!(!place.exists());
}

#[test]
fn a_draft_left_by_a_dead_server_is_replaced() {
    let (_directory, store) = store();
    let (mut draft, mut file) = store.begin(&key("a")).expect("draft");
    file.write_all(b"half").expect("write");
    draft.done = true; // as if nobody had cleaned up
    drop(draft);
    assert_eq!(content(&put(&store, &key("a"), b"whole")), "whole");
}

#[test]
fn an_entry_can_be_replaced_while_its_old_code_is_mapped() {
    let (_directory, store) = store();
    let old = put(&store, &key("a"), b"old");
    assert_eq!(content(&put(&store, &key("a"), b"new")), "new");
    assert_eq!(content(&old), "old");
}

#[test]
fn code_that_is_a_link_is_not_followed() {
    let (directory, store) = store();
    put(&store, &key("a"), b"code");
    let code = store.entry(&key("a")).join(CODE);
    let elsewhere = directory.path().join("elsewhere");
    fs::rename(&code, &elsewhere).expect("rename");
    std::os::unix::fs::symlink(&elsewhere, &code).expect("link");
    assert!(store.find(&key("a")).is_err());
}

#[test]
fn a_lock_keeps_another_server_out_until_it_is_dropped() {
    let (directory, store) = store();
    let other = Store::open(&directory.path().join("deep/cache")).expect("store");
    let lock = store.lock(&key("a")).expect("lock");
    let (sender, receiver) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let lock = other.lock(&key("a")).expect("lock");
        sender.send("has it").expect("sent");
        drop(lock);
    });
    assert!(receiver.recv_timeout(std::time::Duration::from_millis(50)).is_err());
    drop(lock);
    assert_eq!(receiver.recv().expect("received"), "has it");
    waiter.join().expect("thread");
}

#[test]
fn a_cache_that_is_a_file_or_a_link_is_refused() {
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("file");
    fs::write(&file, "").expect("file");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/", &link).expect("link");
    for path in [file, link] {
        let error = Store::open(&path).expect_err("refused");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn what_has_been_checked_is_forgotten_before_it_grows_without_end() {
    let (_directory, store) = store();
    let identity = Identity { device: 0, inode: 0, size: 0, modified: (0, 0) };
    for number in 0..=CHECKED_MAX {
        store.remember(&key(&number.to_string()), identity);
    }
    assert_eq!(store.checked().len(), 1);
}

#[test]
fn keys_have_locks_of_their_own_that_leave_no_file() {
    let (directory, store) = store();
    let locks = directory.path().join("deep/cache").join(LOCKS);
    let (one, other) = (Key(format!("ab{}", "0".repeat(62))), Key(format!("ab{}", "1".repeat(62))));
    let first = store.lock(&one).expect("lock");
    let second = store.lock(&other).expect("a key that begins alike doesn't wait");
    assert!(Lock::is_held(&locks.join(&one.0)).expect("look"));
    drop((first, second));
    assert_eq!(fs::read_dir(&locks).expect("locks").count(), 0);
}
