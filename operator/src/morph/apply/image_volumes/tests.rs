//! How a cluster without image volumes is told.

use super::*;
use serde_json::json;

fn object(path: &str, volumes: &Value) -> Value {
    let pod = json!({ "template": { "spec": { "volumes": volumes } } });
    if path == PODS[0] {
        json!({ "spec": pod })
    } else {
        json!({ "spec": { "jobTemplate": { "spec": pod } } })
    }
}

#[test]
fn a_volume_that_the_answer_lacks_is_lost_in_every_kind_of_workload() {
    let plug = json!({ "name": "hayride-plug-a", "image": { "reference": "r.test/a@sha256:1" } });
    let other = json!({ "name": "v", "emptyDir": {} });
    for path in PODS {
        let wanted = object(path, &json!([plug, other]));
        for (answer, lost) in [
            (json!([plug, other]), false),
            (json!([other, plug]), false),
            (json!([other]), true),
            (json!([{ "name": "hayride-plug-a" }, other]), true),
            (json!(null), true),
        ] {
            assert_eq!(are_lost(&wanted, &object(path, &answer)), lost, "{path} {answer}");
        }
    }
}

#[test]
fn what_has_no_images_loses_none() {
    for wanted in
        [object(PODS[0], &json!([{ "name": "v", "emptyDir": {} }])), json!({ "spec": {} }), json!({})]
    {
        assert!(names(&wanted).is_empty() && !are_lost(&wanted, &json!({})), "{wanted}");
    }
}

#[test]
fn words_of_api_servers_are_known() {
    for (words, known) in [
        (
            "failed to create typed patch object (demo/a; apps/v1, Kind=Deployment): \
             .spec.template.spec.volumes[name=\"hayride-plug-a\"].image: field not declared in schema",
            true,
        ),
        ("spec.template.spec.volumes[0]: Required value: must specify a volume type", true),
        ("exceeded quota: pods, requested: 1", false),
        ("spec.template.spec.containers[0].x: field not declared in schema", false),
    ] {
        assert_eq!(are_refused(words), known, "{words}");
    }
}
