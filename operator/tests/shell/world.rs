//! A small world for tests: an API server, a registry, an operator that can be killed, and the controllers
//! of Kubernetes played in a few lines.

use crate::registry::FakeRegistry;
use crate::server::{Call, FakeServer};
use crate::store::Key;
use morph_component::inspect;
use morph_grant::{Digest, INSPECT_ANNOTATION, Inspection, SigningKey};
use morph_operator::events::Recorder;
use morph_operator::morph::Fence;
use morph_operator::morph::reconcile::{Next, Reconciler};
use morph_operator::morph::server::CallError;
use morph_operator::registry::Resolver;
use morph_operator::signing::trust::Signing;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) const NAMESPACE: &str = "demo";
pub(crate) const IMAGE: &str = "r.example/acme/weather:1";

/// Passes after which something that still writes is taken not to end.
const PASSES_MAX: usize = 120;

/// How long nothing is written once all is as it shall be: longer than any wait before a registry is asked
/// once more.
const QUIET: Duration = Duration::from_secs(90);

pub(crate) struct World {
    pub(crate) api: FakeServer,
    pub(crate) registry: Arc<FakeRegistry>,
    pub(crate) operator: Reconciler,
}

/// A component that serves HTTP and imports `extra`.
pub(crate) fn server_component(extra: &str) -> Vec<u8> {
    component("wasi:http/incoming-handler@0.2.3", extra)
}

/// A component that runs once.
pub(crate) fn command_component() -> Vec<u8> {
    component("wasi:cli/run@0.2.3", "wasi:cli/stdout@0.2.3")
}

pub(crate) fn component(export: &str, import: &str) -> Vec<u8> {
    let imports: &[&str] = if import.is_empty() { &[] } else { &[import] };
    part(&[export], imports)
}

/// A component with these exports and imports, all of them instances of nothing.
pub(crate) fn part(exports: &[&str], imports: &[&str]) -> Vec<u8> {
    let imports: String = imports.iter().map(|id| format!("(import \"{id}\" (instance))")).collect();
    let exports: String = exports.iter().map(|id| format!("(export \"{id}\" (instance $i))")).collect();
    wat::parse_str(format!("(component {imports} (instance $i) {exports})")).unwrap()
}

pub(crate) fn morph_key(name: &str) -> Key {
    Key::new("hayride.dev", "morphs", NAMESPACE, name)
}

/// What signs in these tests.
pub(crate) fn signing() -> Signing {
    let signer = Arc::new(SigningKey::generate(&mut StdRng::seed_from_u64(7)));
    let trusted = Arc::new([signer.public()].into_iter().collect());
    Signing { signer, trusted }
}

fn operator(api: &FakeServer, registry: &Arc<FakeRegistry>) -> Reconciler {
    let server = api.server();
    let metrics = Arc::clone(&server.metrics);
    let resolver = Resolver::new(Arc::clone(registry) as _, Arc::clone(&metrics));
    let recorder = Recorder::new(api.client(), "operator-0".to_owned(), metrics);
    let cluster = "cluster-uid".to_owned();
    let fence = Some(Fence::default());
    let (_, signing) = watch::channel(Some(signing()));
    Reconciler::new(server, resolver, recorder, cluster, fence, signing, Duration::from_secs(600))
}

impl World {
    /// A world with `component` in its registry.
    pub(crate) fn new(component: &[u8]) -> Self {
        let (api, registry) = (FakeServer::default(), Arc::new(FakeRegistry::default()));
        registry.push(IMAGE, component);
        let operator = operator(&api, &registry);
        let world = Self { api, registry, operator };
        let namespace =
            json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": { "uid": "cluster-uid" } });
        world.api.with(|store| store.create(&Key::new("", "namespaces", "", "kube-system"), namespace));
        let own = json!({ "kind": "Namespace", "apiVersion": "v1", "metadata": {} });
        world.api.with(|store| store.create(&Key::new("", "namespaces", "", NAMESPACE), own));
        world
    }

