//! Which key signs, which are kept, which are trusted. Pure: keys, names and times are handed in.

use morph_grant::{KeyError, KeyId, PublicKey, TRUSTED_KEYS_MAX};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How old a key is before it signs, in seconds, if an older one can: its public half reaches every node
/// before. The operator sees a new key after two minutes at most (the kubelet's), publishes it within
/// seconds, and nodes have it after two minutes more; the rest is for a kubelet or an operator that is down
/// meanwhile.
pub const OVERLAP_SECONDS: u64 = 600;

/// Keys that a rotation leaves: the new one, and the one that signs until that is old enough.
pub const KEPT_MAX: usize = 2;

/// What the name of a key's file ends with: in the Secret, published, and kept on nodes.
pub const SUFFIX: &str = ".pem";

/// The name of a key in the Secret: when it was made, and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName {
    /// Seconds since 1970. First, so that names sort by age.
    pub made: u64,
    /// Its id.
    pub id: KeyId,
}

impl KeyName {
    /// Reads a name; nothing for one of another kind.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (made, id) = text.strip_suffix(SUFFIX)?.split_once('-')?;
        let plain = !made.is_empty() && made.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self { made: made.parse().ok().filter(|_| plain)?, id: id.parse().ok()? })
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}{SUFFIX}", self.made, self.id)
    }
}

/// The name of a published key.
#[must_use]
pub fn public_name(id: &KeyId) -> String {
    format!("{id}{SUFFIX}")
}

/// Why what is published isn't the key that its name says.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// Its text is something else.
    #[error(transparent)]
    Text(#[from] KeyError),
    /// It is another key.
    #[error("it holds key {found}")]
    Another {
        /// Which.
        found: KeyId,
    },
}

/// The key that is published under this name.
///
/// # Errors
/// It is none, or another one: nobody trusts it.
pub fn published(name: &str, text: &str) -> Result<PublicKey, NoKey> {
    let key = PublicKey::from_pem(text)?;
    let found = key.id();
    if public_name(&found) == name { Ok(key) } else { Err(NoKey::Another { found }) }
}

/// The key that signs now: the newest that is old enough, else the oldest.
#[must_use]
pub fn signs<'a>(names: impl Iterator<Item = &'a KeyName>, now: u64) -> Option<&'a KeyName> {
    let names: BTreeSet<&KeyName> = names.collect();
    let old_enough = |name: &&&KeyName| name.made.saturating_add(OVERLAP_SECONDS) <= now;
    names.iter().rev().find(old_enough).or_else(|| names.first()).copied()
}

/// Names that a rotation at this time takes away, for one key more; or how many seconds are still to wait:
/// who rotates twice in a row would throw away the key that signs.
///
/// # Errors
/// The newest key isn't old enough to sign yet.
pub fn rotate(names: &BTreeSet<KeyName>, now: u64) -> Result<BTreeSet<KeyName>, u64> {
    if let Some(newest) = names.last() {
        let since = now.saturating_sub(newest.made);
        if since < OVERLAP_SECONDS {
            return Err(OVERLAP_SECONDS - since);
        }
    }
    let kept = names.iter().rev().take(KEPT_MAX - 1);
    let kept: BTreeSet<_> = kept.cloned().collect();
    Ok(names.difference(&kept).cloned().collect())
}

