//! What carries our label and whose Morph is gone is deleted; nothing else is.

use crate::server::{FakeServer, Fault};
use crate::store::Key;
use crate::world::{NAMESPACE, morph_key};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use morph_operator::morph::server::{CallError, Doomed, was_deleted};
use morph_operator::morph::sweep::sweep;
use morph_operator::morph::{GENERATION_ANNOTATION, MORPH_UID_LABEL};
use serde_json::{Value, json};

const KINDS: [(&str, &str); 8] = [
    ("batch", "cronjobs"),
    ("apps", "deployments"),
    ("batch", "jobs"),
    ("apps", "replicasets"),
    ("", "services"),
    ("", "serviceaccounts"),
    ("", "pods"),
    ("networking.k8s.io", "networkpolicies"),
];

fn object(name: &str, morph: Option<&str>) -> Value {
    let labels = morph.map_or(json!({}), |uid| json!({ "hayride.dev/morph": "w", (MORPH_UID_LABEL): uid }));
    json!({ "metadata": { "name": name, "labels": labels } })
}

/// One Morph that lives, and of each kind an object of it, one of a dead Morph, and one of somebody else.
fn world() -> FakeServer {
    let api = FakeServer::default();
    api.with(|store| {
        store.create(&morph_key("living"), json!({ "metadata": { "uid": "living" } }));
        for (group, resource) in KINDS {
            for (name, morph) in [("ours", Some("living")), ("orphan", Some("dead")), ("theirs", None)] {
                store.create(&Key::new(group, resource, NAMESPACE, name), object(name, morph));
            }
        }
    });
    api
}

