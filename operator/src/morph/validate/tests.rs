//! Each refusal: what is refused, by which condition and reason, and which words people read.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{applied, command, component, key, morph, planned, seen, server, world};
use crate::morph::{ChildKind, ChildState, Children, Failure, JobEnd};
use morph_component::World;
use proptest::prelude::*;

const MINIMAL: &str = "image: r.test/hello:1\n";

/// Checks that a spec over a world is refused so, and that the message holds each of the words.
fn check_refused(
    spec: &str,
    world: World,
    condition: ConditionType,
    reason: Reason,
    words: &[&str],
) -> Refusal {
    check(&seen(morph(spec), world), condition, reason, words)
}

fn check(seen: &Seen, condition: ConditionType, reason: Reason, words: &[&str]) -> Refusal {
    let Err(refusal) = validate(seen) else { panic!("it is valid") };
    assert_eq!((refusal.condition, refusal.reason), (condition, reason), "{}", refusal.message);
    for word in words {
        assert!(refusal.message.contains(word), "{word} is not in: {}", refusal.message);
    }
    refusal
}

#[test]
fn a_spec_that_contradicts_itself_names_its_field() {
    for (spec, field) in [
        ("image: hello", "spec.image"),
        ("image: r.test/hello:1\ntype: Server\nrun: {}", "spec.run"),
        ("image: r.test/hello:1\ntype: Command\nhttp: {}", "spec.http"),
        ("image: r.test/hello:1\nhttp: {lameDuckSeconds: 30}", "spec.http"),
        (
            "image: r.test/hello:1\ncapabilities: {filesystem: [{volume: x, path: /x}]}",
            "spec.capabilities.filesystem",
        ),
        ("image: r.test/hello:1\nlimits: {memory: 1Ki}", "spec.limits.memory"),
        ("image: r.test/hello:1\nenv: [{name: A}]", "spec.env[0]"),
    ] {
        let refusal = check_refused(spec, server(), ConditionType::Ready, Reason::SpecInvalid, &[field]);
        assert!(!refusal.transient, "{spec}");
    }
}

#[test]
fn fields_of_the_other_type_are_refused_once_the_type_is_known() {
    for (spec, world, words) in [
        ("run: {suspend: true}", server(), ["spec.run", "the component is a Server"]),
        ("http: {port: 1}", command(), ["spec.http", "the component is a Command"]),
        (
            "template: {probes: {liveness: {tcpSocket: {}}}}",
            command(),
            ["spec.template.probes", "the component is a Command"],
        ),
    ] {
        let spec = format!("{MINIMAL}{spec}");
        check_refused(&spec, world, ConditionType::Ready, Reason::SpecInvalid, &words);
    }
}

#[test]
fn a_type_that_the_component_is_not_is_refused() {
    let both = || world(&[], &["wasi:cli/run@0.2.3", "wasi:http/incoming-handler@0.2.3"]);
    let neither = || world(&[], &["acme:own/thing@1.0.0"]);
    let early = || world(&[], &["wasi:http/handler@0.3.0-rc-2025-09-16"]);
    let resolved = ConditionType::Resolved;
    for (spec, world, reason, words) in [
        ("", both(), Reason::AmbiguousType, ["spec.type", "Command and as Server"]),
        ("type: Server", command(), Reason::TypeMismatch, ["spec.type", "can't run as Server"]),
        ("type: Command", server(), Reason::TypeMismatch, ["spec.type", "can't run as Command"]),
        ("", neither(), Reason::NoKnownExport, ["spec.image", "acme:own/thing@1.0.0"]),
        ("", early(), Reason::NoKnownExport, ["spec.image", "before its release"]),
    ] {
        let refusal = check_refused(&format!("{MINIMAL}{spec}"), world, resolved, reason, &words);
        assert_eq!((refusal.transient, refusal.found), (false, None), "{spec}");
    }
    for (spec, runs) in [("type: Server", RunType::Server), ("type: Command", RunType::Command)] {
        let valid = validate(&seen(morph(&format!("{MINIMAL}{spec}")), both())).unwrap();
        assert_eq!(valid.found.runs, runs, "{spec}");
    }
}

