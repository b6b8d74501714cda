//! Tests of buckets as instances see them.
#![allow(clippy::unwrap_used, clippy::panic)]
use super::atomics::Host as _;
use super::batch::Host as _;
use super::store::{Host as _, HostBucket as _};
use super::*;
use crate::OnDenial;
use crate::stdio::{Output, Rate};
use morph_grant::KeyvalueGrant;

fn buckets(names: &[&str]) -> Buckets {
    let grant = |name: &&str| KeyvalueGrant { bucket: (*name).into(), max_bytes: 4096 };
    Buckets::new(&Grants { keyvalue: names.iter().map(grant).collect(), ..Grants::default() })
}

/// What one instance does.
fn instance<T>(buckets: &Buckets, act: impl FnOnce(&mut Keyvalue<'_>) -> T) -> T {
    instance_heard(buckets, None, act)
}

/// The same, with somebody who hears of denials.
fn instance_heard<T>(
    buckets: &Buckets,
    heard: Option<OnDenial>,
    act: impl FnOnce(&mut Keyvalue<'_>) -> T,
) -> T {
    let (_reader, writer) = std::io::pipe().unwrap();
    let denials = Denials::new(Output::new(writer.into(), Rate::new(1 << 20)), heard, None);
    act(&mut Keyvalue { buckets, denials: &denials, table: &mut ResourceTable::new() })
}

/// What the guest is told.
fn told(error: Error) -> store::Error {
    instance(&buckets(&[]), |keyvalue| keyvalue.convert_error(error).unwrap())
}

#[test]
fn instances_share_a_bucket_and_buckets_share_nothing() {
    let buckets = buckets(&["cache", "other"]);
    instance(&buckets, |one| {
        let cache = one.open("cache".into()).unwrap();
        one.set(cache, "key".into(), b"value".into()).unwrap();
    });
    instance(&buckets, |two| {
        let (cache, other) = (two.open("cache".into()).unwrap(), two.open("other".into()).unwrap());
        let again = Resource::new_borrow(cache.rep());
        assert_eq!(two.get(cache, "key".into()).unwrap(), Some(b"value".into()));
        assert!(!two.exists(other, "key".into()).unwrap());
        two.delete(again, "key".into()).unwrap();
    });
    instance(&buckets, |three| {
        let cache = three.open("cache".into()).unwrap();
        assert_eq!(three.list_keys(cache, None).unwrap().keys, Vec::<String>::new());
    });
}

#[test]
fn a_bucket_that_is_not_granted_is_not_there() {
    for name in ["", "Cache", "cache ", "other", "../cache"] {
        let opened = instance(&buckets(&["cache"]), |keyvalue| keyvalue.open(name.into()).map(drop));
        assert!(matches!(told(opened.unwrap_err()), store::Error::NoSuchStore), "{name}");
    }
}

#[test]
fn a_bucket_that_is_not_granted_is_told_of_by_its_name() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let heard: OnDenial = Arc::new(move |denial: &Denial| sender.send(denial.clone()).unwrap());
    let opened = instance_heard(&buckets(&["cache"]), Some(heard), |keyvalue| {
        keyvalue.open("cache".into()).unwrap();
        keyvalue.open("other".into()).map(drop)
    });
    assert!(opened.is_err());
    let told: Vec<Denial> = receiver.iter().collect();
    assert_eq!(told, [Denial::new(Capability::Keyvalue, "bucket", "other")]);
}

#[test]
fn a_full_bucket_answers_with_the_interfaces_own_error() {
    let refused = instance(&buckets(&["cache"]), |keyvalue| {
        let cache = keyvalue.open("cache".into()).unwrap();
        keyvalue.set(cache, "key".into(), vec![0; 4096])
    });
    let store::Error::Other(words) = told(refused.unwrap_err()) else { panic!("another error") };
    assert!(words.contains("the bucket is full: it may take 4096 bytes"), "{words}");
}

#[test]
fn increments_of_many_instances_at_once_all_count() {
    let buckets = buckets(&["cache"]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                instance(&buckets, |keyvalue| {
                    let cache = keyvalue.open("cache".into()).unwrap();
                    for _ in 0..100 {
                        let cache = Resource::new_borrow(cache.rep());
                        keyvalue.increment(cache, "n".into(), 1).unwrap();
                    }
                });
            });
        }
    });
    instance(&buckets, |keyvalue| {
        let cache = keyvalue.open("cache".into()).unwrap();
        let many = keyvalue.get_many(cache, vec!["n".into(), "m".into()]).unwrap();
        assert_eq!(many, [Some(("n".into(), b"800".into())), None]);
    });
}

#[test]
fn many_are_set_and_deleted_at_once() {
    let buckets = buckets(&["cache"]);
    instance(&buckets, |keyvalue| {
        let cache = keyvalue.open("cache".into()).unwrap().rep();
        let pairs = ["a", "b", "c"].map(|key| (key.to_owned(), b"1".to_vec()));
        keyvalue.set_many(Resource::new_borrow(cache), pairs.to_vec()).unwrap();
        keyvalue.delete_many(Resource::new_borrow(cache), vec!["a".into(), "x".into(), "c".into()]).unwrap();
        assert_eq!(keyvalue.list_keys(Resource::new_borrow(cache), None).unwrap().keys, ["b"]);
    });
}

#[test]
fn a_handle_that_is_closed_is_a_trap_and_no_word_to_the_guest() {
    let error = instance(&buckets(&["cache"]), |keyvalue| {
        let cache = keyvalue.open("cache".into()).unwrap().rep();
        keyvalue.drop(Resource::new_own(cache)).unwrap();
        let refused = keyvalue.get(Resource::new_borrow(cache), "key".into()).unwrap_err();
        keyvalue.convert_error(refused)
    });
    assert!(error.is_err());
}
