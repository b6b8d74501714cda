//! An API server in memory, behind the operator's own client: it keeps objects, applies, watches, refuses
//! what the table of rights doesn't hold, records every call, and fails where a test tells it to.

use crate::store::{Key, Outcome, Store};
use bytes::Bytes;
use futures::StreamExt as _;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use morph_operator::metrics::Metrics;
use morph_operator::morph::server::Server;
use morph_operator::rbac::{self, Scope};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// The operator's own namespace.
pub(crate) const OWN_NAMESPACE: &str = "morph-system";

/// The namespace of the nodes' agents.
pub(crate) const NODE_NAMESPACE: &str = "morph-node";

/// A request as rights and tests see it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) verb: &'static str,
    pub(crate) resource: String,
    pub(crate) group: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    /// Nothing is kept of it.
    pub(crate) dry_run: bool,
}

impl Call {
    pub(crate) fn is_write(&self) -> bool {
        !self.dry_run && !matches!(self.verb, "get" | "list" | "watch")
    }
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered with this status and not carried out.
    Status(u16),
    /// The connection breaks before it is carried out.
    LostBefore,
    /// It is carried out, and the connection breaks before the answer.
    LostAfter,
    /// It is never answered.
    Silent,
}

type Answer = UnsyncBoxBody<Bytes, std::io::Error>;
type Judge = Box<dyn FnMut(usize, &Call) -> Option<Fault> + Send>;

#[derive(Default)]
struct Inner {
    store: Store,
    calls: Vec<Call>,
    judge: Option<Judge>,
    /// What a review says of each token.
    tokens: BTreeMap<String, Value>,
    used: BTreeSet<(String, String, String)>,
}

#[derive(Clone, Default)]
pub(crate) struct FakeServer(Arc<Mutex<Inner>>);

impl FakeServer {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// The operator's view of it.
    pub(crate) fn server(&self) -> Server {
        Server { client: self.client(), metrics: Arc::new(Metrics::default()) }
    }

    pub(crate) fn client(&self) -> kube::Client {
        let fake = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { fake.answer(request).await }
        });
        kube::Client::new(service, OWN_NAMESPACE)
    }

    /// Changes the store as somebody else would: no right is asked, no call recorded.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        change(&mut self.lock().store)
    }

    /// Lets `judge` decide what goes wrong with each call; it is told the call's number from now on.
    pub(crate) fn faults(&self, mut judge: impl FnMut(usize, &Call) -> Option<Fault> + Send + 'static) {
        let mut count = 0;
        self.lock().judge = Some(Box::new(move |_, call| {
            count += 1;
            judge(count - 1, call)
        }));
    }

    /// Lets a review of this token say so.
    pub(crate) fn token(&self, token: &str, status: Value) {
        self.lock().tokens.insert(token.to_owned(), status);
    }

    pub(crate) fn no_faults(&self) {
        self.lock().judge = None;
    }

    /// The calls since the last time that somebody asked.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock().calls)
    }

    /// The writes among them, as `verb resource name`.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        let writes = self.take_calls().into_iter().filter(Call::is_write);
        writes.map(|c| format!("{} {} {}", c.verb, c.resource, c.name.unwrap_or_default())).collect()
    }

    /// Group, resource and verb of each right that was used.
    pub(crate) fn used(&self) -> BTreeSet<(String, String, String)> {
        self.lock().used.clone()
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Answer>, std::io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        let query: Vec<(String, String)> = pairs(head.uri.query().unwrap_or_default());
        let ask = Ask::new(&head, &query);
        let accept = head.headers.get("accept").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let meta_only = accept.contains("as=PartialObjectMetadata");
        let number = {
            let mut inner = self.lock();
            inner.calls.push(ask.call.clone());
            inner.calls.len() - 1
        };
        // Not under the lock: a judge may change the store.
        let judge = self.lock().judge.take();
        let mut fault = None;
        if let Some(mut judge) = judge {
            fault = judge(number, &ask.call);
            self.lock().judge.get_or_insert(judge);
        }
        match fault {
            Some(Fault::Status(code)) => return Ok(refusal(code, "a fault of the test")),
            Some(Fault::LostBefore) => return Err(std::io::ErrorKind::ConnectionReset.into()),
            Some(Fault::Silent) => std::future::pending::<()>().await,
            Some(Fault::LostAfter) => {
                self.carry_out(&ask, &query, &body, meta_only);
                return Err(std::io::ErrorKind::ConnectionReset.into());
            }
            None => {}
        }
        Ok(self.carry_out(&ask, &query, &body, meta_only))
    }

    fn carry_out(
        &self,
        ask: &Ask,
        query: &[(String, String)],
        body: &[u8],
        meta_only: bool,
    ) -> Response<Answer> {
        if let Some(refused) = self.authorize(ask, ask.call.verb) {
            return refused;
        }
        let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let selector = get("labelSelector");
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        if ask.call.resource == "tokenreviews" {
            let token = body["spec"]["token"].as_str().unwrap_or_default().to_owned();
            let unknown = json!({ "authenticated": false, "error": "no such token" });
            let status = self.lock().tokens.get(&token).cloned().unwrap_or(unknown);
            return json_response(201, &json!({ "metadata": {}, "spec": body["spec"], "status": status }));
        }
        if ask.call.verb == "watch" {
            return self.watch(ask, selector, get("resourceVersion"), meta_only);
        }
        if ask.call.verb == "list" {
            let mut inner = self.lock();
            let fields = get("fieldSelector");
            let list = inner.store.list(&ask.key, selector.as_deref(), fields.as_deref(), meta_only);
            return json_response(200, &list);
        }
        let manager = get("fieldManager").unwrap_or_default();
        let makes = ask.call.verb == "patch" && !ask.merges && self.lock().store.get(&ask.key).is_none();
        if makes && let Some(refused) = self.authorize(ask, "create") {
            return refused;
        }
        let mut inner = self.lock();
        let store = &mut inner.store;
        let outcome = match ask.call.verb {
            "get" => store.read(&ask.key),
            "create" => store.create(&ask.key, body),
            "update" => store.update(&ask.key, body),
            "patch" if ask.call.dry_run => store.try_apply(body),
            "patch" if ask.merges => store.merge(&ask.key, &body),
            "patch" => store.apply(&ask.key, &manager, body, ask.status),
            "delete" => store.delete(&ask.key, &body),
            verb => Outcome::Refused(405, verb.to_owned()),
        };
        match outcome {
            Outcome::Object(object) => json_response(200, &object),
            Outcome::Refused(code, message) => refusal(code, &message),
        }
    }

    fn authorize(&self, ask: &Ask, verb: &str) -> Option<Response<Answer>> {
        let call = &ask.call;
        let scope = match call.namespace.as_deref() {
            Some(OWN_NAMESPACE) => Scope::Own,
            Some(NODE_NAMESPACE) => Scope::Node,
            _ => Scope::Cluster,
        };
        if rbac::allows(scope, &call.group, &call.resource, verb, call.name.as_deref()) {
            let used = (call.group.clone(), call.resource.clone(), verb.to_owned());
            self.lock().used.insert(used);
            return None;
        }
        Some(refusal(403, &format!("no right to {verb} {call:?}")))
    }

    fn watch(
        &self,
        ask: &Ask,
        selector: Option<String>,
        since: Option<String>,
        meta_only: bool,
    ) -> Response<Answer> {
        let since = since.and_then(|text| text.parse().ok()).unwrap_or(0);
        let (past, future) = self.lock().store.watch(&ask.key, selector, since, meta_only);
        let lines = futures::stream::iter(past).chain(future);
        let frames = lines.map(|event| {
            let line = format!("{event}\n");
            Ok::<_, std::io::Error>(Frame::data(Bytes::from(line)))
        });
        let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        response
    }
}