/// The keys that nodes trust: those that may sign, and of those published before what a live grant still
/// names.
/// `live` is nothing while that isn't known: then all stay. Own keys come first when there are too many.
#[must_use]
pub fn trusted(
    own: &[PublicKey],
    published: &[PublicKey],
    live: Option<&BTreeSet<KeyId>>,
) -> BTreeMap<KeyId, PublicKey> {
    let mut trusted = BTreeMap::new();
    let used = published.iter().filter(|key| live.is_none_or(|live| live.contains(&key.id())));
    for key in own.iter().chain(used) {
        if trusted.len() == TRUSTED_KEYS_MAX && !trusted.contains_key(&key.id()) {
            break;
        }
        trusted.insert(key.id(), key.clone());
    }
    trusted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use morph_grant::SigningKey;
    use proptest::prelude::*;
    use rand::SeedableRng as _;

    fn public(seed: u64) -> PublicKey {
        SigningKey::generate(&mut rand::rngs::StdRng::seed_from_u64(seed)).public()
    }

    fn name(made: u64) -> KeyName {
        KeyName { made, id: public(made).id() }
    }

    fn names(made: &[u64]) -> BTreeSet<KeyName> {
        made.iter().copied().map(name).collect()
    }

    fn signs_at(made: &[u64], now: u64) -> Option<u64> {
        signs(names(made).iter(), now).map(|name| name.made)
    }

    #[test]
    fn the_newest_key_that_is_old_enough_signs() {
        for (made, now, want) in [
            (&[][..], 0, None),
            (&[100], 100, Some(100)),
            (&[100], 50, Some(100)),
            (&[100, 1_000], 1_000, Some(100)),
            (&[100, 1_000], 1_599, Some(100)),
            (&[100, 1_000], 1_600, Some(1_000)),
            (&[1_000, 1_100], 1_200, Some(1_000)),
            (&[100, 1_000, 1_500], 1_700, Some(1_000)),
            (&[100, u64::MAX], u64::MAX - 1, Some(100)),
        ] {
            assert_eq!(signs_at(made, now), want, "{made:?} at {now}");
        }
    }

    #[test]
    fn names_sort_by_age_and_are_read_as_they_were_written() {
        for made in [0, 9, 10, 1_770_000_000, u64::MAX] {
            let name = name(made);
            assert_eq!(KeyName::parse(&name.to_string()), Some(name));
        }
        assert!(name(9) < name(10) && name(99) < name(1_000));
        let id = public(1).id();
        for other in
            ["denials.crt", "denials.key", "x.pem", "1-x.pem", "-.pem", ".pem", "+1-x.pem", "1.pem", "1-"]
        {
            assert_eq!(KeyName::parse(other), None, "{other}");
        }
        for other in [format!("+1-{id}.pem"), format!("1-{id}"), format!("-{id}.pem"), format!("a-{id}.pem")]
        {
            assert_eq!(KeyName::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn what_is_published_under_anothers_name_is_no_key() {
        let (key, name) = (public(1), public_name(&public(1).id()));
        let pem = key.to_pem().unwrap();
        assert_eq!(published(&name, &pem).unwrap(), key);
        for other in ["denials.crt", "x.pem", "", &public_name(&public(2).id()), &name[..32]] {
            let problem = published(other, &pem).unwrap_err().to_string();
            assert_eq!(problem, format!("it holds key {}", key.id()), "{other}");
        }
        assert!(matches!(published(&name, "nonsense"), Err(NoKey::Text(_))));
    }

    #[test]
    fn a_rotation_leaves_the_key_that_signs() {
        assert_eq!(rotate(&names(&[]), 5), Ok(names(&[])));
        assert_eq!(rotate(&names(&[100]), 1_000), Ok(names(&[])));
        assert_eq!(rotate(&names(&[100, 200]), 1_000), Ok(names(&[100])));
        assert_eq!(rotate(&names(&[1, 2, 3, 200]), 1_000), Ok(names(&[1, 2, 3])));
    }

    #[test]
    fn a_rotation_right_after_another_is_refused_with_the_time_to_wait() {
        assert_eq!(rotate(&names(&[100, 1_000]), 1_000), Err(600));
        assert_eq!(rotate(&names(&[100, 1_000]), 1_590), Err(10));
        assert!(rotate(&names(&[100, 1_000]), 1_600).is_ok());
        assert_eq!(rotate(&names(&[100, 2_000]), 1_000), Err(600), "a clock that went back");
    }

    #[test]
    fn a_key_is_trusted_while_it_may_sign_or_a_grant_names_it() {
        let ids = |trusted: BTreeMap<KeyId, PublicKey>| trusted.into_keys().collect::<BTreeSet<_>>();
        let set = |seeds: &[u64]| seeds.iter().map(|seed| public(*seed).id()).collect::<BTreeSet<_>>();
        let (own, before) = ([public(2)], [public(1), public(2)]);
        assert_eq!(ids(trusted(&own, &before, Some(&set(&[1])))), set(&[1, 2]));
        assert_eq!(ids(trusted(&own, &before, Some(&set(&[])))), set(&[2]));
        assert_eq!(ids(trusted(&own, &before, Some(&set(&[1, 9])))), set(&[1, 2]), "9 was never published");
        assert_eq!(ids(trusted(&own, &before, None)), set(&[1, 2]), "what isn't known removes nothing");
        assert_eq!(ids(trusted(&own, &[], None)), set(&[2]));
    }

    #[test]
    fn there_is_an_end_of_trust_and_own_keys_are_within() {
        let published: Vec<_> = (0..40).map(public).collect();
        let own = [public(100), public(101)];
        let all = trusted(&own, &published, None);
        assert_eq!(all.len(), TRUSTED_KEYS_MAX);
        assert!(own.iter().all(|key| all.contains_key(&key.id())));
    }

    proptest! {
        /// A life of rotations at any times: what signs has been there for the overlap, or is the oldest.
        #[test]
        fn whatever_signs_was_there_long_enough(waits in prop::collection::vec(0_u64..2_000, 1..20)) {
            let mut now = 1_000;
            let mut keys = names(&[now]);
            for wait in waits {
                now += wait;
                if let Ok(dropped) = rotate(&keys, now) {
                    let before = signs(keys.iter(), now).cloned();
                    keys = keys.difference(&dropped).cloned().collect();
                    keys.insert(name(now));
                    prop_assert!(keys.len() <= KEPT_MAX);
                    prop_assert_eq!(signs(keys.iter(), now).cloned(), before, "a rotation changes no signer");
                }
                let signer = signs(keys.iter(), now).unwrap();
                let oldest = keys.first().unwrap();
                prop_assert!(signer.made + OVERLAP_SECONDS <= now || signer == oldest);
            }
        }
    }
}
