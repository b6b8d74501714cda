//! What people read of a Morph, in each state that it can be in.

#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{applied, command, morph, now, planned, seen, server, world};
use crate::morph::{Child, ChildKind, ChildState, Children, JobEnd, Resolution, validate};
use ConditionType::{Available, ImportsSatisfied, Ready, Reconciling, Resolved, Stalled, WithinCeiling};
use morph_component::World;
use morph_crds::Answer;

mod plugs;
mod property;

const SPEC: &str = "image: r.test/hello:1\nreplicas: 2\n";
const UNCHANGED: Applied = Applied::All { changed: false };
const CHANGED: Applied = Applied::All { changed: true };

/// A Morph that was applied, with its workload in this state.
fn at(spec: &str, world: World, state: ChildState) -> Seen {
    let seen = seen(morph(spec), world);
    let mut children = applied(&planned(&seen), &Children::default());
    let is_it = |child: &&mut Child| child.state != ChildState::Plain;
    children.0.iter_mut().filter(is_it).for_each(|child| child.state = state.clone());
    seen.with(children)
}

fn status_of(seen: &Seen, applied: &Applied) -> MorphStatus {
    report(seen, &validate(seen), applied, now())
}

fn line(status: &MorphStatus, type_: ConditionType) -> Option<(&str, &str)> {
    let found = status.conditions.iter().find(|condition| condition.type_ == type_.as_str());
    found.map(|condition| (condition.status.as_str(), condition.reason.as_str()))
}

fn message(status: &MorphStatus, type_: ConditionType) -> &str {
    &status.conditions.iter().find(|condition| condition.type_ == type_.as_str()).unwrap().message
}

type Lines<'a> = &'a [(ConditionType, &'a str, &'a str)];

/// Checks that exactly these conditions stand there, in this order.
fn check(status: &MorphStatus, lines: Lines<'_>) {
    let found: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| (condition.type_.as_str(), condition.status.as_str(), condition.reason.as_str()))
        .collect();
    let wanted: Vec<_> =
        lines.iter().map(|(type_, status, reason)| (type_.as_str(), *status, *reason)).collect();
    assert_eq!(found, wanted, "{:#?}", status.conditions);
}

/// Checks the two conditions about pods and where it is going; the image and its imports are fine.
fn check_pods(
    seen: &Seen,
    applied: &Applied,
    available: (&str, &str),
    ready: (&str, &str),
    going: Option<Lines<'_>>,
) {
    let status = status_of(seen, applied);
    let mut lines = vec![
        (Resolved, "True", "ImageResolved"),
        (ImportsSatisfied, "True", "AllImportsAnswered"),
        (WithinCeiling, "True", "NoPolicy"),
        (Available, available.0, available.1),
        (Ready, ready.0, ready.1),
    ];
    lines.extend(going.into_iter().flatten());
    check(&status, &lines);
}

fn deployment(existing: i32, updated: i32, available: i32) -> ChildState {
    ChildState::Deployment {
        observed: true,
        desired: 2,
        existing,
        updated,
        available,
        stuck: None,
        refused: None,
    }
}

const PROGRESSING: Option<Lines<'_>> = Some(&[(Reconciling, "True", "Progressing")]);

#[test]
fn before_the_first_look_everything_is_unknown() {
    let seen = Seen { resolution: Resolution::Unknown, ..seen(morph(SPEC), server()) };
    let status = status_of(&seen, &Applied::Not);
    check(
        &status,
        &[
            (Resolved, "Unknown", "Pending"),
            (ImportsSatisfied, "Unknown", "Pending"),
            (WithinCeiling, "True", "NoPolicy"),
            (Available, "Unknown", "Pending"),
            (Ready, "Unknown", "Pending"),
            (Reconciling, "True", "Progressing"),
        ],
    );
    assert_eq!(status.selector.as_deref(), Some("hayride.dev/morph=hello"));
    assert_eq!((status.replicas, status.observed_generation), (Some(0), Some(1)));
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(1)));
}

#[test]
fn a_server_goes_from_being_made_to_ready() {
    let fresh = seen(morph(SPEC), server());
    check_pods(&fresh, &CHANGED, ("False", "PodsUnavailable"), ("False", "Progressing"), PROGRESSING);
    for (state, available, ready, going) in [
        (deployment(0, 0, 0), ("False", "PodsUnavailable"), ("False", "Progressing"), PROGRESSING),
        (deployment(2, 2, 1), ("False", "PodsUnavailable"), ("False", "PodsUnavailable"), PROGRESSING),
        (deployment(2, 2, 2), ("True", "PodsAvailable"), ("True", "Ready"), None),
    ] {
        check_pods(&at(SPEC, server(), state), &UNCHANGED, available, ready, going);
    }
}

