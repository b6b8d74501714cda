//! Tests of a document's own logic: what contradicts itself, where, and what is merely unusual.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::samples::document;
use proptest::prelude::*;

/// The sample with a second component that has no rights.
fn with_plug() -> Document {
    let mut document = document();
    let plug = Component {
        name: "clock".into(),
        grants: Grants::default(),
        limits: Limits::default(),
        ..document.components[0].clone()
    };
    document.components.push(plug);
    document
}

fn grant(volume: &str, path: &str, access: Access) -> FilesystemGrant {
    FilesystemGrant { volume: volume.into(), path: path.into(), sub_path: None, access }
}

fn mount(volume: &str, read_only: bool) -> Mount {
    let destination = format!("/.morph/volumes/{volume}");
    Mount { volume: volume.into(), destination, read_only, ..document().mounts[0].clone() }
}

#[track_caller]
fn check_passes(change: impl FnOnce(&mut Document)) {
    let mut document = with_plug();
    change(&mut document);
    assert_eq!(document.check(), Ok(()));
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut Document), wanted: &DocumentError) {
    let mut document = with_plug();
    change(&mut document);
    assert_eq!(document.check().as_ref(), Err(wanted));
}

#[test]
fn the_first_component_is_the_one_that_runs() {
    assert_eq!(with_plug().main().unwrap().name, "weather");
    assert_eq!(Document { components: vec![], ..document() }.main(), None);
}

#[test]
fn a_component_has_no_rights_that_were_not_written_down() {
    let text = format!("{{\"name\":\"a\",\"manifest\":\"{0}\",\"content\":\"{0}\"}}", crate::Digest::of(b""));
    let component: Component = serde_json::from_str(&text).unwrap();
    assert_eq!(component.grants, Grants::default());
    assert_eq!((component.limits.memory_bytes, component.links), (None, vec![]));
}

#[test]
fn a_digest_is_not_optional() {
    for missing in ["manifest", "content", "name"] {
        let mut value = serde_json::to_value(&document().components[0]).unwrap();
        value.as_object_mut().unwrap().remove(missing);
        let error = serde_json::from_value::<Component>(value).unwrap_err().to_string();
        assert!(error.contains(&format!("missing field `{missing}`")), "{error}");
    }
}

#[test]
fn one_volume_may_be_granted_under_several_paths() {
    check_passes(|d| d.components[0].grants.filesystem.push(grant("data", "/more", Access::ReadOnly)));
    check_passes(|d| d.components[1].grants.filesystem.push(grant("data", "/data", Access::ReadOnly)));
}

#[test]
fn one_path_is_granted_once_to_a_component() {
    let twice = DocumentError::Twice { list: "grants.filesystem", name: "/data".into() };
    check_refused(
        |d| d.components[0].grants.filesystem.push(grant("data", "/data", Access::ReadOnly)),
        &twice,
    );
}

#[test]
fn a_second_components_grants_are_looked_at_as_the_firsts() {
    let missing = DocumentError::NoMount { volume: "other".into() };
    check_refused(
        |d| d.components[1].grants.filesystem.push(grant("other", "/a", Access::ReadOnly)),
        &missing,
    );
    let wrong = DocumentError::Path { path: "a".into() };
    check_refused(|d| d.components[1].grants.filesystem.push(grant("data", "a", Access::ReadOnly)), &wrong);
    let read_only = DocumentError::ReadOnlyMount { volume: "more".into() };
    check_refused(
        |d| {
            d.mounts.push(mount("more", true));
            d.components[1].grants.filesystem.push(grant("more", "/a", Access::ReadWrite));
        },
        &read_only,
    );
}

#[test]
fn a_read_only_mount_may_be_read() {
    check_passes(|d| {
        d.mounts.push(mount("more", true));
        d.components[1].grants.filesystem.push(grant("more", "/a", Access::ReadOnly));
    });
    check_passes(|d| d.components[0].grants.filesystem[0].access = Access::ReadOnly);
}

