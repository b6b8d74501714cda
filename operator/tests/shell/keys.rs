//! The keys that sign: published to the nodes, and kept while a grant names them.

use crate::server::{FakeServer, Fault, NODE_NAMESPACE, OWN_NAMESPACE};
use crate::store::Key;
use crate::world::{NAMESPACE, World, server_component};
use morph_grant::{KeyId, PublicKey, SigningKey};
use morph_operator::denials::tls;
use morph_operator::morph::sweep::sweep;
use morph_operator::morph::{KEY_ANNOTATION, MORPH_UID_LABEL};
use morph_operator::node::relay::OPERATOR_FILE;
use morph_operator::signing::CONFIG_MAP;
use morph_operator::signing::choice::{KeyName, OVERLAP_SECONDS};
use morph_operator::signing::trust::Trust;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

fn key(seed: u64) -> SigningKey {
    SigningKey::generate(&mut StdRng::seed_from_u64(seed))
}

fn ids(seeds: &[u64]) -> BTreeSet<KeyId> {
    seeds.iter().map(|seed| key(*seed).public().id()).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Puts a key of this age into the mounted directory.
fn mount(directory: &Path, seed: u64, age_seconds: u64) {
    let name = KeyName { made: now() - age_seconds, id: key(seed).public().id() };
    std::fs::write(directory.join(name.to_string()), key(seed).to_pem().unwrap().as_bytes()).unwrap();
}

fn unmount(directory: &Path, seed: u64) {
    let id = key(seed).public().id().to_string();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains(&id) {
            std::fs::remove_file(path).unwrap();
        }
    }
}

fn map_key() -> Key {
    Key::new("", "configmaps", NODE_NAMESPACE, CONFIG_MAP)
}

fn published(api: &FakeServer) -> BTreeSet<KeyId> {
    let map = api.with(|store| store.get(&map_key()).cloned()).unwrap_or_default();
    let texts = map["data"].as_object().cloned().unwrap_or_default();
    let keys = texts.values().filter_map(|text| PublicKey::from_pem(text.as_str().unwrap()).ok());
    keys.map(|key| key.id()).collect()
}

/// Keys in this directory, beside the certificate of the denials' port.
fn trust(api: &FakeServer, directory: &Path) -> Trust {
    std::fs::write(directory.join(tls::CERTIFICATE_FILE), "the certificate").unwrap();
    let namespaces = (OWN_NAMESPACE.to_owned(), NODE_NAMESPACE.to_owned());
    Trust::new(api.server(), directory.to_owned(), namespaces.0, namespaces.1)
}

/// Publishes a key for the first time, and looks again.
pub(crate) async fn publish_once(api: &FakeServer) {
    let directory = tempfile::tempdir().unwrap();
    mount(directory.path(), 1, 10);
    trust(api, directory.path()).publish(None).await.unwrap();
    assert_eq!(published(api), ids(&[1]));
}

/// An envelope that says that this key has signed it.
fn envelope(seed: u64) -> Value {
    let signature = json!({ "keyid": key(seed).public().id(), "sig": "" });
    let text = json!({ "payloadType": morph_grant::PAYLOAD_TYPE, "payload": "", "signatures": [signature] });
    json!({ (morph_grant::ANNOTATION): text.to_string() })
}

/// A word that this key has signed the grant.
fn word(seed: u64) -> Value {
    json!({ (KEY_ANNOTATION): key(seed).public().id() })
}

/// An object of a living Morph with these annotations.
fn annotated(api: &FakeServer, group: &str, resource: &str, annotations: &Value) {
    let labels = json!({ (MORPH_UID_LABEL): "living" });
    let object = json!({ "metadata": { "name": "it", "labels": labels, "annotations": annotations } });
    api.with(|store| {
        store.create(&crate::world::morph_key("living"), json!({ "metadata": { "uid": "living" } }));
        store.create(&Key::new(group, resource, NAMESPACE, "it"), object)
    });
}

#[tokio::test]
async fn public_halves_are_published_and_a_second_look_writes_nothing() {
    let (api, directory) = (FakeServer::default(), tempfile::tempdir().unwrap());
    mount(directory.path(), 1, 10);
    let service =
        json!({ "spec": { "clusterIP": "10.96.0.7", "ports": [{ "name": "denials", "port": 8443 }] } });
    api.with(|store| store.create(&Key::new("", "services", OWN_NAMESPACE, "morph-operator"), service));
    let trust = trust(&api, directory.path());
    let signing = trust.publish(None).await.unwrap();
    assert_eq!(signing.signer.public(), key(1).public());
    assert_eq!(published(&api), ids(&[1]));
    let data = api.with(|store| store.get(&map_key()).cloned()).unwrap()["data"].clone();
    assert_eq!(data[tls::CERTIFICATE_FILE], "the certificate");
    let operator: Value = serde_json::from_str(data[OPERATOR_FILE].as_str().unwrap()).unwrap();
    let wanted = json!({ "address": "10.96.0.7:8443", "serverName": "morph-operator.morph-system.svc" });
    assert_eq!(operator, wanted);
    assert!(!data.to_string().contains("PRIVATE"), "only public halves leave the operator");
    api.take_calls();
    trust.publish(None).await.unwrap();
    assert!(api.take_writes().is_empty());
}