#[test]
fn a_denied_import_is_named_with_the_reason() {
    let world = world(
        &["wasi:http/outgoing-handler@0.2.3", "wasi:cli/stdout@0.2.3", "acme:a/b@1.0.0"],
        &["wasi:http/incoming-handler@0.2.3"],
    );
    let refusal = check_refused(
        MINIMAL,
        world,
        ConditionType::ImportsSatisfied,
        Reason::ImportDenied,
        &[
            "2 imports are denied",
            "wasi:http/outgoing-handler@0.2.3: no capabilities.http",
            "acme:a/b@1.0.0: the host",
        ],
    );
    assert_eq!(refusal.found.unwrap().imports.len(), 3);
    let yaml =
        "\nspec:\n  capabilities:\n    http:\n      allow:\n      - { host: HOST, pathPrefixes: [/] }\n";
    assert!(refusal.message.ends_with(yaml), "{}", refusal.message);
}

/// A message is cut at its end, where the YAML stands.
#[test]
fn however_long_the_names_what_would_grant_is_read_whole() {
    let long = |n: usize| format!("acme:{}/i{n}@1.0.0", "a".repeat(200));
    let mut ids: Vec<String> = (0..12).map(long).collect();
    ids.push("wasi:http/outgoing-handler@0.2.3".into());
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let seen = seen(morph(MINIMAL), world(&ids, &["wasi:cli/run@0.2.3"]));
    let refusal =
        check(&seen, ConditionType::ImportsSatisfied, Reason::ImportDenied, &["13 imports are denied"]);
    assert!(refusal.message.contains("pathPrefixes: [/] }\n"), "{}", refusal.message);
    assert!(refusal.message.chars().count() < 2048, "{}", refusal.message.len());
}

