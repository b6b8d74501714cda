//! Tests of the import check: every row of the table under every grant, and that nothing widens by chance.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::interfaces::{Capability, Entry, PATCH_MAX_0_2, PATCH_MAX_0_3, Track};
use crate::{Access, Ambient, ConfigEntry, FilesystemGrant, KeyvalueGrant, samples};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn answer(id: &str, grants: &Grants) -> (Answer, String) {
    let one = check_one(&id.parse().unwrap(), grants);
    (one.answer, one.by)
}

fn with_data() -> Grants {
    let data = FilesystemGrant {
        volume: "data".into(),
        path: "/data".into(),
        sub_path: None,
        access: Access::ReadOnly,
    };
    Grants { filesystem: vec![data], ..Grants::default() }
}

fn with_environment() -> Grants {
    Grants { environment: true, ..Grants::default() }
}

/// Grants with one capability alone.
fn with(capability: Capability) -> Grants {
    let none = Grants::default();
    match capability {
        Capability::Http => Grants { http: Some(samples::http()), ..none },
        Capability::Filesystem => with_data(),
        Capability::Sockets => Grants { sockets: Some(samples::sockets()), ..none },
        Capability::Keyvalue => {
            Grants { keyvalue: vec![KeyvalueGrant { bucket: "cache".into(), max_bytes: 1 << 20 }], ..none }
        }
        Capability::Logging => Grants { logging: true, ..none },
        Capability::Config => {
            let entry = ConfigEntry { key: "units".into(), value: Some("metric".into()), file: None };
            Grants { config: vec![entry], ..none }
        }
        Capability::Environment => with_environment(),
    }
}

fn with_all() -> Grants {
    Grants {
        http: with(Capability::Http).http,
        sockets: with(Capability::Sockets).sockets,
        keyvalue: with(Capability::Keyvalue).keyvalue,
        config: with(Capability::Config).config,
        logging: true,
        environment: true,
        ..with_data()
    }
}

/// The id of a row at one of its versions.
fn id(row: &Entry, patch: u64) -> String {
    id_of(row.interface, row.track, patch)
}

fn id_of(interface: &str, track: Track, patch: u64) -> String {
    match track {
        Track::V0_2 => format!("{interface}@0.2.{patch}"),
        Track::V0_3 => format!("{interface}@0.3.{patch}"),
        Track::Exact("") => interface.to_owned(),
        Track::Exact(version) => format!("{interface}@{version}"),
    }
}

fn patch_max(row: &Entry) -> u64 {
    match row.track {
        Track::V0_2 => PATCH_MAX_0_2,
        Track::V0_3 => PATCH_MAX_0_3,
        Track::Exact(_) => 0,
    }
}

#[test]
fn without_grants_only_the_ambient_set_is_answered() {
    let none = Grants::default();
    for id in ["wasi:cli/stdout@0.2.3", "wasi:clocks/wall-clock@0.2.0", "wasi:random/random@0.3.0"] {
        assert_eq!(answer(id, &none), (Answer::Ambient, "every Morph may".into()), "{id}");
    }
    for id in ["wasi:io/streams@0.2.3", "wasi:filesystem/types@0.3.0", "wasi:http/types@0.2.9"] {
        assert_eq!(answer(id, &none), (Answer::Ambient, "types only".into()), "{id}");
    }
}

#[test]
fn preopens_and_environment_are_empty_until_something_is_granted() {
    let (state, why) = answer("wasi:filesystem/preopens@0.2.0", &Grants::default());
    assert_eq!(state, Answer::Ambient);
    assert!(why.contains("capabilities.filesystem"), "{why}");
    let given = answer("wasi:filesystem/preopens@0.2.0", &with_data());
    assert_eq!(given, (Answer::Granted, "capabilities.filesystem".into()));
    let (state, why) = answer("wasi:cli/environment@0.2.0", &with_data());
    assert_eq!((state, why.contains("no args")), (Answer::Ambient, true), "{why}");
    assert_eq!(answer("wasi:cli/environment@0.3.0", &with_environment()).0, Answer::Granted);
}

#[test]
fn what_has_no_grant_and_strangers_are_denied_whatever_is_granted() {
    for id in ["wasi:http/handler@0.3.0", "acme:own/thing@1.0.0", "wasi:blobstore/blobstore@0.2.0-draft"] {
        assert_eq!(answer(id, &with_all()).0, Answer::Denied, "{id}");
    }
}