#[tokio::test]
async fn a_new_key_is_published_at_once_and_signs_once_it_is_old_enough() {
    let (api, directory) = (FakeServer::default(), tempfile::tempdir().unwrap());
    mount(directory.path(), 1, 5_000);
    let trust = trust(&api, directory.path());
    trust.publish(None).await.unwrap();
    mount(directory.path(), 2, 5);
    assert_eq!(trust.publish(None).await.unwrap().signer.public(), key(1).public());
    assert_eq!(published(&api), ids(&[1, 2]));
    unmount(directory.path(), 2);
    mount(directory.path(), 2, OVERLAP_SECONDS + 5);
    assert_eq!(trust.publish(None).await.unwrap().signer.public(), key(2).public());
}

#[tokio::test]
async fn an_old_key_stays_while_a_grant_names_it_and_leaves_then() {
    let (api, directory) = (FakeServer::default(), tempfile::tempdir().unwrap());
    for seed in [1, 2, 3] {
        mount(directory.path(), seed, 5_000 - seed);
    }
    let trust = trust(&api, directory.path());
    trust.publish(None).await.unwrap();
    annotated(&api, "", "pods", &envelope(1));
    annotated(&api, "apps", "deployments", &word(2));
    for seed in [1, 2] {
        unmount(directory.path(), seed);
    }
    trust.publish(None).await.unwrap();
    assert_eq!(published(&api), ids(&[1, 2, 3]), "nobody has looked yet who uses them");
    let live = sweep(&api.server()).await.unwrap().keys;
    assert_eq!(live, ids(&[1, 2]));
    trust.publish(Some(&live)).await.unwrap();
    assert_eq!(published(&api), ids(&[1, 2, 3]));
    api.with(|store| store.remove(&Key::new("", "pods", NAMESPACE, "it")));
    let live = sweep(&api.server()).await.unwrap().keys;
    let signing = trust.publish(Some(&live)).await.unwrap();
    assert_eq!(published(&api), ids(&[2, 3]));
    assert_eq!(signing.trusted.len(), 2);
}

#[tokio::test]
async fn a_key_is_in_use_by_grants_of_pods_and_by_the_operators_word_on_what_makes_pods() {
    for (group, resource, annotations, used) in [
        ("apps", "deployments", word(1), true),
        ("batch", "cronjobs", word(1), true),
        ("", "pods", envelope(1), true),
        // Anybody's word: people may annotate these as they like.
        ("", "pods", word(1), false),
        ("apps", "replicasets", word(1), false),
        // A Job is read whole.
        ("batch", "jobs", word(1), false),
        ("batch", "jobs", envelope(1), false),
        ("", "services", word(1), false),
        ("", "serviceaccounts", word(1), false),
        ("networking.k8s.io", "networkpolicies", word(1), false),
        ("apps", "deployments", envelope(1), false),
        ("apps", "replicasets", envelope(1), false),
        ("", "services", envelope(1), false),
    ] {
        let api = FakeServer::default();
        annotated(&api, group, resource, &annotations);
        let wanted = if used { ids(&[1]) } else { ids(&[]) };
        assert_eq!(sweep(&api.server()).await.unwrap().keys, wanted, "{resource}: {annotations}");
    }
}

#[tokio::test]
async fn what_has_ended_keeps_no_key_in_use() {
    let condition = |type_: &str| json!({ "conditions": [{ "type": type_, "status": "True" }] });
    let phase = |phase: &str| json!({ "phase": phase });
    let key_of_job = Key::new("batch", "jobs", NAMESPACE, "it");
    let key_of_pod = Key::new("", "pods", NAMESPACE, "it");
    for (key, status, used) in [
        (&key_of_job, json!(null), true),
        (&key_of_job, json!({ "active": 1 }), true),
        (&key_of_job, condition("Suspended"), true),
        (&key_of_job, condition("FailureTarget"), true),
        (&key_of_job, condition("Complete"), false),
        (&key_of_job, condition("Failed"), false),
        (&key_of_pod, json!(null), true),
        (&key_of_pod, phase("Pending"), true),
        (&key_of_pod, phase("Running"), true),
        (&key_of_pod, phase("Unknown"), true),
        (&key_of_pod, phase("Succeeded"), false),
        (&key_of_pod, phase("Failed"), false),
    ] {
        let api = FakeServer::default();
        annotated(&api, &key.group, &key.resource, &envelope(1));
        api.with(|store| {
            store.edit(key, |object| {
                object["spec"] = json!({ "template": { "metadata": { "annotations": envelope(1) } } });
                object["status"] = status.clone();
            });
        });
        let wanted = if used { ids(&[1]) } else { ids(&[]) };
        assert_eq!(sweep(&api.server()).await.unwrap().keys, wanted, "{}: {status}", key.resource);
    }
}

