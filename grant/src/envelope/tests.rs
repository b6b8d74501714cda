//! What goes in comes out, always as the same text; what is wrong anywhere is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::{
    Access, Component, Digest, EnvLiteral, FilesystemGrant, Grants, Http, Limits, Mount, MountUse, RunType, Subject,
    VolumeKind,
};

fn document() -> Document {
    Document {
        version: Document::VERSION,
        subject: Subject {
            cluster: "6e1c".into(),
            namespace: "demo".into(),
            name: "weather".into(),
            uid: "77aa".into(),
        },
        run: RunType::Server,
        components: vec![Component {
            name: "weather".into(),
            manifest: Digest::of(b"manifest"),
            content: Digest::of(b"content"),
            grants: Grants {
                filesystem: vec![FilesystemGrant {
                    volume: "data".into(),
                    path: "/data".into(),
                    access: Access::ReadWrite,
                }],
                environment: true,
            },
            limits: Limits { memory_bytes: Some(64 << 20) },
            links: vec![],
        }],
        args: vec!["--units".into(), "metric".into()],
        env: vec![EnvLiteral { name: "LOG".into(), value: "$(X) \"é\"\n".into() }],
        env_references: vec!["CITY".into()],
        env_prefixes: vec![],
        mounts: vec![Mount {
            volume: "data".into(),
            kind: VolumeKind::PersistentVolumeClaim,
            destination: "/.morph/volumes/data".into(),
            read_only: false,
            used_for: MountUse::Filesystem,
        }],
        http: Some(Http { port: 8080, lame_duck_seconds: 3, grace_period_seconds: 30 }),
    }
}

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
fn a_document_that_contradicts_itself_is_not_sealed() {
    check_refused(|d| d.version = 2, "version 2 is not 1");
    check_refused(|d| d.components.clear(), "components is empty");
    check_refused(|d| d.http = None, "http must be set");
    check_refused(|d| d.run = RunType::Command, "http must be set");
    check_refused(|d| d.mounts.clear(), "volume \"data\" has no mount");
    check_refused(|d| d.mounts[0].read_only = true, "mounted read-only and granted ReadWrite");
    check_refused(|d| d.components.push(d.components[0].clone()), "components: \"weather\" stands there twice");
    check_refused(|d| d.mounts.push(d.mounts[0].clone()), "mounts: \"data\" stands there twice");
    for path in ["data", "", "//", "/data/", "/a//b", "/a/../b", "/./a"] {
        check_refused(|d| d.components[0].grants.filesystem[0].path = path.into(), "is not absolute");
    }
}

#[test]
fn an_envelope_beyond_its_bound_is_refused_on_both_sides() {
    check_refused(|d| d.args = vec!["x".repeat(ENVELOPE_SIZE_BYTES_MAX)], "at most 131072 fit");
    let error = open(&"x".repeat(ENVELOPE_SIZE_BYTES_MAX + 1)).unwrap_err();
    assert!(matches!(error, EnvelopeError::TooLarge { size } if size == ENVELOPE_SIZE_BYTES_MAX + 1), "{error}");
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
    payload["components"][0]["grants"]["sockets"] = serde_json::json!({});
    let forged = serde_json::json!({
        "payloadType": PAYLOAD_TYPE,
        "payload": STANDARD.encode(payload.to_string()),
        "signatures": [],
    });
    assert!(matches!(open(&forged.to_string()), Err(EnvelopeError::Malformed(_))));
}

#[test]
fn any_flipped_bit_of_the_text_is_refused_or_changes_the_document() {
    let text = seal(&document()).unwrap();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(flipped) = String::from_utf8(bytes) else { continue };
        if let Ok(opened) = open(&flipped) {
            assert_ne!(opened, document(), "byte {at}");
        }
    }
}
