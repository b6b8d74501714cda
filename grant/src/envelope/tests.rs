//! What goes in comes out, always as the same text; what is wrong anywhere is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

mod forged;
mod signed;

use super::{ENVELOPE_SIZE_BYTES_MAX, EnvelopeError, PAYLOAD_TYPE, STANDARD, holds};
use crate::samples::{document, key, open, seal, trusted};
use crate::{
    Access, Component, Digest, Document, EnvLiteral, EnvReference, FilesystemGrant, Grants, Http, Limits,
    Link, Reuse, RunType, VolumeKind,
};
use base64::Engine as _;
use proptest::prelude::*;

#[track_caller]
fn check_refused(change: impl FnOnce(&mut Document), wanted: &str) {
    let mut changed = document();
    change(&mut changed);
    let error = seal(&changed).unwrap_err().to_string();
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn what_is_sealed_opens_to_the_same_document_and_text() {
    let text = seal(&document()).unwrap();
    assert_eq!(open(&text).unwrap(), document());
    assert_eq!(seal(&open(&text).unwrap()).unwrap(), text);
}

#[test]
fn a_text_holds_its_own_document_and_no_other_whoever_signed_it() {
    let document = document();
    let other = Document { args: vec!["other".into()], ..document.clone() };
    for signer in [key(1), key(2)] {
        let text = crate::seal(&document, &signer).unwrap();
        assert!(holds(&text, &document) && !holds(&text, &other));
        assert!(!holds(&text.replace(PAYLOAD_TYPE, "text/plain"), &document));
        assert!(!holds(&text.replace("\"signatures\":[", "\"signatures\":[],\"more\":["), &document));
    }
    for text in ["", "{}", "nonsense"] {
        assert!(!holds(text, &document), "{text}");
    }
}

#[test]
fn a_document_that_contradicts_itself_is_not_sealed() {
    check_refused(|d| d.version = 2, "version 2 is not 1");
    check_refused(|d| d.components.clear(), "components is empty");
    check_refused(|d| d.http = None, "http must be set");
    check_refused(|d| d.run = RunType::Command, "http must be set");
    check_refused(|d| d.mounts.clear(), "volume \"data\" has no mount");
    check_refused(|d| d.mounts[0].read_only = true, "mounted read-only and granted ReadWrite");
    check_refused(
        |d| d.components.push(d.components[0].clone()),
        "components: \"weather\" stands there twice",
    );
    check_refused(|d| d.mounts.push(d.mounts[0].clone()), "mounts: \"data\" stands there twice");
    check_refused(|d| d.env.push(d.env[0].clone()), "env: \"LOG\" stands there twice");
    check_refused(|d| d.env_references.push("LOG".into()), "env: \"LOG\" stands there twice");
    for name in ["", "A=B", "A\0B"] {
        check_refused(|d| d.env[0].name = name.into(), "can't be a variable's name");
        check_refused(|d| d.env_references[0] = name.into(), "can't be a variable's name");
    }
    for to in ["clock", "weather"] {
        let link = Link { interface: "acme:clock/now@0.1.0".parse().unwrap(), to: to.into() };
        check_refused(|d| d.components[0].links.push(link), "is no other component");
    }
    for path in ["data", "", "//", "/data/", "/a//b", "/a/../b", "/./a"] {
        check_refused(|d| d.components[0].grants.filesystem[0].path = path.into(), "is not absolute");
    }
}

#[test]
fn an_envelope_beyond_its_bound_is_refused_on_both_sides() {
    check_refused(|d| d.args = vec!["x".repeat(ENVELOPE_SIZE_BYTES_MAX)], "at most 131072 fit");
    let error = open(&"x".repeat(ENVELOPE_SIZE_BYTES_MAX + 1)).unwrap_err();
    assert!(
        matches!(error, EnvelopeError::TooLarge { size } if size == ENVELOPE_SIZE_BYTES_MAX + 1),
        "{error}"
    );
}

#[test]
fn a_text_that_seal_would_not_write_is_refused() {
    let text = seal(&document()).unwrap();
    let spaced = text.replacen(':', ": ", 1);
    assert!(matches!(open(&spaced), Err(EnvelopeError::NotCanonical)));
    let other = text.replace(PAYLOAD_TYPE, "text/plain");
    assert!(matches!(open(&other), Err(EnvelopeError::PayloadType { found }) if found == "text/plain"));
    let extra = text.replacen('{', "{\"more\":1,", 1);
    assert!(matches!(open(&extra), Err(EnvelopeError::Malformed(_))));
    for cut in 0..text.len() {
        assert!(open(&text[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_payload_with_an_unknown_field_is_refused() {
    let text = seal(&document()).unwrap();
    let envelope: serde_json::Value = serde_json::from_str(&text).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let mut payload: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    payload["components"][0]["grants"]["everything"] = serde_json::json!({});
    let forged = forged::wrap_bytes(payload.to_string().as_bytes());
    assert!(matches!(open(&forged), Err(EnvelopeError::Payload(_))));
}

#[test]
fn any_flipped_bit_of_the_text_is_refused() {
    let text = seal(&document()).unwrap();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(flipped) = String::from_utf8(bytes) else { continue };
        assert!(open(&flipped).is_err(), "byte {at}");
    }
}

type Change = fn(&mut Document);

/// What is bound of components beside the first.
const OF_PLUGS: [(&str, Change); 3] = [
    ("links", |d| {
        let main = d.components[0].clone();
        let limits = Limits::default();
        d.components.push(Component { name: "clock".into(), links: vec![], limits, ..main });
        d.components[0].links =
            vec![Link { interface: "acme:clock/now@0.1.0".parse().unwrap(), to: "clock".into() }];
    }),
    ("a plug's env", |d| {
        let main = d.components[0].clone();
        let env = vec![EnvLiteral { name: "LOG".into(), value: "1".into() }];
        d.components.push(Component { name: "p".into(), env, limits: Limits::default(), ..main });
    }),
    ("a plug's references", |d| {
        let main = d.components[0].clone();
        let variable = "HAYRIDE_PLUG_0_A".into();
        let env_references = vec![EnvReference { name: "A".into(), variable }];
        let limits = Limits::default();
        d.components.push(Component { name: "p".into(), env_references, limits, ..main });
    }),
];

/// Every binding that a grant stands on; one more field in the document wants one more line here.
#[test]
fn whatever_is_bound_changes_the_text() {
    let changes: [(&str, Change); 25] = [
        ("cluster", |d| d.subject.cluster.push('x')),
        ("namespace", |d| d.subject.namespace.push('x')),
        ("name", |d| d.subject.name.push('x')),
        ("uid", |d| d.subject.uid.push('x')),
        ("how it runs", |d| (d.run, d.http) = (RunType::Command, None)),
        ("component's name", |d| d.components[0].name.push('x')),
        ("manifest", |d| d.components[0].manifest = Digest::of(b"other")),
        ("content", |d| d.components[0].content = Digest::of(b"other")),
        ("granted path", |d| d.components[0].grants.filesystem[0].path.push('x')),
        ("access", |d| d.components[0].grants.filesystem[0].access = Access::ReadOnly),
        ("environment", |d| d.components[0].grants.environment = false),
        ("memory", |d| d.components[0].limits.memory_bytes = None),
        ("arguments", |d| d.args.swap(0, 1)),
        ("literal name", |d| d.env[0].name.push('x')),
        ("literal value", |d| d.env[0].value.push('x')),
        ("reference", |d| d.env_references[0].push('x')),
        ("prefix", |d| d.env_prefixes.push("X_".into())),
        ("mount's kind", |d| d.mounts[0].kind = VolumeKind::EmptyDir),
        ("mount's destination", |d| d.mounts[0].destination.push('x')),
        ("mount's access", |d| {
            d.mounts[0].read_only = true;
            d.components[0].grants.filesystem[0].access = Access::ReadOnly;
        }),
        ("volume", |d| {
            d.mounts[0].volume.push('x');
            d.components[0].grants.filesystem[0].volume.push('x');
        }),
        ("port", |d| d.http = d.http.take().map(|http| Http { port: 81, ..http })),
        ("lame duck", |d| d.http = d.http.take().map(|http| Http { lame_duck_seconds: 4, ..http })),
        ("reuse", |d| d.http = d.http.take().map(|http| Http { reuse: Reuse::Pooled, ..http })),
        ("grace period", |d| d.http = d.http.take().map(|http| Http { grace_period_seconds: 4, ..http })),
    ];
    let mut texts = std::collections::BTreeSet::from([seal(&document()).unwrap()]);
    for (what, change) in changes.into_iter().chain(OF_PLUGS) {
        let mut changed = document();
        change(&mut changed);
        let text = seal(&changed).unwrap();
        assert_eq!(open(&text).unwrap(), changed, "{what}");
        assert!(texts.insert(text), "{what} is not in the text");
    }
}

fn any_document() -> impl Strategy<Value = Document> {
    let name = "[a-z][a-z0-9-]{0,20}";
    let texts = || prop::collection::vec(any::<String>(), 0..5);
    let env = prop::collection::btree_map("[A-Z_]{1,12}", any::<String>(), 0..5);
    let paths = prop::collection::btree_set("(/[a-z]{1,8}){1,3}", 0..5);
    (
        name,
        texts(),
        env,
        paths,
        any::<[u8; 8]>(),
        any::<Option<u64>>(),
        prop::option::of((1..=u16::MAX, any::<u32>(), any::<u32>())),
    )
        .prop_map(|(name, args, env, paths, bytes, memory_bytes, http)| {
            let filesystem = paths.into_iter().map(|path| FilesystemGrant {
                volume: "data".into(),
                path,
                sub_path: None,
                access: if bytes[0] % 2 == 0 { Access::ReadOnly } else { Access::ReadWrite },
            });
            let component = Component {
                name: name.clone(),
                manifest: Digest::of(&bytes),
                content: Digest::of(&bytes[1..]),
                grants: Grants {
                    filesystem: filesystem.collect(),
                    environment: bytes[1] % 2 == 0,
                    ..Grants::default()
                },
                limits: Limits { memory_bytes, ..Limits::default() },
                links: vec![],
                env: Vec::new(),
                env_references: Vec::new(),
            };
            let http = http.map(|(port, lame_duck_seconds, grace_period_seconds)| Http {
                port,
                lame_duck_seconds,
                grace_period_seconds,
                concurrency: None,
                request_timeout_millis: None,
                body_bytes: None,
                reuse: Reuse::default(),
            });
            Document {
                run: if http.is_some() { RunType::Server } else { RunType::Command },
                http,
                args,
                env: env.into_iter().map(|(name, value)| EnvLiteral { name, value }).collect(),
                components: vec![component],
                ..document()
            }
        })
        .prop_map(|mut document| {
            let literal: Vec<_> = document.env.iter().map(|variable| variable.name.clone()).collect();
            document.env_references.retain(|name| !literal.contains(name));
            document
        })
}

proptest! {
    #[test]
    fn any_document_is_read_back_and_written_the_same(document in any_document()) {
        let text = seal(&document).unwrap();
        let read = open(&text).unwrap();
        prop_assert_eq!(&read, &document);
        prop_assert_eq!(seal(&read).unwrap(), text);
    }

    #[test]
    fn any_text_is_answered(text in ".{0,200}") {
        prop_assert!(open(&text).is_err());
    }

    #[test]
    fn a_changed_byte_never_opens(
        document in any_document(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let text = seal(&document).unwrap();
        let mut bytes = text.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Some(changed) = String::from_utf8(bytes).ok().filter(|changed| *changed != text) {
            prop_assert!(open(&changed).is_err());
        }
    }
}