fn names(api: &FakeServer, resource: &str) -> Vec<String> {
    let all = api.with(|store| store.all(resource));
    all.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_lost_its_morph_goes_and_the_rest_stays() {
    let api = world();
    assert_eq!(sweep(&api.server()).await.unwrap().deleted, KINDS.len());
    for (_, resource) in KINDS {
        assert_eq!(names(&api, resource), ["ours", "theirs"], "{resource}");
    }
    let deleted: Vec<String> = api.take_writes();
    assert!(deleted[0].contains("cronjobs") && deleted[6].contains("pods"), "makers first: {deleted:?}");
}

#[tokio::test]
async fn a_pod_that_has_ended_is_swept_as_well() {
    let api = FakeServer::default();
    for phase in ["Pending", "Running", "Succeeded", "Failed", "Unknown"] {
        let mut pod = object(&phase.to_lowercase(), Some("dead"));
        pod["status"]["phase"] = json!(phase);
        api.with(|store| store.create(&Key::new("", "pods", NAMESPACE, ""), pod));
    }
    assert_eq!(sweep(&api.server()).await.unwrap().deleted, 5);
    assert_eq!(names(&api, "pods"), [""; 0]);
}

#[tokio::test]
async fn what_looks_at_an_image_for_an_earlier_generation_goes_and_for_this_one_stays() {
    let api = FakeServer::default();
    api.with(|store| {
        store.create(&morph_key("it"), json!({ "metadata": { "uid": "it" }, "spec": {} }));
        store.edit(&morph_key("it"), |morph| morph["spec"] = json!({ "args": ["x"] }));
        for (name, generation) in [("old", "1"), ("now", "2"), ("ahead", "3"), ("odd", "first")] {
            let mut pod = object(name, Some("it"));
            pod["metadata"]["annotations"] = json!({ (GENERATION_ANNOTATION): generation });
            store.create(&Key::new("", "pods", NAMESPACE, name), pod);
        }
        store.create(&Key::new("", "pods", NAMESPACE, "works"), object("works", Some("it")));
    });
    assert_eq!(sweep(&api.server()).await.unwrap().deleted, 1);
    assert_eq!(names(&api, "pods"), ["ahead", "now", "odd", "works"]);
}

#[tokio::test]
async fn a_second_sweep_writes_nothing() {
    let api = world();
    sweep(&api.server()).await.unwrap();
    api.take_calls();
    assert_eq!(sweep(&api.server()).await.unwrap().deleted, 0);
    assert!(api.take_writes().is_empty());
}

#[tokio::test]
async fn what_is_being_deleted_is_left_alone() {
    let api = FakeServer::default();
    let mut going = object("going", Some("dead"));
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    api.with(|store| store.create(&Key::new("", "pods", NAMESPACE, "going"), going));
    assert_eq!(sweep(&api.server()).await.unwrap().deleted, 0);
}

#[tokio::test]
async fn what_changed_since_it_was_read_is_left_to_the_next_sweep() {
    let api = world();
    api.faults(|_, call| (call.verb == "delete" && call.resource == "pods").then_some(Fault::Status(409)));
    assert_eq!(sweep(&api.server()).await.unwrap().deleted, KINDS.len() - 1);
    assert_eq!(names(&api, "pods"), ["orphan", "ours", "theirs"]);
    api.no_faults();
    sweep(&api.server()).await.unwrap();
    assert_eq!(names(&api, "pods"), ["ours", "theirs"]);
}

#[tokio::test]
async fn a_delete_is_of_one_object_in_one_state_and_of_no_other() {
    let api = FakeServer::default();
    let key = Key::new("", "pods", NAMESPACE, "it");
    api.with(|store| store.create(&key, object("it", None)));
    let found = api.with(|store| store.get(&key).cloned()).unwrap()["metadata"].clone();
    let (uid, version) = (found["uid"].as_str().unwrap(), found["resourceVersion"].as_str().unwrap());
    let server = api.server();
    let unknown = ObjectMeta { name: Some("it".into()), ..ObjectMeta::default() };
    let doomed = |uid, resource_version| Doomed { name: "it", uid, resource_version, waits: false };
    for other in [Doomed::of(&unknown), doomed("another", None), doomed(uid, Some("0"))] {
        let refused = server.delete::<Pod>(NAMESPACE, &other).await;
        assert_eq!(refused.as_ref().err().and_then(CallError::code), Some(409), "{other:?}");
        assert!(!was_deleted(refused).unwrap());
    }
    assert_eq!(names(&api, "pods"), ["it"]);
    assert!(was_deleted(server.delete::<Pod>(NAMESPACE, &doomed(uid, Some(version))).await).unwrap());
    assert!(!was_deleted(server.delete::<Pod>(NAMESPACE, &doomed(uid, None)).await).unwrap(), "it is gone");
    api.faults(|_, _| Some(Fault::Status(500)));
    assert!(was_deleted(server.delete::<Pod>(NAMESPACE, &doomed(uid, None)).await).is_err());
}

#[tokio::test]
async fn a_list_that_fails_deletes_nothing_by_mistake() {
    let api = world();
    api.faults(|_, call| (call.resource == "morphs").then_some(Fault::Status(500)));
    assert!(sweep(&api.server()).await.is_err());
    assert!(api.take_writes().is_empty());
    for (_, resource) in KINDS {
        assert_eq!(names(&api, resource).len(), 3, "{resource}");
    }
}

#[tokio::test]
async fn a_morph_made_while_it_sweeps_keeps_its_objects() {
    let api = FakeServer::default();
    let late = api.clone();
    // Its objects can't be listed before it is there; it can be there after the Morphs were listed once.
    api.with(|store| {
        store.create(&morph_key("old"), json!({ "metadata": { "uid": "old" } }));
        store.create(&Key::new("batch", "cronjobs", NAMESPACE, "a"), object("a", Some("old")));
    });
    api.faults(move |_, call| {
        if call.verb == "list" && call.resource == "pods" {
            late.with(|store| {
                store.create(&morph_key("new"), json!({ "metadata": { "uid": "new" } }));
                store.create(&Key::new("", "pods", NAMESPACE, "p"), object("p", Some("new")));
            });
        }
        None
    });
    assert_eq!(sweep(&api.server()).await.unwrap().deleted, 0);
    assert_eq!(names(&api, "pods"), ["p"]);
}
