//! Any state: the conditions agree with each other, and saying the same twice is saying it once.

use super::*;
use crate::morph::fixture::component;
use crate::morph::{Component, Resolution};
use proptest::prelude::*;
use proptest::sample::select;

fn any_state() -> impl Strategy<Value = ChildState> {
    let few = || 0..3_i32;
    let word = || prop::option::of(Just("because".to_owned()));
    let time = || {
        prop::option::of(select(vec!["2026-11-24T00:00:00Z".to_owned(), "2026-11-25T00:00:00Z".to_owned()]))
    };
    let end = prop_oneof![
        Just(None),
        Just(Some(JobEnd::Succeeded)),
        Just(Some(JobEnd::Failed { reason: "DeadlineExceeded".into(), message: "late".into() })),
    ];
    prop_oneof![
        (any::<bool>(), few(), few(), few(), few(), word(), word()).prop_map(
            |(observed, desired, existing, updated, available, stuck, refused)| ChildState::Deployment {
                observed,
                desired,
                existing,
                updated,
                available,
                stuck,
                refused,
            }
        ),
        (any::<bool>(), few(), few(), few(), end).prop_map(|(suspended, active, succeeded, failed, end)| {
            ChildState::Job { suspended, active, succeeded, failed, end }
        }),
        (any::<bool>(), few(), time(), time()).prop_map(
            |(suspended, active, last_schedule, last_success)| {
                ChildState::CronJob { suspended, active, last_schedule, last_success }
            }
        ),
    ]
}

fn any_resolution() -> impl Strategy<Value = Resolution> {
    let denied = || world(&["acme:a/b@1.0.0"], &["wasi:cli/run@0.2.3"]);
    let neither = || world(&[], &[]);
    let resolved = |world: World| Resolution::Resolved(component("r.test/hello:1", world));
    let failed = |(reason, transient): (Reason, bool)| {
        Resolution::Failed(Failure { reason, message: "because".into(), transient })
    };
    let worlds = select(vec![server(), command(), denied(), neither()]);
    prop_oneof![
        1 => Just(Resolution::Unknown),
        2 => (select(Reason::ALL), any::<bool>()).prop_map(failed),
        4 => worlds.prop_map(resolved),
    ]
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let specs = select(vec![
        "image: r.test/hello:1\nreplicas: 2\n",
        "image: r.test/hello:1\nreplicas: 0\n",
        "image: r.test/hello:1\nrun: {schedule: \"@daily\"}\n",
        "image: r.test/hello:1\nlimits: {memory: 1}\n",
    ]);
    let owners = select(vec![Some("0e5a4b9c-0000-4000-8000-00000000cafe".to_owned()), None]);
    (specs, any_resolution(), any_state(), owners, any::<bool>()).prop_map(
        |(spec, resolution, state, owner, deleting)| {
            let kind = match &state {
                ChildState::Deployment { .. } | ChildState::Plain => ChildKind::Deployment,
                ChildState::Job { .. } => ChildKind::Job,
                ChildState::CronJob { .. } => ChildKind::CronJob,
            };
            let child = Child {
                kind,
                name: "hello".into(),
                uid: "u".into(),
                resource_version: "1".into(),
                owner,
                deleting,
                spec_hash: None,
                grant: None,
                image: None,
                plugs: Default::default(),
                state,
            };
            Seen { resolution, children: Children(vec![child]), ..seen(morph(spec), server()) }
        },
    )
}

fn any_applied() -> impl Strategy<Value = Applied> {
    let failed = |transient| {
        Applied::Failed(Failure { reason: Reason::ApplyRefused, message: "because".into(), transient })
    };
    prop_oneof![
        Just(Applied::Not),
        any::<bool>().prop_map(|changed| Applied::All { changed }),
        any::<bool>().prop_map(failed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn conditions_agree_with_each_other(seen in any_seen(), applied in any_applied()) {
        let status = status_of(&seen, &applied);
        let types: Vec<_> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
        prop_assert_eq!(&types[..5], ["Resolved", "ImportsSatisfied", "WithinCeiling", "Available", "Ready"]);
        let is = |type_, wanted| line(&status, type_).is_some_and(|(status, _)| status == wanted);
        let moving = [Reconciling, Stalled].into_iter().filter(|type_| is(*type_, "True")).count();
        let wanted = usize::from(!is(Ready, "True"));
        prop_assert_eq!(moving, wanted, "ready, or exactly one of the two: {:?}", types);
        if is(Ready, "True") {
            for type_ in [Resolved, ImportsSatisfied, WithinCeiling, Available] {
                prop_assert!(is(type_, "True"), "Ready without {}", type_);
            }
        }
        for condition in &status.conditions {
            prop_assert!(!condition.message.is_empty(), "{} says nothing", condition.type_);
            prop_assert_eq!(condition.observed_generation, status.observed_generation);
        }
    }

    #[test]
    fn saying_the_same_later_is_saying_it_once(seen in any_seen(), applied in any_applied()) {
        let status = status_of(&seen, &applied);
        let later = now() + k8s_openapi::jiff::SignedDuration::from_hours(1);
        let again = seen.after(status.clone());
        prop_assert_eq!(report(&again, &validate(&again), &applied, later), status);
    }

    #[test]
    fn a_component_that_is_not_known_takes_nothing_from_status(seen in any_seen()) {
        let before = status_of(&at(SPEC, server(), deployment(2, 2, 2)), &UNCHANGED);
        let lost = Seen { resolution: Resolution::Unknown, ..seen }.after(before.clone());
        let status = status_of(&lost, &Applied::Not);
        prop_assert_eq!((status.components, status.imports), (before.components, before.imports));
    }
}

#[test]
fn a_component_read_and_one_remembered_give_the_same_status() {
    let read = at(SPEC, server(), deployment(2, 2, 2));
    let Resolution::Resolved(Component { image, content, known }) = read.resolution.clone() else { panic!() };
    let known = crate::morph::Known::Remembered {
        imports: known.imports().to_vec(),
        links: Vec::new(),
        runs: Some(RunType::Server),
    };
    let remembered =
        Seen { resolution: Resolution::Resolved(Component { image, content, known }), ..read.clone() };
    assert_eq!(status_of(&read, &UNCHANGED), status_of(&remembered, &UNCHANGED));
}