#[test]
fn what_takes_a_grant_is_denied_by_the_name_of_its_field() {
    for (id, field) in [
        ("wasi:http/outgoing-handler@0.2.3", "no capabilities.http"),
        ("wasi:sockets/types@0.3.0", "no capabilities.sockets"),
        ("wasi:keyvalue/store@0.2.0-draft", "no capabilities.keyvalue"),
        ("wasi:logging/logging", "no capabilities.logging"),
        ("wasi:config/store@0.2.0-rc.1", "no config"),
    ] {
        assert_eq!(answer(id, &Grants::default()), (Answer::Denied, field.to_owned()), "{id}");
    }
}

#[test]
fn what_is_withheld_is_denied_and_the_rest_stays() {
    for ambient in Ambient::ALL {
        let grants = Grants { withheld: vec![ambient], ..with_all() };
        for row in TABLE {
            let id = id(row, 0);
            let (state, why) = answer(&id, &grants);
            if row.need == Need::Ambient(ambient) {
                assert_eq!(
                    (state, why),
                    (Answer::Denied, format!("withheld by withhold: {ambient:?}")),
                    "{id}"
                );
            } else {
                assert_eq!((state, why), answer(&id, &with_all()), "{id}");
            }
        }
        let withheld = TABLE.iter().filter(|row| row.need == Need::Ambient(ambient)).count();
        assert!(withheld > 0, "{ambient:?} withholds nothing");
    }
}

/// What every interface is answered without a grant, and with all: a change of anybody's rights is a change
/// of this list. Those of one answer stand together, as 0.2, 0.3 or both.
const RIGHTS: [(&str, &str, &[Track]); 42] = [
    ("granted or empty", "wasi:cli/environment", BOTH),
    ("granted or empty", "wasi:filesystem/preopens", BOTH),
    ("everybody's", "wasi:cli/exit", BOTH),
    ("everybody's", "wasi:cli/stderr", BOTH),
    ("everybody's", "wasi:cli/stdin", BOTH),
    ("everybody's", "wasi:cli/stdout", BOTH),
    ("everybody's", "wasi:cli/terminal-stderr", BOTH),
    ("everybody's", "wasi:cli/terminal-stdin", BOTH),
    ("everybody's", "wasi:cli/terminal-stdout", BOTH),
    ("everybody's", "wasi:clocks/monotonic-clock", BOTH),
    ("everybody's", "wasi:clocks/system-clock", P3),
    ("everybody's", "wasi:clocks/wall-clock", P2),
    ("everybody's", "wasi:random/insecure", BOTH),
    ("everybody's", "wasi:random/insecure-seed", BOTH),
    ("everybody's", "wasi:random/random", BOTH),
    ("types", "wasi:cli/terminal-input", BOTH),
    ("types", "wasi:cli/terminal-output", BOTH),
    ("types", "wasi:cli/types", P3),
    ("types", "wasi:clocks/types", P3),
    ("types", "wasi:filesystem/types", BOTH),
    ("types", "wasi:http/types", BOTH),
    ("types", "wasi:io/error", P2),
    ("types", "wasi:io/poll", P2),
    ("types", "wasi:io/streams", P2),
    ("types", "wasi:sockets/network", P2),
    ("types", "wasi:sockets/tcp", P2),
    ("types", "wasi:sockets/udp", P2),
    ("granted", "wasi:config/store", &[Track::Exact("0.2.0-rc.1")]),
    ("granted", "wasi:http/client", P3),
    ("granted", "wasi:http/outgoing-handler", P2),
    ("granted", "wasi:keyvalue/atomics", &[Track::Exact("0.2.0-draft")]),
    ("granted", "wasi:keyvalue/batch", &[Track::Exact("0.2.0-draft")]),
    ("granted", "wasi:keyvalue/store", &[Track::Exact("0.2.0-draft")]),
    ("granted", "wasi:logging/logging", &[Track::Exact(""), Track::Exact("0.1.0-draft")]),
    ("granted", "wasi:sockets/instance-network", P2),
    ("granted", "wasi:sockets/ip-name-lookup", BOTH),
    ("granted", "wasi:sockets/tcp-create-socket", P2),
    ("granted", "wasi:sockets/types", P3),
    ("granted", "wasi:sockets/udp-create-socket", P2),
    ("nobody's", "wasi:http/handler", P3),
    // Interfaces of WASI that the host doesn't have; they stand here so that taking them up is seen.
    ("nobody's", "wasi:blobstore/blobstore", P2),
    ("nobody's", "wasi:messaging/producer", P2),
];