#[tokio::test]
async fn a_word_besides_a_pods_grant_is_not_believed() {
    let api = FakeServer::default();
    let mut annotations = envelope(1);
    annotations[KEY_ANNOTATION] = word(2)[KEY_ANNOTATION].clone();
    annotated(&api, "", "pods", &annotations);
    assert_eq!(sweep(&api.server()).await.unwrap().keys, ids(&[1]));
}

#[tokio::test]
async fn a_pods_own_grant_names_its_key() {
    let world = World::new(&server_component(""));
    world.create("weather", json!({}));
    world.converge("weather").await;
    let signer = crate::world::signing().signer.public().id();
    let deployment = world.api.with(|store| store.all("deployments")).remove(0);
    assert_eq!(deployment["metadata"]["annotations"][KEY_ANNOTATION], json!(signer.to_string()));
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    let pod = json!({ "metadata": {
        "name": "weather-1", "labels": deployment["metadata"]["labels"], "annotations": annotations,
    } });
    world.api.with(|store| {
        store.create(&Key::new("", "pods", NAMESPACE, "weather-1"), pod);
        store.remove(&Key::new("apps", "deployments", NAMESPACE, "weather"));
    });
    assert_eq!(sweep(&world.api.server()).await.unwrap().keys, BTreeSet::from([signer]));
}

#[tokio::test]
async fn what_can_not_be_read_or_asked_changes_nothing() {
    let (api, directory) = (FakeServer::default(), tempfile::tempdir().unwrap());
    mount(directory.path(), 1, 5_000);
    let trust = trust(&api, directory.path());
    trust.publish(None).await.unwrap();
    api.faults(|_, call| (call.resource == "configmaps").then_some(Fault::Status(500)));
    assert!(trust.publish(Some(&BTreeSet::new())).await.is_err());
    api.no_faults();
    api.take_calls();
    let certificate = directory.path().join(tls::CERTIFICATE_FILE);
    std::fs::rename(&certificate, directory.path().join("elsewhere")).unwrap();
    let error = format!("{:#}", trust.publish(Some(&BTreeSet::new())).await.map(drop).unwrap_err());
    assert!(error.contains(tls::CERTIFICATE_FILE) && error.contains("keys ensure"), "{error}");
    std::fs::rename(directory.path().join("elsewhere"), &certificate).unwrap();
    unmount(directory.path(), 1);
    assert!(trust.publish(Some(&BTreeSet::new())).await.is_err(), "no key at all is a mistake");
    assert!(api.take_writes().is_empty());
    assert_eq!(published(&api), ids(&[1]));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_signed_before_its_key_is_published() {
    let (api, directory) = (FakeServer::default(), tempfile::tempdir().unwrap());
    mount(directory.path(), 1, 5);
    api.faults(|_, call| (call.verb == "patch").then_some(Fault::Status(503)));
    let (signing, mut signed) = watch::channel(None);
    let (live, used) = watch::channel(None);
    let (elected, leading) = watch::channel(false);
    let stop = CancellationToken::new();
    let running = tokio::spawn(trust(&api, directory.path()).run(signing, used, leading, stop.clone()));
    let pause = || tokio::time::sleep(Duration::from_secs(60));
    pause().await;
    assert!(api.take_calls().is_empty(), "who doesn't lead publishes nothing");
    elected.send_replace(true);
    pause().await;
    assert!(signed.borrow().is_none(), "it isn't published");
    api.no_faults();
    signed.wait_for(Option::is_some).await.unwrap();
    assert_eq!(published(&api), ids(&[1]));
    // A key that comes later is found without a restart; one that nobody uses goes with the next sweep.
    mount(directory.path(), 2, OVERLAP_SECONDS + 1);
    let by = |seed| {
        move |now: &Option<morph_operator::signing::trust::Signing>| {
            now.as_ref().is_some_and(|now| now.signer.public() == key(seed).public())
        }
    };
    unmount(directory.path(), 1);
    mount(directory.path(), 1, OVERLAP_SECONDS + 9);
    signed.wait_for(by(2)).await.unwrap();
    unmount(directory.path(), 1);
    pause().await;
    assert_eq!(published(&api), ids(&[1, 2]));
    live.send_replace(Some(BTreeSet::new()));
    pause().await;
    assert_eq!(published(&api), ids(&[2]));
    stop.cancel();
    running.await.unwrap().unwrap();
}