#[test]
fn a_mount_that_nobody_is_granted_is_nobodys() {
    check_passes(|d| d.mounts.push(mount("more", false)));
}

#[test]
fn two_mounts_have_two_names_and_two_places() {
    let name = DocumentError::Twice { list: "mounts", name: "data".into() };
    check_refused(
        |d| {
            d.mounts.push(Mount { destination: "/.morph/volumes/else".into(), ..d.mounts[0].clone() });
        },
        &name,
    );
    let place = DocumentError::Twice { list: "mounts", name: "/.morph/volumes/data".into() };
    check_refused(|d| d.mounts.push(Mount { volume: "else".into(), ..d.mounts[0].clone() }), &place);
}

#[test]
fn a_variable_comes_from_one_place() {
    let twice = |name: &str| DocumentError::Twice { list: "env", name: name.into() };
    check_refused(|d| d.env.push(d.env[0].clone()), &twice("LOG"));
    check_refused(|d| d.env_references.push("CITY".into()), &twice("CITY"));
    check_refused(|d| d.env_references.push("LOG".into()), &twice("LOG"));
    check_passes(|d| d.env_references.push("log".into()));
}

#[test]
fn a_name_that_no_environment_can_hold_is_refused_wherever_it_comes_from() {
    for name in ["", "=", "A=B", "=A", "A\0", "\0"] {
        let wrong = DocumentError::EnvName { name: name.into() };
        check_refused(|d| d.env[0].name = name.into(), &wrong);
        check_refused(|d| d.env_references[0] = name.into(), &wrong);
    }
    for name in ["a.b-c", "é", "_", " "] {
        check_passes(|d| d.env[0].name = name.into());
    }
}

#[test]
fn a_value_may_be_any_text() {
    for value in ["", "$(X)", "a=b", "\n", "☠"] {
        check_passes(|d| d.env[0].value = value.into());
        check_passes(|d| d.args = vec![value.into(); 3]);
    }
}

#[test]
fn a_link_leads_to_another_component_of_the_document() {
    let link = |to: &str| Link { interface: "acme:clock/now@0.1.0".parse().unwrap(), to: to.into() };
    check_passes(|d| d.components[0].links.push(link("clock")));
    let main = DocumentError::Link { to: "weather".into() };
    check_refused(|d| d.components[1].links.push(link("weather")), &main);
    for to in ["weather", "", "Clock", "elsewhere"] {
        check_refused(|d| d.components[0].links.push(link(to)), &DocumentError::Link { to: to.into() });
    }
    check_refused(|d| d.components[1].links.push(link("clock")), &DocumentError::Link { to: "clock".into() });
}

#[test]
fn a_sockets_grant_that_walks_round_an_http_rule_is_refused() {
    let with = |port: u16| {
        move |d: &mut Document| {
            d.components[0].grants.http = Some(crate::samples::http());
            let peer = crate::Peer::Host("api.weather.example".into());
            let rule = crate::ConnectRule {
                peer,
                ports: vec![port],
                protocol: crate::Protocol::Tcp,
                addresses: vec![],
            };
            d.components[0].grants.sockets =
                Some(crate::SocketsGrant { connect: vec![rule], ..crate::SocketsGrant::default() });
        }
    };
    check_passes(with(5432));
    let why = "connect to api.weather.example walks round the http rule for api.weather.example";
    check_refused(with(443), &DocumentError::WalksRound { why: why.into() });
}

#[test]
fn a_path_is_absolute_and_normal() {
    for right in ["/", "/a", "/a/b", "/.a", "/..a", "/a.", "/a b", "/é", "/-", "/a/...", "/~"] {
        check_passes(|d| d.components[0].grants.filesystem[0].path = right.into());
    }
    for wrong in [
        "",
        "a",
        "./a",
        "../a",
        "//",
        "//a",
        "/a/",
        "/a//b",
        "/.",
        "/..",
        "/a/.",
        "/a/..",
        "/../a",
        "/./a",
        " /a",
        "/a\0",
        "/a\0/b",
        "/\n",
        "/a\tb",
        "/a\u{7f}",
        "/\u{85}",
        "/a/\u{1b}[2J",
    ] {
        let error = DocumentError::Path { path: wrong.into() };
        check_refused(|d| d.components[0].grants.filesystem[0].path = wrong.into(), &error);
    }
}

