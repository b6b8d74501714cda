//! Tests of inspection: each state of the pod, and what is believed of what it tells.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::morph::fixture::{self, morph};
use morph_grant::Digest;
use serde_json::{Value, json};

const PRIVATE: &str = "image: r.example/acme/hello:1\ntemplate: { imagePullSecrets: [ { name: pull } ] }";

fn denied() -> Failure {
    Failure { reason: Reason::RegistryDenied, message: "spec.image: refused".into(), transient: true }
}

/// What is done about the Morph's own image.
fn main_step(morph: &Morph, found: Option<&Pod>) -> Step {
    step(morph, &morph.spec.main(), &denied(), found)
}

fn main_name(morph: &Morph) -> String {
    name(morph, &morph.spec.main())
}

/// The pod that is asked for, with this status.
fn pod_with(status: Value) -> Pod {
    let Step::Make(mut pod, _) = main_step(&morph(PRIVATE), None) else { panic!("no pod is asked for") };
    pod.status = serde_json::from_value(status).unwrap();
    *pod
}

fn ended(phase: &str, exit_code: i32, message: &str) -> Pod {
    let state = json!({ "terminated": { "exitCode": exit_code, "message": message } });
    let container = json!({ "name": "inspect", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": state });
    pod_with(json!({ "phase": phase, "containerStatuses": [container] }))
}

fn inspection() -> Inspection {
    Inspection::of(Digest::of(b"manifest"), Digest::of(b"content"), &fixture::server())
}

fn next(pod: &Pod) -> Step {
    main_step(&morph(PRIVATE), Some(pod))
}

#[test]
fn only_what_other_credentials_may_cure_is_asked_of_a_node() {
    let secret = morph(PRIVATE);
    let account = morph("image: r.example/acme/hello:1\ntemplate: { serviceAccountName: puller }");
    let none = morph("image: r.example/acme/hello:1");
    for (reason, helps) in [
        (Reason::RegistryDenied, true),
        (Reason::RegistryForbidden, true),
        (Reason::ImageNotFound, true),
        (Reason::RegistryUnavailable, false),
        (Reason::ArtifactInvalid, false),
        (Reason::ReferenceInvalid, false),
    ] {
        let failure = Failure { reason, ..denied() };
        assert_eq!(may_help(&secret, &failure), helps, "{reason}");
        assert_eq!(may_help(&account, &failure), helps, "{reason}");
        assert!(!may_help(&none, &failure), "{reason}");
    }
}

#[test]
fn while_a_pod_is_made_the_morph_says_that_a_node_is_asked() {
    let Step::Make(pod, failure) = main_step(&morph(PRIVATE), None) else { panic!() };
    assert_eq!(Step::Wait(failure.clone()), next(&pod), "the same as right after it");
    assert_eq!((failure.reason, failure.transient), (Reason::Pending, true));
    assert!(failure.message.starts_with(&denied().message), "{}", failure.message);
}

#[test]
fn the_pod_is_found_by_no_service_and_carries_no_grant() {
    let pod = pod_with(json!({}));
    let labels = pod.metadata.labels.unwrap();
    assert_eq!(labels.keys().collect::<Vec<_>>(), [MORPH_UID_LABEL]);
    let annotations = pod.metadata.annotations.unwrap();
    assert_eq!(annotations.keys().collect::<Vec<_>>(), [GENERATION_ANNOTATION, INSPECT_ANNOTATION]);
    assert_eq!(pod.metadata.owner_references.unwrap().len(), 1);
    let spec = pod.spec.unwrap();
    assert_eq!(spec.image_pull_secrets.unwrap()[0].name, "pull");
    assert_eq!(spec.containers[0].image.as_deref(), Some("r.example/acme/hello:1"));
    assert_eq!((spec.containers[0].env.clone(), spec.volumes), (None, None));
    assert_eq!(spec.automount_service_account_token, Some(false));
}

#[test]
fn another_image_is_another_pod_and_scaling_is_none() {
    let name_of = |spec: &str| main_name(&morph(spec));
    assert_eq!(name_of(PRIVATE), name_of(&format!("{PRIVATE}\nreplicas: 7")));
    assert_ne!(name_of(PRIVATE), name_of(&PRIVATE.replace("hello:1", "hello:2")));
}

#[test]
fn what_a_node_tells_is_the_component() {
    let told = inspection();
    let Step::Found(component) = next(&ended("Succeeded", 0, &told.to_text().unwrap())) else { panic!() };
    assert_eq!(component.image.to_string(), format!("r.example/acme/hello@{}", told.manifest));
    assert_eq!(component.content, told.content);
    assert_eq!(component.known.imports(), told.imports);
}

#[test]
fn a_pod_of_somebody_else_tells_nothing() {
    let good = ended("Succeeded", 0, &inspection().to_text().unwrap());
    let mut foreign = good.clone();
    foreign.metadata.owner_references = None;
    let mut unmarked = good.clone();
    unmarked.metadata.annotations = None;
    for pod in [foreign, unmarked] {
        let Step::Failed(failure) = next(&pod) else { panic!("{pod:?}") };
        assert_eq!(failure.reason, Reason::NameTaken);
    }
    assert!(matches!(next(&good), Step::Found(_)));
}

#[test]
fn words_that_are_no_inspection_are_not_shown() {
    for words in ["", "{}", "<script>secret</script>"] {
        let Step::Failed(failure) = next(&ended("Succeeded", 0, words)) else { panic!("{words}") };
        assert_eq!((failure.reason, failure.transient), (Reason::ArtifactInvalid, false));
        assert!(!failure.message.contains("secret"), "{}", failure.message);
    }
    let Step::Failed(failure) = next(&ended("Failed", BAD_COMPONENT, "secret")) else { panic!() };
    assert_eq!(failure.reason, Reason::NotAComponent);
    assert!(!failure.message.contains("secret"), "{}", failure.message);
}

#[test]
fn a_digest_that_is_another_manifests_is_refused() {
    let other = Digest::of(b"index");
    let asked = morph(&PRIVATE.replace(":1", &format!("@{other}")));
    let Step::Make(mut pod, _) = main_step(&asked, None) else { panic!() };
    pod.status = ended("Succeeded", 0, &inspection().to_text().unwrap()).status;
    let Step::Failed(failure) = main_step(&asked, Some(&pod)) else { panic!() };
    assert!(failure.message.contains(&inspection().manifest.to_string()), "{}", failure.message);
}

#[test]
fn until_it_has_ended_it_is_waited_for() {
    let waiting = |reason: &str| {
        let container = json!({ "name": "inspect", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": { "waiting": { "reason": reason } } });
        pod_with(json!({ "phase": "Pending", "containerStatuses": [container] }))
    };
    let Step::Wait(failure) = next(&waiting("ContainerCreating")) else { panic!() };
    assert_eq!((failure.reason, failure.transient), (Reason::Pending, true));
    for reason in ["ErrImagePull", "ImagePullBackOff"] {
        let Step::Wait(failure) = next(&waiting(reason)) else { panic!() };
        assert_eq!(failure.reason, Reason::RegistryDenied);
        assert!(failure.message.contains("imagePullSecrets"), "{}", failure.message);
    }
    let mut going = ended("Succeeded", 0, &inspection().to_text().unwrap());
    going.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-11-25T12:00:00Z")).unwrap());
    assert!(matches!(next(&going), Step::Wait(_)));
}

#[test]
fn a_pod_that_was_given_up_is_made_anew() {
    assert!(matches!(next(&ended("Failed", 137, "")), Step::Remake(_)));
    assert!(matches!(
        next(&pod_with(json!({ "phase": "Failed", "reason": "DeadlineExceeded" }))),
        Step::Remake(_)
    ));
}

#[test]
fn each_part_has_a_pod_of_its_own_with_its_own_image_and_words() {
    let morph = morph(&format!("{PRIVATE}\nplugs: [{{name: clock, image: \"r.example/acme/clock:1\"}}]"));
    let parts = morph.spec.parts().collect::<Vec<_>>();
    assert_ne!(name(&morph, &parts[0]), name(&morph, &parts[1]));
    let Step::Make(pod, _) = step(&morph, &parts[1], &denied(), None) else { panic!() };
    assert_eq!(pod.metadata.name, Some(name(&morph, &parts[1])));
    assert_eq!(pod.spec.as_ref().unwrap().containers[0].image.as_deref(), Some("r.example/acme/clock:1"));
    let mut told = *pod;
    told.status = ended("Failed", 127, "").status;
    let Step::Failed(failure) = step(&morph, &parts[1], &denied(), Some(&told)) else { panic!() };
    assert!(failure.message.starts_with("spec.plugs[0].image: "), "{}", failure.message);
}
