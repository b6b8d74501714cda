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

    /// Every file that is kept.
    fn kept(&self) -> BTreeMap<String, String> {
        let names = names(&self.places.kept).unwrap().into_iter();
        let text = |name: &str| std::fs::read_to_string(self.places.kept.join(name)).unwrap();
        names.map(|name| (name.clone(), text(&name))).collect()
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
fn what_can_not_be_removed_or_written_is_named_and_holds_up_nothing_else() {
    let world = World::new();
    world.publish(&[1, 2, 3]);
    world.wants(&[1, 2, 3]);
    let stuck = world.places.kept.join("0-a-directory");
    let in_the_way = world.places.kept.join(key(4).0);
    std::fs::create_dir(&stuck).unwrap();
    std::fs::create_dir(&in_the_way).unwrap();
    world.publish(&[3, 4, 5]);
    let error = format!("{:#}", keep(&world.places).unwrap_err());
    assert!(error.contains(&key(4).0), "the first that failed: {error}");
    for path in [&stuck, &in_the_way] {
        assert!(path.is_dir(), "{}", path.display());
    }
    std::fs::remove_dir(&in_the_way).unwrap();
    let error = format!("{:#}", keep(&world.places).unwrap_err());
    assert!(error.contains("0-a-directory"), "{error}");
    std::fs::remove_dir(&stuck).unwrap();
    assert_eq!(world.kept(), [3, 4, 5].map(key).into(), "all else was done at once");
}

#[test]
fn what_others_put_there_is_never_opened() {
    let world = World::new();
    world.publish(&[1]);
    let kept = &world.places.kept;
    std::fs::create_dir_all(kept).unwrap();
    // Who opens a pipe waits for its other end.
    for name in ["somebody's", &key(1).0, &key(2).0] {
        let made = std::process::Command::new("mkfifo").arg(kept.join(name)).status().unwrap();
        assert!(made.success());
    }
    world.wants(&[1]);
}

#[test]
fn a_link_under_a_keys_name_becomes_a_file() {
    let world = World::new();
    world.publish(&[1]);
    world.wants(&[1]);
    let (name, text) = key(1);
    let (place, elsewhere) = (world.places.kept.join(name), world.places.kept.with_file_name("elsewhere"));
    std::fs::write(&elsewhere, text).unwrap();
    std::fs::remove_file(&place).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &place).unwrap();
    world.wants(&[1]);
    assert!(std::fs::symlink_metadata(&place).unwrap().is_file());
}

#[test]
fn what_is_longer_than_a_key_is_none_and_is_not_kept() {
    let world = World::new();
    world.publish(&[1]);
    world.wants(&[1]);
    let (name, text) = key(1);
    // A key's text may have notes behind it, within its size.
    let long = format!("{text}{}", "\n".repeat(KEY_SIZE_BYTES_MAX));
    std::fs::write(world.places.kept.join(name), &long).unwrap();
    std::fs::write(world.places.published.join(key(2).0), &long).unwrap();
    std::fs::write(world.places.published.join(key(3).0), b"\xff\xfe").unwrap();
    let taken = read(&world.places.published.join(key(2).0)).unwrap().len();
    assert_eq!(taken, KEY_SIZE_BYTES_MAX + 1, "and no more of it is read");
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
