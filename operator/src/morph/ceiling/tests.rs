//! Tests of what the ceiling says of a Morph, and of what goes when pods must.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{applied, command, morph, planned, seen, server};
use crate::morph::{Children, JobEnd, Resolution, lint, validate};

const SPEC: &str = "image: r.test/hello:1\nreplicas: 2\n";

fn policy(words: &str) -> Ceiling {
    let spec = format!("images: {{prefixes: [r.test/hello]}}\n{words}");
    let spec = serde_norway::from_str(&spec).unwrap_or_else(|error| panic!("{error}: {words}"));
    Ceiling::Policy { name: "strict".into(), spec: Arc::new(spec) }
}

fn check(ceiling: &Ceiling, holds: bool, reason: Reason, words: &str) {
    let judged = judge(&morph(SPEC), ceiling);
    assert_eq!((judged.holds, judged.reason), (holds, reason), "{judged:?}");
    assert!(judged.message.contains(words), "{judged:?}");
}

#[test]
fn a_namespace_without_a_policy_holds_nothing_back() {
    check(&Ceiling::None, true, Reason::NoPolicy, "hayride.dev/policy");
}

#[test]
fn a_label_that_names_no_policy_holds_everything_back() {
    check(&Ceiling::Missing { name: "lost".into() }, false, Reason::PolicyNotFound, "\"lost\"");
}

#[test]
fn a_policy_allows_what_it_has_words_for() {
    check(&policy("maxReplicas: 2"), true, Reason::WithinPolicy, "MorphPolicy strict allows");
    check(&policy(""), false, Reason::AbovePolicy, "does not allow spec.replicas: 2 (above maxReplicas: 1)");
}

#[test]
fn a_policy_that_does_not_enforce_tells_what_it_would_refuse() {
    for word in ["Warn", "Audit"] {
        let ceiling = policy(&format!("enforcement: {word}\nonViolation: Drain"));
        check(&ceiling, true, Reason::PolicyNotEnforced, "does not allow spec.replicas: 2");
        assert!(!judge(&morph(SPEC), &ceiling).drains);
    }
}

#[test]
fn pods_go_only_where_the_policy_says_so() {
    assert!(!judge(&morph(SPEC), &policy("")).drains);
    assert!(judge(&morph(SPEC), &policy("onViolation: Drain")).drains);
    assert!(!judge(&morph(SPEC), &policy("onViolation: Drain\nmaxReplicas: 2")).drains);
    assert!(!judge(&morph(SPEC), &Ceiling::Missing { name: "lost".into() }).drains);
}

#[test]
fn a_morph_above_its_policy_has_no_plan_and_keeps_what_is_known_of_it() {
    let mut seen = seen(morph(SPEC), server());
    seen.ceiling = policy("");
    let refusal = validate(&seen).unwrap_err();
    assert_eq!(refusal.condition, ConditionType::WithinCeiling);
    assert!(!refusal.transient && refusal.found.is_some());
    seen.resolution = Resolution::Unknown;
    let refusal = validate(&seen).unwrap_err();
    assert_eq!((refusal.condition, refusal.found), (ConditionType::WithinCeiling, None));
}

#[test]
fn what_makes_pods_is_drained_and_the_rest_stays() {
    for (spec, world) in [
        (SPEC, server()),
        ("image: r.test/hello:1\n", command()),
        ("image: r.test/hello:1\nrun: {schedule: \"@daily\"}\n", command()),
    ] {
        let fresh = seen(morph(spec), world);
        let children = applied(&planned(&fresh), &Children::default());
        let there = fresh.with(children);
        let plan = drain(&there);
        assert_eq!((plan.delete.len(), plan.apply.len()), (1, 0), "{spec}: {plan:?}");
        let kind = plan.delete[0].kind;
        assert!(!matches!(kind, ChildKind::Service | ChildKind::ServiceAccount), "{spec}");
        lint(&plan, &there).unwrap();
        let gone = applied(&plan, &there.children);
        assert_eq!(drain(&there.with(gone)), Plan::default(), "{spec}: once is enough");
    }
}

#[test]
fn a_run_that_has_ended_stays_as_its_proof() {
    let fresh = seen(morph("image: r.test/hello:1\n"), command());
    let mut children = applied(&planned(&fresh), &Children::default());
    for child in &mut children.0 {
        if let ChildState::Job { end, .. } = &mut child.state {
            *end = Some(JobEnd::Succeeded);
        }
    }
    assert_eq!(drain(&fresh.with(children)), Plan::default());
}

#[test]
fn what_somebody_else_owns_is_not_drained() {
    let fresh = seen(morph(SPEC), server());
    let mut children = applied(&planned(&fresh), &Children::default());
    children.0.iter_mut().for_each(|child| child.owner = Some("other".into()));
    assert_eq!(drain(&fresh.with(children)), Plan::default());
}