#[test]
fn a_server_has_a_port_and_a_command_has_none() {
    check_refused(|d| d.run = RunType::Command, &DocumentError::Http);
    check_refused(|d| d.http = None, &DocumentError::Http);
    check_passes(|d| (d.run, d.http) = (RunType::Command, None));
    check_refused(|d| d.http.as_mut().unwrap().port = 0, &DocumentError::Port);
}

#[test]
fn another_version_is_refused_before_anything_else_is_looked_at() {
    let wrong = DocumentError::Version { found: 9 };
    check_refused(|d| (d.version, d.components, d.http) = (9, vec![], None), &wrong);
    check_refused(|d| d.components.clear(), &DocumentError::NoComponent);
}

/// Messages are read in a pod's events: each names the field and what stood there.
#[test]
fn every_contradiction_names_its_field_and_what_stood_there() {
    let text = |error: DocumentError| error.to_string();
    for (error, wanted) in [
        (text(DocumentError::Version { found: 7 }), "version 7 is not 1"),
        (text(DocumentError::NoComponent), "components is empty"),
        (text(DocumentError::Http), "http must be set for a Server and for nothing else"),
        (text(DocumentError::Twice { list: "mounts", name: "a".into() }), "mounts: \"a\" stands there twice"),
        (text(DocumentError::EnvName { name: "A=B".into() }), "env: \"A=B\" can't be a variable's name"),
        (text(DocumentError::Link { to: "x".into() }), "links: \"x\" is no other component"),
        (text(DocumentError::NoMount { volume: "v".into() }), "grants.filesystem: volume \"v\" has no mount"),
        (text(DocumentError::ReadOnlyMount { volume: "v".into() }), "\"v\" is mounted read-only"),
        (text(DocumentError::Path { path: "p".into() }), "path \"p\" is not absolute"),
        (text(DocumentError::Port), "http.port is 0"),
        (text(DocumentError::Path { path: "/a\n".into() }), "path \"/a\\n\" is not absolute"),
    ] {
        assert!(error.contains(wanted) && !error.ends_with('.'), "{error}");
    }
}

proptest! {
    #[test]
    fn a_path_that_passes_never_climbs(path in "[/.a]{0,10}") {
        let mut document = document();
        document.components[0].grants.filesystem[0].path = path.clone();
        if document.check().is_ok() {
            let depth = path.split('/').skip(1).filter(|part| !part.is_empty()).count();
            prop_assert!(path == "/" || depth == path.matches('/').count(), "{}", path);
            prop_assert!(path.split('/').all(|part| part != "." && part != ".."), "{}", path);
        }
    }

    #[test]
    fn no_write_access_passes_through_a_read_only_mount(
        mounts in prop::collection::vec(any::<bool>(), 1..4),
        grants in prop::collection::vec((0_usize..4, any::<bool>()), 0..6),
    ) {
        let name = |index: usize| format!("v{index}");
        let mut document = document();
        let made = mounts.iter().enumerate().map(|(i, read_only)| mount(&name(i), *read_only));
        document.mounts = made.collect();
        document.components[0].grants.filesystem = grants.iter().enumerate().map(|(index, (volume, write))| {
            let access = if *write { Access::ReadWrite } else { Access::ReadOnly };
            grant(&name(*volume), &format!("/{index}"), access)
        }).collect();
        let fits = |volume: usize, write: bool| mounts.get(volume).is_some_and(|ro| !(*ro && write));
        let sound = grants.iter().all(|(volume, write)| fits(*volume, *write));
        prop_assert_eq!(document.check().is_ok(), sound);
    }
}
