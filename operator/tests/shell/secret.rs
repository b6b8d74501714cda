//! The Secret with the keys that sign: made at install, rotated, mended, by a command with rights of its own.

use crate::server::OWN_NAMESPACE;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use morph_operator::denials::tls;
use morph_operator::settings::KeysAction;
use morph_operator::signing::SECRET;
use morph_operator::signing::choice::KeyName;
use morph_operator::signing::command::{self, Done};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A server that holds one Secret and grants what the chart's hook grants.
#[derive(Clone, Default)]
struct SecretServer(Arc<Mutex<(Option<Value>, u64)>>);

impl SecretServer {
    fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let (code, value) = server.answer(&head.method, head.uri.path(), body);
                let mut response = Response::new(Full::<Bytes>::from(value.to_string()));
                *response.status_mut() = http::StatusCode::from_u16(code).unwrap();
                Ok::<_, std::io::Error>(response)
            }
        });
        kube::Client::new(service, OWN_NAMESPACE)
    }

    fn answer(&self, method: &Method, path: &str, body: Value) -> (u16, Value) {
        let all = format!("/api/v1/namespaces/{OWN_NAMESPACE}/secrets");
        let one = format!("{all}/{SECRET}");
        let mut held = self.0.lock().unwrap();
        let (secret, version) = &mut *held;
        let status = |code: u16| {
            let reason = if code == 404 { "NotFound" } else { "Forbidden" };
            (code, json!({ "kind": "Status", "status": "Failure", "reason": reason, "code": code }))
        };
        match (method.as_str(), secret.as_mut()) {
            ("GET", None) if path == one => status(404),
            ("GET", Some(secret)) if path == one => (200, secret.clone()),
            ("POST", None) if path == all => {
                let mut made = body;
                *version += 1;
                made["metadata"]["resourceVersion"] = json!(version.to_string());
                *secret = Some(made.clone());
                (201, made)
            }
            ("PATCH", Some(secret)) if path == one => {
                if body["metadata"]["resourceVersion"] != secret["metadata"]["resourceVersion"] {
                    return status(409);
                }
                for (name, value) in body["data"].as_object().unwrap() {
                    let data = secret["data"].as_object_mut().unwrap();
                    match value {
                        Value::Null => drop(data.remove(name)),
                        value => drop(data.insert(name.clone(), value.clone())),
                    }
                }
                *version += 1;
                secret["metadata"]["resourceVersion"] = json!(version.to_string());
                (200, secret.clone())
            }
            _ => status(403),
        }
    }

    async fn run(&self, action: KeysAction, now: u64) -> Done {
        command::run(self.client(), OWN_NAMESPACE, action, now).await.unwrap()
    }

    fn names(&self) -> Vec<String> {
        let held = self.0.lock().unwrap();
        held.0.as_ref().unwrap()["data"].as_object().unwrap().keys().cloned().collect()
    }

    fn keys(&self) -> Vec<KeyName> {
        self.names().iter().filter_map(|name| KeyName::parse(name)).collect()
    }
}

#[tokio::test]
async fn an_install_makes_one_key_and_a_certificate_and_an_upgrade_keeps_them() {
    let server = SecretServer::default();
    assert_eq!(server.run(KeysAction::Ensure, 1_000).await, Done::Made);
    assert_eq!((server.keys().len(), server.names().len()), (1, 3));
    assert_eq!(server.keys()[0].made, 1_000);
    let before = server.0.lock().unwrap().clone();
    assert_eq!(server.run(KeysAction::Ensure, 99_000).await, Done::Nothing);
    assert_eq!(*server.0.lock().unwrap(), before);
}

#[tokio::test]
async fn what_was_made_is_what_the_operator_reads() {
    let server = SecretServer::default();
    server.run(KeysAction::Rotate, 1_000).await;
    let directory = tempfile::tempdir().unwrap();
    let data = server.0.lock().unwrap().0.clone().unwrap()["data"].clone();
    for (name, value) in data.as_object().unwrap() {
        let bytes: k8s_openapi::ByteString = serde_json::from_value(value.clone()).unwrap();
        std::fs::write(directory.path().join(name), bytes.0).unwrap();
    }
    let keys = morph_operator::signing::directory::read(directory.path()).unwrap();
    assert_eq!(keys.into_keys().collect::<Vec<_>>(), server.keys());
    let read = |name| std::fs::read(directory.path().join(name)).unwrap();
    tls::acceptor(&read(tls::CERTIFICATE_FILE), &read(tls::KEY_FILE)).unwrap();
}

#[tokio::test]
async fn a_rotation_adds_a_key_and_keeps_the_last_two() {
    let server = SecretServer::default();
    server.run(KeysAction::Ensure, 1_000).await;
    let mut before = server.keys();
    for turn in 1..5 {
        assert_eq!(server.run(KeysAction::Rotate, 1_000 + turn * 700).await, Done::Changed);
        let after = server.keys();
        assert_eq!(after.len(), 2);
        assert_eq!(after[0], *before.last().unwrap(), "the one that signs stays");
        before = after;
    }
}

#[tokio::test]
async fn a_rotation_too_soon_changes_nothing_and_says_when() {
    let server = SecretServer::default();
    server.run(KeysAction::Ensure, 1_000).await;
    let before = server.0.lock().unwrap().clone();
    assert_eq!(server.run(KeysAction::Rotate, 1_100).await, Done::TooSoon { seconds: 500 });
    assert_eq!(*server.0.lock().unwrap(), before);
}

#[tokio::test]
async fn a_rotation_too_soon_of_a_secret_that_lost_its_certificate_mends_it_and_says_when() {
    let server = SecretServer::default();
    server.run(KeysAction::Ensure, 1_000).await;
    let keys = server.keys();
    server.0.lock().unwrap().0.as_mut().unwrap()["data"].as_object_mut().unwrap().remove("denials.crt");
    assert_eq!(server.run(KeysAction::Rotate, 1_100).await, Done::TooSoon { seconds: 500 });
    assert_eq!((server.keys(), server.names().len()), (keys, 3));
}

#[tokio::test]
async fn a_secret_that_lost_its_certificate_gets_another_and_keeps_its_keys() {
    let server = SecretServer::default();
    server.run(KeysAction::Ensure, 1_000).await;
    let keys = server.keys();
    server.0.lock().unwrap().0.as_mut().unwrap()["data"].as_object_mut().unwrap().remove("denials.key");
    assert_eq!(server.run(KeysAction::Ensure, 1_100).await, Done::Changed);
    assert_eq!((server.keys(), server.names().len()), (keys, 3));
}
