//! The objects of the API server in memory: resourceVersions, generations, server-side apply (whole lists,
//! one manager at a time), preconditions, watches. Only what the operator's calls need.

use futures::stream::{BoxStream, StreamExt as _};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tokio::sync::broadcast;

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        let text = str::to_owned;
        Self { group: text(group), resource: text(resource), namespace: text(namespace), name: text(name) }
    }

    fn is_among(&self, list: &Self) -> bool {
        self.group == list.group
            && self.resource == list.resource
            && (list.namespace.is_empty() || list.namespace == self.namespace)
    }
}

pub(crate) enum Outcome {
    Object(Value),
    Refused(u16, String),
}

type Hook = Box<dyn Fn(&mut Value) + Send>;

/// What becomes of images among a pod's volumes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ImageVolumes {
    /// They stay.
    #[default]
    Kept,
    /// They are dropped, and nothing is said of it: the feature is switched off.
    Dropped,
    /// The field isn't known: an API server of before.
    Unknown,
}

#[derive(Debug, Clone)]
struct Event {
    revision: u64,
    type_: &'static str,
    key: Key,
    object: Value,
}

pub(crate) struct Store {
    objects: BTreeMap<Key, Value>,
    applied: BTreeMap<(Key, String, bool), Value>,
    revision: u64,
    made: u64,
    history: Vec<Event>,
    hook: Option<Hook>,
    images: ImageVolumes,
    events: broadcast::Sender<Event>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            applied: BTreeMap::new(),
            revision: 1,
            made: 0,
            history: Vec::new(),
            hook: None,
            images: ImageVolumes::default(),
            events: broadcast::channel(1_024).0,
        }
    }
}

fn refused(code: u16, message: &str) -> Outcome {
    Outcome::Refused(code, message.to_owned())
}