const P2: &[Track] = &[Track::V0_2];
const P3: &[Track] = &[Track::V0_3];
const BOTH: &[Track] = &[Track::V0_2, Track::V0_3];

#[test]
fn everybodys_rights_are_the_listed_ones() {
    for (right, interface, tracks) in RIGHTS {
        let wanted = match right {
            "granted or empty" => (Answer::Ambient, Answer::Granted),
            "granted" => (Answer::Denied, Answer::Granted),
            "nobody's" => (Answer::Denied, Answer::Denied),
            _ => (Answer::Ambient, Answer::Ambient),
        };
        for track in tracks {
            let id = id_of(interface, *track, 0);
            let (without, why) = answer(&id, &Grants::default());
            assert_eq!((without, answer(&id, &with_all()).0), wanted, "{id}");
            match right {
                "types" => assert_eq!(why, "types only", "{id}"),
                "everybody's" => assert_eq!(why, "every Morph may", "{id}"),
                "granted or empty" => assert!(why.starts_with("answers with nothing: no "), "{id}: {why}"),
                _ => assert!(!why.is_empty(), "{id}"),
            }
        }
    }
}

#[test]
fn every_row_of_the_table_is_in_the_list_of_rights() {
    let listed: BTreeSet<(&str, Track)> =
        RIGHTS.iter().flat_map(|(_, name, tracks)| tracks.iter().map(|track| (*name, *track))).collect();
    for row in TABLE {
        assert!(listed.contains(&(row.interface, row.track)), "{row:?} is in no list");
    }
}

#[test]
fn one_grant_answers_its_own_interfaces_and_no_other() {
    for capability in Capability::ALL {
        for row in TABLE {
            let id = id(row, 0);
            let changed = answer(&id, &with(capability)) != answer(&id, &Grants::default());
            let own = matches!(row.need, Need::Grant(c) | Need::EmptyWithout(c) if c == capability);
            assert_eq!(changed, own, "{id} with {}", capability.field());
        }
    }
}

#[test]
fn every_served_patch_is_answered_alike_and_the_next_is_refused() {
    for row in TABLE {
        let first = answer(&id(row, 0), &with_all());
        for patch in 1..=patch_max(row) {
            assert_eq!(answer(&id(row, patch), &with_all()), first, "{}", id(row, patch));
        }
        if matches!(row.track, Track::Exact(_)) {
            continue;
        }
        let next = id(row, patch_max(row) + 1);
        let (state, why) = answer(&next, &with_all());
        assert_eq!(state, Answer::Denied, "{next}");
        assert!(why.starts_with("this version isn't served; served: 0."), "{next}: {why}");
    }
}

#[test]
fn a_version_that_is_not_served_names_those_that_are() {
    let (state, why) = answer("wasi:cli/stdout@0.2.99", &Grants::default());
    assert_eq!(state, Answer::Denied);
    assert!(why.contains("0.2.0 to 0.2.12, 0.3.0"), "{why}");
    for (id, served) in [
        ("wasi:io/streams@0.3.0", "0.2.0 to 0.2.12"),
        ("wasi:clocks/system-clock@0.2.0", "0.3.0"),
        ("wasi:http/client@0.2.0", "0.3.0"),
    ] {
        let wanted = format!("this version isn't served; served: {served}");
        assert_eq!(answer(id, &with_all()), (Answer::Denied, wanted), "{id}");
    }
}

#[test]
fn a_version_of_another_kind_is_denied_for_every_interface() {
    for row in TABLE {
        for version in ["", "@0.1.0", "@0.4.0", "@1.0.0", "@1.2.0", "@0.2.0-rc.1", "@0.3.0-rc-2025-09-16"] {
            let id = format!("{}{version}", row.interface);
            if TABLE.iter().any(|other| id_of(other.interface, other.track, 0) == id) {
                continue; // a draft of that very name
            }
            assert_eq!(answer(&id, &with_all()).0, Answer::Denied, "{id}");
        }
    }
}

#[test]
fn a_stranger_is_denied_in_the_same_words_whatever_it_looks_like() {
    for id in [
        "acme:own/thing@1.0.0",
        "acme:own/thing",
        "wasi:cli/run@0.2.0",
        "wasi:cli/std-out@0.2.0",
        "wasi:cli/stdouts@0.2.0",
        "wasi:clis/stdout@0.2.0",
        "wasi2:cli/stdout@0.2.0",
        "wasi:io/stdout@0.2.0",
        "hayride:ai/model@0.0.60",
    ] {
        let wanted = (Answer::Denied, "the host doesn't know this interface".to_owned());
        assert_eq!(answer(id, &with_all()), wanted, "{id}");
    }
}