/// A request, taken apart.
struct Ask {
    call: Call,
    key: Key,
    status: bool,
    /// A patch that is merged instead of applied.
    merges: bool,
}

impl Ask {
    fn new(head: &Parts, query: &[(String, String)]) -> Self {
        let path = head.uri.path();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, rest) = match parts.as_slice() {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => panic!("a path of no API: {path}"),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let (resource, name, sub) = match rest {
            [resource] => (*resource, None, None),
            [resource, name] => (*resource, Some(*name), None),
            [resource, name, sub] => (*resource, Some(*name), Some(*sub)),
            _ => panic!("a path of no resource: {path}"),
        };
        let watches = query.iter().any(|(key, value)| key == "watch" && value != "false");
        let verb = match (head.method.as_str(), name) {
            ("GET", None) if watches => "watch",
            ("GET", None) => "list",
            ("GET", Some(_)) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", Some(_)) => "delete",
            _ => panic!("{} {path}", head.method),
        };
        let text = |part: Option<&str>| part.map(ToOwned::to_owned);
        let key = Key {
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.unwrap_or_default().to_owned(),
            name: name.unwrap_or_default().to_owned(),
        };
        let resource = sub.map_or(resource.to_owned(), |sub| format!("{resource}/{sub}"));
        let (group, namespace, name) = (group.to_owned(), text(namespace), text(name));
        let dry_run = query.iter().any(|(key, _)| key == "dryRun");
        let call = Call { verb, resource, group, namespace, name, dry_run };
        let merges = head.headers.get("content-type").is_some_and(|v| v == "application/merge-patch+json");
        Self { call, key, status: sub == Some("status"), merges }
    }
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode(text);
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(a, b)| (decode(a), decode(b))).collect()
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn json_response(code: u16, value: &Value) -> Response<Answer> {
    let mut response =
        Response::new(Full::from(value.to_string()).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

fn refusal(code: u16, message: &str) -> Response<Answer> {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        _ => "InternalError",
    };
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    json_response(code, &status)
}
