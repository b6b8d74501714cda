//! The node's keys against published ones, in temporary directories: what comes, what goes, what stays.
#![allow(clippy::unwrap_used)]

use super::*;
use morph_grant::SigningKey;
use proptest::prelude::*;
use rand::SeedableRng as _;

struct World {
    _root: tempfile::TempDir,
    places: Places,
}

fn key(seed: u64) -> (String, String) {
    let key = SigningKey::generate(&mut rand::rngs::StdRng::seed_from_u64(seed)).public();
    (format!("{}{SUFFIX}", key.id()), key.to_pem().unwrap())
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let places = Places { published: root.path().join("published"), kept: root.path().join("etc/keys") };
        std::fs::create_dir(&places.published).unwrap();
        Self { _root: root, places }
    }

    /// As the kubelet does it: a new directory, then one rename of a link.
    fn publish(&self, seeds: &[u64]) {
        let directory = &self.places.published;
        let data = directory.join(format!("..{}", seeds.iter().map(u64::to_string).collect::<String>()));
        std::fs::create_dir_all(&data).unwrap();
        let wanted: BTreeMap<_, _> = seeds.iter().map(|seed| key(*seed)).collect();
        for (name, text) in &wanted {
            std::fs::write(data.join(name), text).unwrap();
        }
        for name in names(directory).unwrap() {
            std::fs::remove_file(directory.join(name)).unwrap();
        }
        for name in wanted.keys() {
            std::os::unix::fs::symlink(data.join(name), directory.join(name)).unwrap();
        }
    }

    fn kept(&self) -> BTreeMap<String, String> {
        let all = found(&self.places.kept).unwrap();
        all.into_iter().map(|(name, text)| (name, text.unwrap())).collect()
    }

    fn wants(&self, seeds: &[u64]) {
        assert_eq!(keep(&self.places).unwrap(), seeds.len());
        assert_eq!(self.kept(), seeds.iter().map(|seed| key(*seed)).collect());
    }
}

#[test]
fn the_nodes_keys_follow_the_published_ones() {
    let world = World::new();
    for seeds in [&[1][..], &[1, 2], &[2], &[2, 3, 4], &[1]] {
        world.publish(seeds);
        world.wants(seeds);
        world.wants(seeds);
    }
}

#[test]
fn what_was_left_or_put_there_by_others_goes() {
    let world = World::new();
    world.publish(&[1]);
    world.wants(&[1]);
    let (own, text) = key(1);
    let (foreign, foreign_text) = key(9);
    std::fs::write(world.places.kept.join(foreign), foreign_text).unwrap();
    std::fs::write(world.places.kept.join(format!("{own}{UNFINISHED}")), "half").unwrap();
    std::fs::write(world.places.kept.join(&own), &text[..20]).unwrap();
    world.wants(&[1]);
}

#[test]
fn a_key_that_stays_is_not_written_again() {
    use std::os::unix::fs::MetadataExt as _;
    let world = World::new();
    world.publish(&[1]);
    world.wants(&[1]);
    let inode = || std::fs::metadata(world.places.kept.join(key(1).0)).unwrap().ino();
    let before = inode();
    world.publish(&[1, 2]);
    world.wants(&[1, 2]);
    assert_eq!(inode(), before);
}

#[test]
fn what_is_no_key_or_anothers_never_reaches_the_node() {
    let world = World::new();
    world.publish(&[1]);
    let (name, _) = key(2);
    std::fs::write(world.places.published.join(&name), key(3).1).unwrap();
    std::fs::write(world.places.published.join("nonsense.pem"), "not a key").unwrap();
    std::fs::write(world.places.published.join("denials.crt"), "a certificate").unwrap();
    world.wants(&[1]);
}

#[test]
fn a_mount_that_is_not_there_removes_nothing() {
    let world = World::new();
    world.publish(&[1]);
    world.wants(&[1]);
    let away = Places { published: "/nowhere/at/all".into(), ..world.places.clone() };
    assert!(keep(&away).is_err());
    assert_eq!(world.kept().len(), 1);
}

#[test]
fn keys_are_readable_and_their_owner_alone_writes() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    world.publish(&[1]);
    world.wants(&[1]);
    let mode = std::fs::metadata(world.places.kept.join(key(1).0)).unwrap().permissions().mode();
    assert_eq!(mode & 0o022, 0, "{mode:o}");
    assert_eq!(mode & 0o400, 0o400, "{mode:o}");
}

#[tokio::test(start_paused = true)]
async fn the_agent_is_ready_with_its_first_key_and_follows_later_ones() {
    let world = World::new();
    let (health, stop) = (Arc::new(Health::default()), CancellationToken::new());
    let looking = tokio::spawn(run(world.places.clone(), Arc::clone(&health), stop.clone()));
    let pause = || tokio::time::sleep(Duration::from_millis(3 * LOOK_MS));
    pause().await;
    assert!(!health.is_ready(), "nothing is published");
    world.publish(&[1]);
    pause().await;
    assert!(health.is_ready() && world.kept().contains_key(&key(1).0));
    world.publish(&[2]);
    pause().await;
    assert_eq!(world.kept(), BTreeMap::from([key(2)]));
    stop.cancel();
    looking.await.unwrap().unwrap();
}

proptest! {
    #[test]
    fn any_directory_becomes_the_wanted_one(
        wanted in prop::collection::btree_map("[a-c]", "[xy]", 0..4),
        found in prop::collection::btree_map("[a-e]", prop::option::of("[xy]"), 0..6),
    ) {
        let changes = changes(&wanted, &found);
        let mut after = found.clone();
        for name in &changes.remove {
            after.remove(name);
        }
        for (name, text) in &changes.write {
            prop_assert!(found.get(name) != Some(&Some(text.clone())), "nothing is written twice");
            after.insert(name.clone(), Some(text.clone()));
        }
        let wanted: BTreeMap<_, _> = wanted.into_iter().map(|(name, text)| (name, Some(text))).collect();
        prop_assert_eq!(after, wanted);
    }
}