#[test]
fn many_denied_imports_are_counted() {
    let ids: Vec<_> = (0..20).map(|n| format!("acme:a/i{n}@1.0.0")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let world = world(&ids, &["wasi:cli/run@0.2.3"]);
    let words = ["20 imports are denied", "acme:a/i7@1.0.0", "and 12 more, see status.imports"];
    let refusal =
        check_refused(MINIMAL, world, ConditionType::ImportsSatisfied, Reason::ImportDenied, &words);
    assert!(!refusal.message.contains("i8@"), "{}", refusal.message);
}

#[test]
fn a_grant_that_does_not_fit_is_refused_before_it_is_tried() {
    let args: Vec<_> = (0..64).map(|_| format!("\"{}\"", "x".repeat(4000))).collect();
    let spec = format!("{MINIMAL}args: [{}]", args.join(","));
    let refusal = check_refused(
        &spec,
        server(),
        ConditionType::ImportsSatisfied,
        Reason::GrantTooLarge,
        &["at most 131072 fit"],
    );
    assert!(refusal.found.is_some());
}

#[test]
fn what_is_not_resolved_is_refused_as_the_registry_said() {
    let seen = seen(morph(MINIMAL), server());
    let unknown = Seen { resolution: Resolution::Unknown, ..seen.clone() };
    assert!(check(&unknown, ConditionType::Resolved, Reason::Pending, &[]).transient);
    for transient in [true, false] {
        let failure = Failure {
            reason: Reason::ImageNotFound,
            message: "r.test/hello:1 is not there".into(),
            transient,
        };
        let failed = Seen { resolution: Resolution::Failed(failure), ..seen.clone() };
        let refusal = check(&failed, ConditionType::Resolved, Reason::ImageNotFound, &["is not there"]);
        assert_eq!(refusal.transient, transient);
    }
}

#[test]
fn a_morph_that_is_being_deleted_makes_nothing() {
    let mut morph = morph(MINIMAL);
    let now = crate::morph::fixture::now();
    morph.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    check(&seen(morph, server()), ConditionType::Ready, Reason::Deleting, &[]);
}

#[test]
fn a_name_that_somebody_else_has_is_not_taken_over() {
    let fresh = seen(morph(MINIMAL), server());
    let ours = applied(&planned(&fresh), &Children::default());
    for kind in [ChildKind::ServiceAccount, ChildKind::Service, ChildKind::Deployment] {
        for owner in [None, Some("somebody".to_owned())] {
            let mut children = ours.clone();
            children
                .0
                .iter_mut()
                .filter(|child| child.kind == kind)
                .for_each(|child| child.owner = owner.clone());
            let refusal = check(
                &fresh.clone().with(children),
                ConditionType::Available,
                Reason::NameTaken,
                &[&format!("{} hello exists", kind.as_str())],
            );
            assert!(refusal.transient, "it heals when the other is gone");
        }
    }
    assert!(validate(&fresh.with(ours)).is_ok());
}

#[test]
fn an_account_of_the_morphs_name_is_nobodys_business_if_another_is_used() {
    let fresh = seen(morph(MINIMAL), server());
    let mut children = applied(&planned(&fresh), &Children::default());
    children.0.retain(|child| child.kind == ChildKind::ServiceAccount);
    children.0[0].owner = None;
    let spec = format!("{MINIMAL}template: {{serviceAccountName: other}}");
    assert!(validate(&seen(morph(&spec), server()).with(children)).is_ok());
}

#[test]
fn the_document_binds_cluster_morph_and_bytes() {
    let seen = seen(morph(MINIMAL), server());
    let valid = validate(&seen).unwrap();
    let found = component("r.test/hello:1", server());
    let main = valid.document.main().unwrap();
    assert_eq!((&main.manifest, &main.content), (&found.image.digest, &found.content));
    let subject = &valid.document.subject;
    assert_eq!(
        (subject.cluster.as_str(), subject.namespace.as_str(), subject.name.as_str(), subject.uid.as_str()),
        (seen.cluster.as_str(), "demo", "hello", "0e5a4b9c-0000-4000-8000-00000000cafe"),
    );
    let trusted = [seen.signer.public()].into_iter().collect();
    assert_eq!(morph_grant::open(&valid.envelope, &trusted).unwrap(), valid.document);
}

/// What is seen of a Command whose Job `before` was signed by a first key, now that nodes trust these.
fn run_before(before: &str, end: Option<JobEnd>, now: &str, trusted: &[u64]) -> Seen {
    let first = seen(morph(before), command()).signed_by(&[key(1)]);
    let mut children = applied(&planned(&first), &Children::default());
    for child in &mut children.0 {
        if let ChildState::Job { end: slot, .. } = &mut child.state {
            *slot = end.clone();
        }
    }
    let trusted: Vec<_> = trusted.iter().map(|seed| key(*seed)).collect();
    seen(morph(now), command()).signed_by(&trusted).with(children)
}

#[test]
fn a_job_that_has_ended_stays_though_nobody_trusts_its_key_and_another_is_signed_anew() {
    let failed = JobEnd::Failed { reason: "BackoffLimitExceeded".into(), message: String::new() };
    for (end, now, trusted, signer, same) in [
        (Some(JobEnd::Succeeded), MINIMAL, &[2][..], 1, true),
        (Some(failed), MINIMAL, &[2], 1, true),
        (Some(JobEnd::Succeeded), "image: r.test/hello:1\nrun: {backoffLimit: 0}\n", &[2], 1, true),
        (None, MINIMAL, &[1, 2], 1, true),
        (None, MINIMAL, &[2], 2, false),
        // Another Job of the same document: it starts pods, which the old key is no longer good for.
        (Some(JobEnd::Succeeded), "image: r.test/hello:1\nrun: {completions: 2}\n", &[2], 2, false),
        (Some(JobEnd::Succeeded), "image: r.test/hello:1\nrun: {completions: 2}\n", &[1, 2], 2, false),
        (Some(JobEnd::Succeeded), "image: r.test/hello:1\nargs: [a]\n", &[2], 2, false),
    ] {
        let seen = run_before(MINIMAL, end, now, trusted);
        let envelope = validate(&seen).unwrap().envelope;
        assert_eq!(morph_grant::key_id_of(&envelope).unwrap(), key(signer).public().id(), "{now}");
        assert_eq!(planned(&seen).delete.is_empty(), same, "{now} {trusted:?}");
    }
}

#[test]
fn what_status_remembers_is_as_good_as_the_bytes() {
    let read = seen(morph(MINIMAL), server());
    let mut remembered = read.clone();
    if let Resolution::Resolved(component) = &mut remembered.resolution {
        let imports = component.known.imports().to_vec();
        component.known = Known::Remembered { imports, links: Vec::new(), runs: Some(RunType::Server) };
    }
    let (one, other) = (validate(&read).unwrap(), validate(&remembered).unwrap());
    assert_eq!((one.envelope, one.found), (other.envelope, other.found));
}

/// What stands first is what people would mend first: a Morph with everything wrong is led through it.
#[test]
fn the_first_thing_to_mend_is_told_first() {
    let wrong_spec = "image: r.test/hello:1\ntype: Server\nlimits: {memory: 1Ki}\n";
    let wrong_type = "image: r.test/hello:1\ntype: Server\n";
    let right = "image: r.test/hello:1\n";
    let denied = || world(&["acme:a/b@1.0.0"], &["wasi:cli/run@0.2.3"]);
    let failed = Resolution::Failed(Failure {
        reason: Reason::ImageNotFound,
        message: "spec.image: it is not there".into(),
        transient: false,
    });
    let unresolved = |spec: &str| Seen { resolution: failed.clone(), ..seen(morph(spec), denied()) };
    for (seen, reason) in [
        (unresolved(wrong_spec), Reason::SpecInvalid),
        (seen(morph(wrong_spec), denied()), Reason::SpecInvalid),
        (unresolved(wrong_type), Reason::ImageNotFound),
        (seen(morph(wrong_type), denied()), Reason::TypeMismatch),
        (seen(morph(right), denied()), Reason::ImportDenied),
    ] {
        assert_eq!(validate(&seen).map(drop).unwrap_err().reason, reason);
    }
}

/// What the schema bounds must hold what the readers of images and components take.
#[test]
fn what_the_readers_take_fits_into_status() {
    use morph_crds::bounds::{INTERFACE_CHARS_MAX, PINNED_IMAGE_CHARS_MAX};
    assert!(INTERFACE_CHARS_MAX as usize >= morph_component::INTERFACE_ID_BYTES_MAX);
    let longest = format!("{}.test/{}:{}", "a".repeat(50), "b".repeat(200), "c".repeat(128));
    let reference: morph_oci::Reference = longest.parse().unwrap();
    let pinned = reference.pinned(morph_grant::Digest::of(b"manifest")).to_string();
    assert!(pinned.len() <= PINNED_IMAGE_CHARS_MAX as usize);
}

proptest! {
    /// An image that the client reads is one that the schema lets through: the operator would otherwise
    /// refuse what `morph run` takes.
    #[test]
    fn every_reference_is_an_image_of_the_schema(
        host in "(localhost|[a-z]{1,3}\\.[a-z0-9-]{1,3}|10\\.0\\.0\\.1|\\[::1\\])(:[0-9]{1,5})?",
        path in "[a-z0-9]{1,3}([._-]{1,3}[a-z0-9]{1,3}){0,2}(/[a-z0-9_.-]{1,4}){0,2}",
        rest in "(:[A-Za-z0-9_.-]{1,10})?(@sha256:[a-f0-9]{64})?",
    ) {
        let text = format!("{host}/{path}{rest}");
        if text.parse::<morph_oci::Reference>().is_ok() {
            let seen = seen(morph(&format!("image: \"{text}\"\n")), server());
            prop_assert!(validate(&seen).is_ok(), "{}", text);
        }
    }
}