    /// Creates a Morph; `spec` is merged over an image alone.
    pub(crate) fn create(&self, name: &str, spec: Value) {
        let mut whole = json!({ "image": IMAGE, "replicas": 1 });
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let morph = json!({
            "apiVersion": "hayride.dev/v1alpha1", "kind": "Morph",
            "metadata": { "name": name, "uid": format!("uid-of-{name}") }, "spec": whole,
        });
        self.api.with(|store| store.create(&morph_key(name), morph));
    }

    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.api.with(|store| store.edit(&morph_key(name), change));
    }

    pub(crate) fn morph(&self, name: &str) -> Value {
        self.api.with(|store| store.get(&morph_key(name)).cloned()).unwrap_or_default()
    }

    /// Status and reason of a condition.
    pub(crate) fn condition(&self, name: &str, type_: &str) -> (String, String) {
        let morph = self.morph(name);
        let all = morph["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = all.iter().find(|condition| condition["type"] == type_).cloned().unwrap_or_default();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"))
    }

    /// Kinds of what belongs to Morphs, with names.
    pub(crate) fn children(&self) -> Vec<String> {
        let kinds = ["serviceaccounts", "networkpolicies", "services", "deployments", "jobs", "cronjobs"];
        let keys = self.api.with(|store| store.keys());
        let ours = keys.into_iter().filter(|key| kinds.contains(&key.resource.as_str()));
        ours.map(|key| format!("{} {}", key.resource, key.name)).collect()
    }

    pub(crate) fn events(&self) -> Vec<String> {
        let reason = |event: Value| event["reason"].as_str().unwrap_or_default().to_owned();
        self.api.with(|store| store.all("events")).into_iter().map(reason).collect()
    }

    /// Kills the operator and starts another one: all that it kept in memory is gone.
    pub(crate) fn restart(&mut self) {
        self.operator = operator(&self.api, &self.registry);
    }

    pub(crate) async fn pass(&self, name: &str) -> Result<Next, CallError> {
        self.operator.reconcile(NAMESPACE, name).await
    }

    /// Passes and plays the controllers until a pass writes nothing.
    pub(crate) async fn converge(&self, name: &str) {
        for _ in 0..12 {
            self.play();
            self.api.take_calls();
            self.pass(name).await.unwrap();
            if self.api.take_writes().is_empty() {
                return;
            }
        }
        panic!("no end of writes: {:#}", self.morph(name));
    }

    /// Passes, with the time between them, until none has written anything for a while; gives how many calls
    /// it took to the first of the quiet ones, and how many passes came to an error.
    pub(crate) async fn settle(&self, name: &str) -> (usize, usize) {
        let (mut calls, mut errors, mut quiet) = (0, 0, None);
        for _ in 0..PASSES_MAX {
            self.play();
            self.api.take_calls();
            let passed = self.pass(name).await;
            let made = self.api.take_calls();
            calls += made.len();
            if made.iter().any(Call::is_write) || passed.is_err() {
                quiet = None;
            } else {
                let (since, first) = *quiet.get_or_insert((Instant::now(), calls));
                if since.elapsed() >= QUIET {
                    return (first, errors);
                }
            }
            match passed {
                Ok(Next::After(wait)) => tokio::time::sleep(wait).await,
                Ok(Next::Gone) => {}
                Err(_) => {
                    errors += 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
        panic!("no end of writes: {:#}", self.morph(name));
    }

    /// Pods that look at images.
    pub(crate) fn inspectors(&self) -> Vec<Key> {
        let is_one = |pod: &Value| !pod["metadata"]["annotations"][INSPECT_ANNOTATION].is_null();
        self.api.with(|store| {
            let pods = store.keys().into_iter().filter(|key| key.resource == "pods");
            pods.filter(|key| store.get(key).is_some_and(is_one)).collect()
        })
    }

    /// The node: what looks at an image that it can pull ends with what the image is.
    fn play_inspectors(&self) {
        for key in self.inspectors() {
            let pod = self.api.with(|store| store.get(&key).cloned()).unwrap();
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
            let Some(bytes) = self.registry.on_a_node(image).filter(|_| pod["status"].is_null()) else {
                continue;
            };
            let (phase, code, message) = match inspect(&bytes) {
                Ok(world) => {
                    let manifest = FakeRegistry::manifest_of(&bytes);
                    let told = Inspection::of(manifest, Digest::of(&bytes), &world);
                    ("Succeeded", 0, told.to_text().unwrap())
                }
                Err(_) => ("Failed", 127, String::new()),
            };
            let terminated = json!({ "exitCode": code, "message": message });
            let container = json!({ "name": "inspect", "image": "", "imageID": "", "ready": false,
                "restartCount": 0, "state": { "terminated": terminated } });
            let status = json!({ "phase": phase, "containerStatuses": [container] });
            self.api.with(|store| store.edit(&key, |pod| pod["status"] = status));
        }
    }

    /// The controllers of Kubernetes: Deployments become available, Jobs complete; and nodes that look.
    pub(crate) fn play(&self) {
        self.play_inspectors();
        self.api.with(|store| {
            for key in store.keys() {
                let object = store.get(&key).cloned().unwrap();
                let status = match key.resource.as_str() {
                    "deployments" => {
                        let replicas = object["spec"]["replicas"].clone();
                        let condition = json!({ "type": "Available", "status": "True" });
                        json!({
                            "observedGeneration": object["metadata"]["generation"], "replicas": replicas,
                            "updatedReplicas": replicas, "availableReplicas": replicas,
                            "readyReplicas": replicas, "conditions": [condition],
                        })
                    }
                    "jobs" if object["spec"]["suspend"] != json!(true) => {
                        json!({ "succeeded": 1, "conditions": [{ "type": "Complete", "status": "True" }] })
                    }
                    _ => continue,
                };
                if object["status"] != status {
                    store.edit(&key, |object| object["status"] = status);
                }
            }
        });
    }

    /// All objects but Events, without what differs from run to run.
    pub(crate) fn picture(&self) -> String {
        let mut text = String::new();
        self.api.with(|store| {
            for key in store.keys().into_iter().filter(|key| key.resource != "events") {
                let mut object = store.get(&key).cloned().unwrap();
                for field in ["resourceVersion", "uid", "generation"] {
                    object["metadata"].as_object_mut().unwrap().remove(field);
                }
                for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
                    condition.as_object_mut().unwrap().remove("lastTransitionTime");
                }
                object["status"].as_object_mut().map(|status| status.remove("observedGeneration"));
                text.push_str(&format!("{key:?} {object:#}\n"));
            }
        });
        text
    }
}