#[test]
fn every_import_is_answered_once_and_in_order() {
    let ids: Vec<InterfaceId> =
        ["acme:b/c@1.0.0", "wasi:cli/stdout@0.2.0", "acme:b/c@1.0.0"].map(|t| t.parse().unwrap()).into();
    let answered = check(&ids, &Grants::default());
    assert_eq!(answered.iter().map(|a| a.interface.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(answered.iter().filter(|a| a.is_denied()).count(), 2);
    assert_eq!(check(&[], &with_all()), []);
}

#[test]
fn an_answer_is_spelt_as_status_has_it() {
    let words: Vec<_> = [Answer::Granted, Answer::Ambient, Answer::Plug, Answer::Denied]
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(words, ["Granted", "Ambient", "Plug", "Denied"]);
}

/// How much an answer lets through.
fn width(answer: Answer) -> u8 {
    match answer {
        Answer::Denied => 0,
        Answer::Ambient => 1,
        Answer::Granted | Answer::Plug => 2,
    }
}

fn any_grants() -> impl Strategy<Value = Grants> {
    (prop::collection::btree_set("(/[a-z]{1,4}){1,2}", 0..4), any::<bool>(), any::<bool>()).prop_map(
        |(paths, environment, write)| {
            let access = if write { Access::ReadWrite } else { Access::ReadOnly };
            let grant = |path| FilesystemGrant { volume: "data".into(), path, sub_path: None, access };
            Grants { filesystem: paths.into_iter().map(grant).collect(), environment, ..Grants::default() }
        },
    )
}

/// Ids near those of the table: its own at some version, or with one part changed.
fn any_id() -> impl Strategy<Value = String> {
    let row = prop::sample::select(TABLE);
    let version = prop_oneof![
        Just(String::new()),
        (0_u64..3, 0_u64..5, 0_u64..20).prop_map(|(major, minor, patch)| format!("@{major}.{minor}.{patch}")),
        (2_u64..4, 0_u64..14).prop_map(|(minor, patch)| format!("@0.{minor}.{patch}")),
    ];
    let tail = prop_oneof![9 => Just(String::new()), 1 => "[a-z]{1,3}"];
    (row, tail, version).prop_map(|(row, tail, version)| format!("{}{tail}{version}", row.interface))
}

proptest! {
    #[test]
    fn taking_a_grant_away_never_widens_an_answer(
        id in any_id(), grants in any_grants(), kept in any::<prop::sample::Index>(),
        environment in any::<bool>(),
    ) {
        let mut fewer = grants.clone();
        fewer.filesystem.truncate(kept.index(grants.filesystem.len() + 1));
        fewer.environment &= environment;
        let (narrow, wide) = (answer(&id, &fewer).0, answer(&id, &grants).0);
        prop_assert!(width(narrow) <= width(wide), "{} with {:?} and {:?}", id, grants, fewer);
    }

    #[test]
    fn no_grant_of_today_turns_a_denial_into_anything_else(id in any_id(), grants in any_grants()) {
        let denied = answer(&id, &Grants::default()).0 == Answer::Denied;
        prop_assert_eq!(answer(&id, &grants).0 == Answer::Denied, denied, "{}", id);
    }

    #[test]
    fn what_is_not_in_the_table_by_name_and_version_is_denied(id in any_id(), grants in any_grants()) {
        let known = TABLE.iter().any(|row| (0..=patch_max(row)).any(|patch| self::id(row, patch) == id));
        prop_assert!(known || answer(&id, &grants).0 == Answer::Denied, "{}", id);
    }

    #[test]
    fn each_import_is_answered_by_itself(
        ids in prop::collection::vec(any_id(), 0..8), grants in any_grants()
    ) {
        let ids: Vec<InterfaceId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        let one_by_one: Vec<Answered> = ids.iter().map(|id| check_one(id, &grants)).collect();
        prop_assert_eq!(check(&ids, &grants), one_by_one);
    }

    #[test]
    fn who_answers_is_said_in_a_few_words(id in any_id(), grants in any_grants()) {
        let by = answer(&id, &grants).1;
        prop_assert!(!by.is_empty() && by.len() <= 253 && !by.ends_with('.'), "{}", by);
    }
}