#[test]
fn a_roll_out_is_not_ready_until_the_last_old_pod_is_gone() {
    for (state, applied) in
        [(deployment(3, 1, 2), UNCHANGED), (deployment(3, 2, 2), UNCHANGED), (deployment(2, 2, 2), CHANGED)]
    {
        let seen = at(SPEC, server(), state);
        check_pods(&seen, &applied, ("True", "PodsAvailable"), ("False", "Progressing"), PROGRESSING);
    }
    let unobserved = ChildState::Deployment {
        observed: false,
        desired: 2,
        existing: 2,
        updated: 2,
        available: 2,
        stuck: None,
        refused: None,
    };
    let seen = at(SPEC, server(), unobserved);
    check_pods(&seen, &UNCHANGED, ("True", "PodsAvailable"), ("False", "Progressing"), PROGRESSING);
}

#[test]
fn a_roll_out_that_stands_still_is_stalled_and_one_that_is_refused_is_tried_again() {
    let troubled = |stuck: Option<&str>, refused: Option<&str>| ChildState::Deployment {
        observed: true,
        desired: 2,
        existing: 2,
        updated: 0,
        available: 2,
        stuck: stuck.map(Into::into),
        refused: refused.map(Into::into),
    };
    let stuck = at(SPEC, server(), troubled(Some("it has timed out"), None));
    let stalled: Option<Lines<'_>> = Some(&[(Stalled, "True", "RolloutFailed")]);
    check_pods(&stuck, &UNCHANGED, ("True", "PodsAvailable"), ("False", "RolloutFailed"), stalled);
    assert!(message(&status_of(&stuck, &UNCHANGED), Ready).contains("it has timed out"));
    let refused = at(SPEC, server(), troubled(None, Some("exceeded quota")));
    let retrying: Option<Lines<'_>> = Some(&[(Reconciling, "True", "Retrying")]);
    check_pods(&refused, &UNCHANGED, ("True", "PodsAvailable"), ("False", "RolloutFailed"), retrying);
    assert!(message(&status_of(&refused, &UNCHANGED), Ready).contains("exceeded quota"));
}

#[test]
fn no_pods_asked_for_is_ready_once_none_is_left() {
    let spec = "image: r.test/hello:1\nreplicas: 0\n";
    let zero = ("True", "ScaledToZero");
    check_pods(
        &at(spec, server(), deployment(1, 1, 1)),
        &UNCHANGED,
        zero,
        ("False", "Progressing"),
        PROGRESSING,
    );
    check_pods(&at(spec, server(), deployment(0, 0, 0)), &UNCHANGED, zero, zero, None);
}

fn job(active: i32, succeeded: i32, suspended: bool, end: Option<JobEnd>) -> ChildState {
    ChildState::Job { suspended, active, succeeded, failed: 0, end }
}

#[test]
fn a_command_is_ready_when_it_has_succeeded() {
    let spec = "image: r.test/hello:1\n";
    let failed = JobEnd::Failed { reason: "BackoffLimitExceeded".into(), message: "too often".into() };
    let stalled: Option<Lines<'_>> = Some(&[(Stalled, "True", "CommandFailed")]);
    let suspended: Option<Lines<'_>> = Some(&[(Stalled, "True", "CommandSuspended")]);
    let running = ("False", "CommandRunning");
    for (state, available, ready, going) in [
        (job(0, 0, false, None), ("False", "PodsUnavailable"), running, PROGRESSING),
        (job(1, 0, false, None), ("True", "CommandRunning"), running, PROGRESSING),
        (job(0, 1, false, None), ("True", "CommandRunning"), running, PROGRESSING),
        (job(0, 0, true, None), ("False", "CommandSuspended"), ("False", "CommandSuspended"), suspended),
        (
            job(0, 1, false, Some(JobEnd::Succeeded)),
            ("True", "CommandSucceeded"),
            ("True", "CommandSucceeded"),
            None,
        ),
        (job(0, 0, false, Some(failed)), ("False", "CommandFailed"), ("False", "CommandFailed"), stalled),
    ] {
        check_pods(&at(spec, command(), state), &UNCHANGED, available, ready, going);
    }
}

