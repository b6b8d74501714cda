//! Any Morph, any history: plans are deterministic, hold the lint, and come to rest.

#![allow(clippy::unwrap_used, clippy::panic)]

use crate::morph::fixture::{applied, command, morph, planned, seen, server, settled};
use crate::morph::{Children, Seen};
use morph_crds::{Morph, RunType};
use proptest::prelude::*;
use proptest::sample::select;

/// Rounds in which a change must have come to rest: one that deletes, one that waits, one that makes.
const ROUNDS_MAX: usize = 4;

fn line(choices: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(choices).prop_map(|text| if text.is_empty() { String::new() } else { format!("{text}\n") })
}

/// Fields that every Morph may have.
fn any_fields() -> impl Strategy<Value = Vec<String>> {
    (
        line(&["image: r.test/a:1", "image: r.test/a:2", "image: r.test/b/c:x"]),
        line(&["", "replicas: 0", "replicas: 3"]),
        line(&["", "args: [a, \"$(B)\"]", "args: [\"\"]"]),
        line(&[
            "",
            "env: [{name: A, value: \"$(X)\"}]",
            "env: [{name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: A, value: a}]",
        ]),
        line(&["", "envFrom: [{prefix: P_, configMapRef: {name: c}}, {secretRef: {name: s}}]"]),
        line(&[
            "",
            "volumes: [{name: v, emptyDir: {}}]",
            "volumes: [{name: v, emptyDir: {}}, {name: w, secret: {secretName: s}}]\n\
             capabilities: {filesystem: [{volume: w, path: /w}, {volume: v, path: /v, access: ReadWrite}]}",
            "capabilities: {logging: {}, keyvalue: [{bucket: b, memory: {maxBytes: 1Mi}}], \
             http: {allow: [{host: b.example, pathPrefixes: [/], \
             credential: {header: x, secretKeyRef: {name: s, key: k}}}]}}",
            "capabilities: {sockets: {connect: [{host: db.demo.svc, ports: [5432]}, \
             {cidr: 10.0.0.0/8, ports: [53], protocol: UDP}], listen: [{port: 99}]}}",
        ]),
        line(&["", "limits: {memory: 64Mi}", "resources: {requests: {cpu: 10m}, limits: {memory: 1Gi}}"]),
        line(&[
            "",
            "template: {serviceAccountName: other}",
            "template: {labels: {a: b}, annotations: {c: d}, terminationGracePeriodSeconds: 60}",
        ]),
        line(&[
            "",
            "config: [{key: a, value: b}]\ndeterminism: {seed: 1}",
            "config: [{key: b, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}, \
             {key: a, valueFrom: {configMapKeyRef: {name: c, key: k}}}]\nwithhold: [Exit, Clocks]",
        ]),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i)| vec![a, b, c, d, e, f, g, h, i])
}

pub(super) fn any_morph() -> impl Strategy<Value = (Morph, RunType)> {
    let own = prop_oneof![
        line(&["", "http: {port: 9000}", "type: Server"]).prop_map(|text| (text, RunType::Server)),
        line(&[
            "",
            "type: Command",
            "run: {suspend: true, parallelism: 2, completions: 3}",
            "run: {schedule: \"@daily\", timeZone: Etc/UTC, concurrencyPolicy: Replace}",
        ])
        .prop_map(|text| (text, RunType::Command)),
    ];
    (any_fields(), own).prop_map(|(fields, (own, runs))| (morph(&(fields.concat() + &own)), runs))
}

pub(super) fn see((morph, runs): &(Morph, RunType)) -> Seen {
    seen(morph.clone(), if *runs == RunType::Server { server() } else { command() })
}

proptest! {
    #[test]
    fn the_same_input_gives_the_same_bytes(any in any_morph()) {
        let bytes = |plan: crate::morph::Plan| {
            let values: Vec<_> = plan.apply.iter().map(|object| object.to_value()).collect();
            serde_json::to_vec(&values).unwrap()
        };
        prop_assert_eq!(bytes(planned(&see(&any))), bytes(planned(&see(&any))));
    }

    #[test]
    fn any_history_comes_to_rest_and_leaves_nothing_behind(
        history in prop::collection::vec(any_morph(), 1..5)
    ) {
        let mut children = Children::default();
        for any in &history {
            let seen = see(any);
            let mut rounds = 0;
            loop {
                let plan = planned(&seen.clone().with(children.clone()));
                let next = settled(applied(&plan, &children));
                let rests = plan.delete.is_empty() && next.0 == children.0;
                children = next;
                if rests {
                    break;
                }
                rounds += 1;
                prop_assert!(rounds <= ROUNDS_MAX, "{:?}", plan.delete);
            }
            let fresh = planned(&seen.clone());
            let again = planned(&seen.with(children.clone()));
            prop_assert_eq!(&again, &fresh);
            prop_assert_eq!(children.0.len(), fresh.apply.len());
        }
    }
}