impl Store {
    pub(crate) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key)
    }

    /// All objects of a resource, whichever their group.
    pub(crate) fn all(&self, resource: &str) -> Vec<Value> {
        self.objects
            .iter()
            .filter(|(key, _)| key.resource == resource)
            .map(|(_, object)| object.clone())
            .collect()
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        self.objects.keys().cloned().collect()
    }

    /// Changes an object as another client would.
    pub(crate) fn edit(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        let mut object = self.objects[key].clone();
        let before = object.clone();
        change(&mut object);
        if object["spec"] != before["spec"] {
            object["metadata"]["generation"] =
                json!(before["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        self.put(key, "MODIFIED", object);
    }

    /// An admission hook that changes every Deployment that is applied.
    pub(crate) fn hook(&mut self, change: impl Fn(&mut Value) + Send + 'static) {
        self.hook = Some(Box::new(change));
    }

    /// What becomes of images among the volumes of what is applied from now on.
    pub(crate) fn image_volumes(&mut self, images: ImageVolumes) {
        self.images = images;
    }

    /// What an apply would make.
    pub(crate) fn try_apply(&self, mut wanted: Value) -> Outcome {
        match self.drop_images(&mut wanted) {
            Some(refused) => refused,
            None => Outcome::Object(wanted),
        }
    }

    fn drop_images(&self, wanted: &mut Value) -> Option<Outcome> {
        if self.images == ImageVolumes::Kept {
            return None;
        }
        let pods = ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
        let pod = pods.iter().find(|path| wanted.pointer(path).is_some())?;
        let pod = wanted.pointer_mut(pod)?;
        let volumes = pod["volumes"].as_array_mut()?;
        let before = volumes.len();
        volumes.retain(|volume| volume["image"].is_null());
        if volumes.len() == before || self.images == ImageVolumes::Dropped {
            return None;
        }
        let message = "failed to create typed patch object: \
                       .spec.template.spec.volumes[name=\"hayride-plug-clock\"].image: \
                       field not declared in schema";
        Some(refused(500, message))
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        if let Some(object) = self.objects.get(key).cloned() {
            self.put(key, "DELETED", object);
            self.objects.remove(key);
            self.applied.retain(|(applied, ..), _| applied != key);
        }
    }

    fn put(&mut self, key: &Key, type_: &'static str, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.objects.insert(key.clone(), object.clone());
        let event = Event { revision: self.revision, type_, key: key.clone(), object: object.clone() };
        self.history.push(event.clone());
        // Nobody may be watching.
        drop(self.events.send(event));
        object
    }

    pub(crate) fn read(&self, key: &Key) -> Outcome {
        self.get(key).map_or_else(|| refused(404, "not found"), |object| Outcome::Object(object.clone()))
    }

    pub(crate) fn create(&mut self, key: &Key, mut object: Value) -> Outcome {
        let name = object["metadata"]["name"].as_str().unwrap_or(&key.name).to_owned();
        let key = Key { name: name.clone(), ..key.clone() };
        if self.objects.contains_key(&key) {
            return refused(409, "it exists already");
        }
        self.made += 1;
        let meta = &mut object["metadata"];
        if meta["uid"].is_null() {
            meta["uid"] = json!(format!("uid-{}", self.made));
        }
        meta["name"] = json!(name);
        if !key.namespace.is_empty() {
            meta["namespace"] = json!(key.namespace);
        }
        meta["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
        meta["generation"] = json!(1);
        defaults(&mut object);
        Outcome::Object(self.put(&key, "ADDED", object))
    }

    pub(crate) fn update(&mut self, key: &Key, object: Value) -> Outcome {
        let Some(before) = self.objects.get(key) else { return refused(404, "not found") };
        if object["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"] {
            return refused(409, "it has changed");
        }
        Outcome::Object(self.put(key, "MODIFIED", object))
    }

    pub(crate) fn apply(&mut self, key: &Key, manager: &str, mut wanted: Value, status: bool) -> Outcome {
        if let Some(refused) = self.drop_images(&mut wanted) {
            return refused;
        }
        let uid = wanted["metadata"]["uid"].clone();
        let slot = (key.clone(), manager.to_owned(), status);
        let Some(before) = self.objects.get(key).cloned() else {
            if status || !uid.is_null() {
                return refused(409, "no object of that uid");
            }
            let made = self.create(key, wanted.clone());
            self.applied.insert(slot, wanted);
            return made;
        };
        if !uid.is_null() && uid != before["metadata"]["uid"] {
            return refused(409, "another uid");
        }
        if status {
            wanted = json!({ "status": wanted["status"] });
        } else if let Some(object) = wanted.as_object_mut() {
            object.remove("status");
        }
        let unchanged = self.applied.get(&slot).is_none_or(|old| template(&wanted) == template(old));
        if before["kind"] == json!("Job") && !status && !unchanged {
            return refused(422, "spec.template: field is immutable");
        }
        let mut object = before.clone();
        if let Some(old) = self.applied.get(&slot) {
            withdraw(&mut object, old, &wanted);
        }
        merge(&mut object, &wanted);
        if before["kind"] == json!("Pod") && object["spec"] != before["spec"] {
            return refused(422, "spec: Forbidden: pod updates may not change fields");
        }
        defaults(&mut object);
        if let Some(hook) = self.hook.as_ref().filter(|_| object["kind"] == json!("Deployment") && !status) {
            hook(&mut object);
        }
        self.applied.insert(slot, wanted);
        if object == before {
            return Outcome::Object(object);
        }
        if object["spec"] != before["spec"] {
            object["metadata"]["generation"] =
                json!(before["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        Outcome::Object(self.put(key, "MODIFIED", object))
    }

    /// A merge patch, whose metadata may say which object in which state it is for.
    pub(crate) fn merge(&mut self, key: &Key, patch: &Value) -> Outcome {
        let Some(mut object) = self.objects.get(key).cloned() else { return refused(404, "not found") };
        if !holds(&patch["metadata"], &object) {
            return refused(409, "it is another, or has changed");
        }
        let before = object.clone();
        merge(&mut object, patch);
        match object == before {
            true => Outcome::Object(object),
            false => Outcome::Object(self.put(key, "MODIFIED", object)),
        }
    }

    pub(crate) fn delete(&mut self, key: &Key, options: &Value) -> Outcome {
        let Some(object) = self.objects.get(key).cloned() else { return refused(404, "not found") };
        if !holds(&options["preconditions"], &object) {
            return refused(409, "a precondition does not hold");
        }
        self.remove(key);
        Outcome::Object(object)
    }

    pub(crate) fn list(
        &mut self,
        key: &Key,
        selector: Option<&str>,
        fields: Option<&str>,
        meta_only: bool,
    ) -> Value {
        let fits = |object: &Value| selected(object, selector) && has_fields(object, fields);
        let found = self.objects.iter().filter(|(found, object)| found.is_among(key) && fits(object));
        let items: Vec<Value> = found.map(|(_, object)| view(object, meta_only)).collect();
        json!({
            "apiVersion": "v1", "kind": "List",
            "metadata": { "resourceVersion": self.revision.to_string() }, "items": items,
        })
    }

    /// What happened since, and what happens from now on.
    pub(crate) fn watch(
        &mut self,
        key: &Key,
        selector: Option<String>,
        since: u64,
        meta_only: bool,
    ) -> (Vec<Value>, BoxStream<'static, Value>) {
        let key = key.clone();
        let shown = move |event: &Event| {
            let fits = event.key.is_among(&key) && selected(&event.object, selector.as_deref());
            fits.then(|| json!({ "type": event.type_, "object": view(&event.object, meta_only) }))
        };
        let past = self.history.iter().filter(|event| event.revision > since).filter_map(&shown).collect();
        let future = futures::stream::unfold(self.events.subscribe(), |mut events| async {
            events.recv().await.ok().map(|event| (event, events))
        });
        (past, future.filter_map(move |event| std::future::ready(shown(&event))).boxed())
    }
}

/// Whether an object is the one, and in the state, that is asked for.
fn holds(asked: &Value, object: &Value) -> bool {
    let fits = |field: &str| asked[field].is_null() || asked[field] == object["metadata"][field];
    ["uid", "resourceVersion"].into_iter().all(fits)
}

fn template(job: &Value) -> &Value {
    &job["spec"]["template"]
}

fn view(object: &Value, meta_only: bool) -> Value {
    if !meta_only {
        return object.clone();
    }
    json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"],
    })
}

/// Label selectors of the two forms that the operator uses: `name` and `name=value`.
fn selected(object: &Value, selector: Option<&str>) -> bool {
    let Some(selector) = selector.filter(|text| !text.is_empty()) else { return true };
    let labels = &object["metadata"]["labels"];
    match selector.split_once('=') {
        Some((name, value)) => labels[name] == json!(value.trim_start_matches('=')),
        None => !labels[selector].is_null(),
    }
}

/// Field selectors of the forms `a.b=value` and `a.b!=value`, all of which must hold.
fn has_fields(object: &Value, fields: Option<&str>) -> bool {
    fields.into_iter().flat_map(|text| text.split(',')).all(|part| {
        let (path, value) = part.split_once('=').unwrap();
        let wanted = !path.ends_with('!');
        let path = format!("/{}", path.trim_end_matches('!').replace('.', "/"));
        (object.pointer(&path).and_then(Value::as_str).unwrap_or_default() == value) == wanted
    })
}

/// A few defaults, as the API server adds them where nothing is said.
fn defaults(object: &mut Value) {
    let default = |slot: &mut Value, value: Value| {
        if slot.is_null() {
            *slot = value;
        }
    };
    if object["kind"] == json!("Deployment") {
        default(&mut object["spec"]["progressDeadlineSeconds"], json!(600));
        default(&mut object["spec"]["minReadySeconds"], json!(0));
        let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut();
        for container in containers.into_iter().flatten() {
            default(&mut container["terminationMessagePath"], json!("/dev/termination-log"));
        }
    }
    if object["kind"] == json!("Service") {
        default(&mut object["spec"]["clusterIP"], json!("10.0.0.1"));
    }
}

fn merge(object: &mut Value, wanted: &Value) {
    match (object, wanted) {
        (Value::Object(object), Value::Object(wanted)) => {
            for (name, value) in wanted {
                merge(object.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (object, wanted) => *object = wanted.clone(),
    }
}

/// Removes what the manager applied before and no longer wants.
fn withdraw(object: &mut Value, old: &Value, wanted: &Value) {
    let (Value::Object(object), Value::Object(old)) = (object, old) else { return };
    let none = Map::new();
    let wanted = wanted.as_object().unwrap_or(&none);
    for (name, value) in old {
        match (wanted.get(name), object.get_mut(name)) {
            (Some(wanted), Some(found)) => withdraw(found, value, wanted),
            (None, Some(_)) => {
                object.remove(name);
            }
            _ => {}
        }
    }
}