#[test]
fn the_old_run_of_a_changed_command_says_nothing_about_the_new_one() {
    let old = at("image: r.test/hello:1\n", command(), job(0, 1, false, Some(JobEnd::Succeeded)));
    let next = seen(morph("image: r.test/hello:1\nargs: [again]\n"), command()).with(old.children);
    check_pods(&next, &CHANGED, ("False", "PodsUnavailable"), ("False", "Progressing"), PROGRESSING);
}

#[test]
fn a_scheduled_command_is_ready_and_tells_of_its_last_run() {
    let spec = "image: r.test/hello:1\nrun: {schedule: \"@daily\"}\n";
    let state = |suspended, active, started: Option<&str>, ended: Option<&str>| ChildState::CronJob {
        suspended,
        active,
        last_schedule: started.map(Into::into),
        last_success: ended.map(Into::into),
    };
    let (one, two) = (Some("2026-11-24T00:00:00Z"), Some("2026-11-25T00:00:00Z"));
    for (state, reason, words) in [
        (state(false, 0, None, None), "CommandScheduled", "has not run yet"),
        (state(false, 1, one, None), "CommandScheduled", "1 running"),
        (state(false, 0, one, two), "CommandScheduled", "last succeeded at 2026-11-25"),
        (state(false, 0, two, one), "CommandScheduled", "did not succeed"),
        (state(true, 0, two, two), "CommandSuspended", "last succeeded"),
    ] {
        let seen = at(spec, command(), state);
        check_pods(&seen, &UNCHANGED, ("True", reason), ("True", reason), None);
        assert!(message(&status_of(&seen, &UNCHANGED), Ready).contains(words), "{words}");
    }
}

#[test]
fn a_new_image_that_fails_leaves_the_old_pods_in_status() {
    let before = at(SPEC, server(), deployment(2, 2, 2));
    let old = status_of(&before, &UNCHANGED);
    let mut next = before.after(old.clone());
    next.resolution = Resolution::Failed(Failure {
        reason: Reason::ImageNotFound,
        message: "hello:2 is not in r.test".into(),
        transient: false,
    });
    let status = status_of(&next, &Applied::Not);
    check(
        &status,
        &[
            (Resolved, "False", "ImageNotFound"),
            (ImportsSatisfied, "Unknown", "Pending"),
            (WithinCeiling, "True", "NoPolicy"),
            (Available, "True", "PodsAvailable"),
            (Ready, "False", "ImageNotFound"),
            (Stalled, "True", "ImageNotFound"),
        ],
    );
    assert_eq!((&status.components, &status.imports, &status.url), (&old.components, &old.imports, &old.url));
    assert_eq!(status.replicas, Some(2));
}

#[test]
fn a_registry_that_is_down_is_tried_again() {
    let failure = Failure {
        reason: Reason::RegistryUnavailable,
        message: "r.test can't be reached".into(),
        transient: true,
    };
    let seen = Seen { resolution: Resolution::Failed(failure), ..seen(morph(SPEC), server()) };
    check(
        &status_of(&seen, &Applied::Not),
        &[
            (Resolved, "False", "RegistryUnavailable"),
            (ImportsSatisfied, "Unknown", "Pending"),
            (WithinCeiling, "True", "NoPolicy"),
            (Available, "False", "PodsUnavailable"),
            (Ready, "False", "RegistryUnavailable"),
            (Reconciling, "True", "Retrying"),
        ],
    );
}

#[test]
fn a_denied_import_stands_in_its_condition_and_in_the_list() {
    let seen = seen(
        morph(SPEC),
        world(&["wasi:cli/stdout@0.2.3", "wasi:http/outgoing-handler@0.2.3"], &["wasi:cli/run@0.2.3"]),
    );
    let status = status_of(&seen, &Applied::Not);
    check(
        &status,
        &[
            (Resolved, "True", "ImageResolved"),
            (ImportsSatisfied, "False", "ImportDenied"),
            (WithinCeiling, "True", "NoPolicy"),
            (Available, "False", "PodsUnavailable"),
            (Ready, "False", "ImportDenied"),
            (Stalled, "True", "ImportDenied"),
        ],
    );
    let answers: Vec<_> =
        status.imports.iter().map(|import| (import.interface.as_str(), import.answer)).collect();
    assert_eq!(
        answers,
        [("wasi:cli/stdout@0.2.3", Answer::Ambient), ("wasi:http/outgoing-handler@0.2.3", Answer::Denied)]
    );
}

#[test]
fn an_object_that_is_refused_is_told() {
    let seen = seen(morph(SPEC), server());
    for (transient, going) in
        [(true, (Reconciling, "True", "Retrying")), (false, (Stalled, "True", "ApplyRefused"))]
    {
        let refused =
            Applied::Failed(Failure { reason: Reason::ApplyRefused, message: "no".into(), transient });
        let going: Lines<'_> = &[going];
        check_pods(&seen, &refused, ("False", "ApplyRefused"), ("False", "ApplyRefused"), Some(going));
    }
}

#[test]
fn a_taken_name_is_told() {
    let mut taken = at(SPEC, server(), deployment(2, 2, 2));
    taken.children.0.iter_mut().for_each(|child| child.owner = None);
    let going: Lines<'_> = &[(Reconciling, "True", "Retrying")];
    check_pods(&taken, &Applied::Not, ("False", "NameTaken"), ("False", "NameTaken"), Some(going));
}

#[test]
fn a_spec_that_is_invalid_leaves_the_pods_as_they_are() {
    let mut seen = at(SPEC, server(), deployment(2, 2, 2));
    seen.morph = morph("image: r.test/hello:1\nreplicas: 2\nlimits: {memory: 1}\n").into();
    check(
        &status_of(&seen, &Applied::Not),
        &[
            (Resolved, "True", "ImageResolved"),
            (ImportsSatisfied, "Unknown", "Pending"),
            (WithinCeiling, "True", "NoPolicy"),
            (Available, "True", "PodsAvailable"),
            (Ready, "False", "SpecInvalid"),
            (Stalled, "True", "SpecInvalid"),
        ],
    );
}

#[test]
fn status_says_what_runs_and_where() {
    let spec = "image: r.test/hello:1\nreplicas: 2\nhttp: {port: 9000}\n";
    let seen = at(spec, server(), deployment(2, 2, 2));
    let status = status_of(&seen, &UNCHANGED);
    assert_eq!(status.url.as_deref(), Some("http://hello.demo.svc:9000"));
    assert_eq!(status.replicas, Some(2));
    let [component] = status.components.as_slice() else { panic!("{:?}", status.components) };
    assert_eq!((component.name.as_str(), component.type_), ("hello", Some(RunType::Server)));
    assert!(component.image.starts_with("r.test/hello@sha256:"), "{}", component.image);
    assert_eq!(status.imports.len(), 3);
    let command = at("image: r.test/hello:1\n", command(), job(1, 0, false, None));
    assert_eq!(status_of(&command, &UNCHANGED).url, None);
}

#[test]
fn a_status_that_says_the_same_is_the_same_and_time_moves_only_with_status() {
    let later = now() + k8s_openapi::jiff::SignedDuration::from_secs(60);
    let first = at(SPEC, server(), deployment(2, 2, 2));
    let status = status_of(&first, &UNCHANGED);
    let again = first.after(status.clone());
    assert_eq!(report(&again, &validate(&again), &UNCHANGED, later), status);

    let down = at(SPEC, server(), deployment(2, 2, 1)).after(status.clone());
    let changed = report(&down, &validate(&down), &UNCHANGED, later);
    for condition in &changed.conditions {
        let before = status.conditions.iter().find(|c| c.type_ == condition.type_);
        let same = before.is_some_and(|before| before.status == condition.status);
        let wanted = if same { now() } else { later };
        assert_eq!(condition.last_transition_time.0, wanted, "{}", condition.type_);
    }
    assert_eq!(line(&changed, Ready), Some(("False", "PodsUnavailable")));
}

#[test]
fn messages_are_cut() {
    let long = Failure { reason: Reason::ApplyRefused, message: "é".repeat(5000), transient: false };
    let status = status_of(&seen(morph(SPEC), server()), &Applied::Failed(long));
    assert_eq!(message(&status, Ready).chars().count(), MESSAGE_CHARS_MAX);
}

#[test]
fn every_reason_and_type_is_what_metav1_takes() {
    let seen = at(SPEC, server(), deployment(2, 2, 2));
    for condition in status_of(&seen, &UNCHANGED).conditions {
        assert!(!condition.reason.is_empty() && condition.reason.chars().all(char::is_alphanumeric));
        assert!(["True", "False", "Unknown"].contains(&condition.status.as_str()));
    }
    assert_eq!(ChildKind::ALL.map(ChildKind::as_str)[3], "Deployment");
}
