//! Documents against pods that they are for, and against all others.
#![allow(clippy::unwrap_used, clippy::panic)]

mod forged;
mod plugs;
mod table;
mod volumes;

use super::*;
use morph_grant::{
    Access, Component, Digest, EnvLiteral, FilesystemGrant, Grants, Limits, Mount, MountUse, Reuse,
    SigningKey, Subject, VolumeKind,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::path::Path;

fn config() -> NodeConfig {
    NodeConfig { cluster: Some("cluster-1".into()), ..NodeConfig::default() }
}

/// A key that is the same in every run; 1 is trusted.
fn key(seed: u64) -> SigningKey {
    SigningKey::generate(&mut StdRng::seed_from_u64(seed))
}

fn seal(document: &Document) -> String {
    morph_grant::seal(document, &key(1)).unwrap()
}

fn document() -> Document {
    Document {
        version: Document::VERSION,
        subject: Subject {
            cluster: "cluster-1".into(),
            namespace: "demo".into(),
            name: "hello".into(),
            uid: "m1".into(),
        },
        run: RunType::Command,
        components: vec![Component {
            name: "hello".into(),
            manifest: Digest::of(b"manifest"),
            content: Digest::of(b"content"),
            grants: Grants { environment: true, ..Grants::default() },
            limits: Limits::default(),
            links: Vec::new(),
            env: Vec::new(),
            env_references: Vec::new(),
        }],
        args: vec!["--loud".into()],
        env: vec![EnvLiteral { name: "LOG".into(), value: "info".into() }],
        env_references: Vec::new(),
        env_prefixes: Vec::new(),
        mounts: Vec::new(),
        http: None,
    }
}

fn with_volume(kind: VolumeKind) -> Document {
    let mut document = document();
    let grant = FilesystemGrant {
        volume: "data".into(),
        path: "/d".into(),
        sub_path: None,
        access: Access::ReadWrite,
    };
    document.components[0].grants.filesystem = vec![grant];
    document.mounts = vec![Mount {
        volume: "data".into(),
        kind,
        destination: "/run/hayride.dev/volumes/data".into(),
        read_only: false,
        used_for: MountUse::Filesystem,
    }];
    document
}

/// The document with one capability more.
fn with(capability: Capability) -> Document {
    let mut document = document();
    let grants = &mut document.components[0].grants;
    let text = match capability {
        Capability::Http => {
            r#"{"allow":[{"host":"a.example","ports":[443],"methods":["GET"],"pathPrefixes":["/"],
                "scheme":"HTTPS"}],
                "limits":{"concurrency":1,"timeoutMillis":1,"requestBytes":1,"responseBytes":1}}"#
        }
        Capability::Sockets => r#"{"lookup":["a.example"]}"#,
        Capability::Keyvalue => r#"[{"bucket":"cache","maxBytes":1024}]"#,
        Capability::Config => r#"[{"key":"units","value":"metric"}]"#,
        Capability::Filesystem | Capability::Logging | Capability::Environment => "null",
    };
    let value: Value = serde_json::from_str(text).unwrap();
    match capability {
        Capability::Http => grants.http = serde_json::from_value(value).unwrap(),
        Capability::Sockets => grants.sockets = serde_json::from_value(value).unwrap(),
        Capability::Keyvalue => grants.keyvalue = serde_json::from_value(value).unwrap(),
        Capability::Config => grants.config = serde_json::from_value(value).unwrap(),
        Capability::Filesystem => return with_volume(VolumeKind::EmptyDir),
        Capability::Logging => grants.logging = true,
        Capability::Environment => grants.environment = true,
    }
    document
}

struct Case {
    sandbox: Option<String>,
    container: Option<String>,
    namespace: &'static str,
    name: &'static str,
    host_network: bool,
    env: Vec<&'static str>,
    mounts: Vec<Value>,
    config: NodeConfig,
    trusted: TrustedKeys,
}

impl Case {
    fn new(document: &Document) -> Self {
        let text = seal(document);
        Self { sandbox: Some(text.clone()), container: Some(text), ..Self::without() }
    }

    fn without() -> Self {
        Self {
            sandbox: None,
            container: None,
            namespace: "demo",
            name: CONTAINER,
            host_network: false,
            env: Vec::new(),
            mounts: Vec::new(),
            config: config(),
            trusted: [key(1).public()].into_iter().collect(),
        }
    }

    fn mounted(document: &Document, source: &str, options: &[&str]) -> Self {
        let destination = "/run/hayride.dev/volumes/data";
        Self { mounts: vec![bind(destination, source, options)], ..Self::new(document) }
    }

    /// A container that carries this text, as its sandbox does.
    fn carrying(text: impl Into<String>) -> Self {
        let text = Some(text.into());
        Self { sandbox: text.clone(), container: text, ..Self::without() }
    }

    fn spec(&self, kind: &str, grant: Option<&String>) -> Spec {
        let mut annotations = json!({
            "io.kubernetes.cri.container-type": kind,
            "io.kubernetes.cri.sandbox-id": "s1",
            "io.kubernetes.cri.sandbox-namespace": self.namespace,
            "io.kubernetes.cri.sandbox-uid": "u1",
            "io.kubernetes.cri.container-name": self.name,
            "io.kubernetes.cri.image-name": "registry.test/hello:1",
        });
        if let Some(text) = grant {
            annotations[ANNOTATION] = json!(text);
        }
        let namespaces =
            if self.host_network { json!([]) } else { json!([{ "type": "network", "path": "/n" }]) };
        let spec = json!({
            "annotations": annotations, "linux": { "namespaces": namespaces },
            "process": { "env": self.env, "user": { "uid": 1000, "gid": 0 } }, "mounts": self.mounts,
        });
        Spec::parse(spec.to_string().as_bytes(), "c1").unwrap()
    }

    fn decide(&self) -> Result<Decision, Outcome> {
        let sandbox = self.spec("sandbox", self.sandbox.as_ref());
        let pin = Pin::of_sandbox(&sandbox, sandbox.role.pod().unwrap(), &self.config, &self.trusted);
        let spec = self.spec("container", self.container.as_ref());
        pin.decide(self.name, "registry.test/hello:1", &spec, &self.config)
    }

    fn granted(&self) -> Granted {
        match self.decide().unwrap() {
            Decision::Granted(granted) => *granted,
            other @ Decision::Ungranted { .. } => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(&self, words: &str) {
        let outcome = self.decide().unwrap_err();
        assert_eq!(outcome.code, code::GRANT_REFUSED);
        assert!(outcome.message.as_ref().unwrap().contains(words), "{words} is not in {outcome:?}");
    }
}

fn bind(destination: &str, source: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": "bind", "source": source, "options": options })
}

fn world(export: &str, imports: &[&str]) -> World {
    World {
        imports: imports.iter().map(|id| id.parse().unwrap()).collect(),
        exports: vec![export.parse().unwrap()],
        ..World::default()
    }
}

/// The task for a single component of this world.
fn run_of(decision: &Decision, world: &World) -> Result<Task, Outcome> {
    decision.task(&[world]).map(|(task, plan)| {
        assert_eq!(plan, None);
        task
    })
}

const COMMAND: &str = "wasi:cli/run@0.2.0";
const SERVER: &str = "wasi:http/incoming-handler@0.2.0";

#[test]
fn args_and_literals_come_from_the_document() {
    let granted = Case { env: vec!["LOG=debug", "EVIL=1"], ..Case::new(&document()) }.granted();
    assert_eq!(granted.task.args, ["--loud"]);
    assert_eq!(granted.task.env, [("LOG".to_owned(), "info".to_owned())]);
    assert_eq!(granted.document.components[0].manifest, Digest::of(b"manifest"));
}

#[test]
fn variables_pass_by_name_and_by_prefix_and_no_others() {
    let mut document = document();
    document.env.clear();
    document.env_references = vec!["CITY".into(), "HOME".into()];
    document.env_prefixes = vec!["APP_".into()];
    let env = vec!["CITY=a", "CITY=b=c", "APP_X=1", "OTHER=2", "PATH=/bin", "HOME=/h", "broken"];
    let granted = Case { env: env.clone(), ..Case::new(&document) }.granted();
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    };
    assert_eq!(granted.task.env, pairs(&[("APP_X", "1"), ("CITY", "b=c"), ("HOME", "/h")]));
    document.env_references.clear();
    document.env_prefixes = vec![String::new()];
    let env = vec!["A=1", "PATH=/bin", "HOSTNAME=h", "KUBERNETES_PORT=1"];
    let granted = Case { env, ..Case::new(&document) }.granted();
    assert_eq!(granted.task.env, pairs(&[("A", "1")]));
}

#[test]
fn a_document_is_for_one_cluster_and_one_namespace() {
    Case { namespace: "other", ..Case::new(&document()) }.refused("namespace demo, this pod is in other");
    let mut elsewhere = document();
    elsewhere.subject.cluster = "cluster-2".into();
    Case::new(&elsewhere).refused("cluster cluster-2, this is cluster-1");
    Case { config: NodeConfig::default(), ..Case::new(&document()) }.refused("doesn't name its cluster");
}

#[test]
fn a_document_that_changes_after_the_sandbox_is_refused() {
    let mut other = document();
    other.args.push("--louder".into());
    let text = seal(&other);
    Case { container: Some(text.clone()), ..Case::new(&document()) }.refused("changed");
    Case { container: None, ..Case::new(&document()) }.refused("changed");
    Case { container: Some(text), ..Case::without() }.refused("changed");
}

#[test]
fn garbage_is_refused_and_says_so() {
    for text in ["", "{}", "x"] {
        Case::carrying(text).refused("annotation hayride.dev/grant");
    }
}

#[test]
fn another_container_of_the_pod_gets_nothing() {
    let decision = Case { name: "sidecar", ..Case::new(&document()) }.decide().unwrap();
    assert!(matches!(&decision, Decision::Ungranted { program, .. } if program == "sidecar"));
    assert_eq!(decision.components()[0].source, Source::of_image("registry.test/hello:1"));
    let task = run_of(&decision, &world(COMMAND, &["wasi:cli/environment@0.2.0"])).unwrap();
    assert!(task.args.is_empty() && task.env.is_empty() && !task.grants.environment);
}

#[test]
fn without_a_grant_a_server_serves_and_asks_for_nothing() {
    let decision = Case::without().decide().unwrap();
    let task = run_of(&decision, &world(SERVER, &["wasi:cli/stdout@0.2.0"])).unwrap();
    assert!(matches!(task.run, Run::Server(Http { port: UNGRANTED_PORT, .. })));
    let denied = run_of(&decision, &world(SERVER, &["wasi:http/outgoing-handler@0.2.0"])).unwrap_err();
    assert_eq!(denied.code, code::IMPORT_DENIED);
    assert!(denied.message.unwrap().contains("wasi:http/outgoing-handler@0.2.0"));
}

#[test]
fn the_nodes_network_is_no_place_for_a_server_or_for_any_use_of_the_network() {
    let mut server = document();
    server.run = RunType::Server;
    server.http = Some(morph_grant::Http {
        port: 80,
        lame_duck_seconds: 0,
        grace_period_seconds: 1,
        concurrency: None,
        request_timeout_millis: None,
        body_bytes: None,
        reuse: Reuse::default(),
    });
    Case { host_network: true, ..Case::new(&server) }.refused("node's network");
    Case { host_network: true, ..Case::new(&with(Capability::Http)) }.refused("grant: capabilities.http");
    Case { host_network: true, ..Case::new(&with(Capability::Sockets)) }.refused("capabilities.sockets");
    Case { host_network: true, ..Case::new(&document()) }.granted();
    let decision = Case { host_network: true, ..Case::without() }.decide().unwrap();
    assert_eq!(run_of(&decision, &world(SERVER, &[])).unwrap_err().code, code::GRANT_REFUSED);
    run_of(&decision, &world(COMMAND, &[])).unwrap();
}

#[test]
fn other_bytes_than_granted_are_refused() {
    let decision = Case::new(&document()).decide().unwrap();
    decision.components()[0].check_content(&Digest::of(b"content")).unwrap();
    assert_eq!(
        decision.components()[0].check_content(&Digest::of(b"other")).unwrap_err().code,
        code::GRANT_REFUSED
    );
}

#[test]
fn a_component_of_another_type_than_granted_is_a_bad_one() {
    let decision = Case::new(&document()).decide().unwrap();
    assert_eq!(run_of(&decision, &world(SERVER, &[])).unwrap_err().code, code::BAD_COMPONENT);
}

#[test]
fn many_denied_imports_are_counted() {
    let imports: Vec<String> = (0..12).map(|n| format!("acme:a/b{n}@1.0.0")).collect();
    let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
    let decision = Case::without().decide().unwrap();
    let message = run_of(&decision, &world(COMMAND, &imports)).unwrap_err().message.unwrap();
    assert!(message.ends_with("and 4 more"), "{message}");
}

#[test]
fn a_key_that_comes_after_the_sandbox_is_taken_at_the_next_try() {
    for later in [vec![key(1).public()], vec![key(2).public(), key(1).public()]] {
        let case = Case { trusted: [key(2).public()].into_iter().collect(), ..Case::new(&document()) };
        let sandbox = case.spec("sandbox", case.sandbox.as_ref());
        let pod = sandbox.role.pod().unwrap();
        let pin = Pin::of_sandbox(&sandbox, pod, &case.config, &case.trusted);
        assert!(pin.is_refused() && pin.morph_uid().is_none());
        assert!(pin.again(pod, &case.config, &case.trusted).is_refused());
        let pin = pin.again(pod, &case.config, &later.into_iter().collect());
        assert_eq!(pin.morph_uid().as_deref(), Some("m1"));
        let spec = case.spec("container", case.container.as_ref());
        assert!(pin.decide(case.name, "registry.test/hello:1", &spec, &case.config).is_ok());
    }
}

#[test]
fn what_is_opened_again_is_the_pinned_text_and_no_other() {
    let mut other = document();
    other.args = vec!["--evil".into()];
    let case = Case { container: Some(seal(&other)), ..Case::new(&document()) };
    let sandbox = case.spec("sandbox", case.sandbox.as_ref());
    let pod = sandbox.role.pod().unwrap();
    let nobody = morph_grant::TrustedKeys::default();
    let pin = Pin::of_sandbox(&sandbox, pod, &case.config, &nobody).again(pod, &case.config, &case.trusted);
    let spec = case.spec("container", case.container.as_ref());
    let outcome = pin.decide(case.name, "registry.test/hello:1", &spec, &case.config).unwrap_err();
    assert!(outcome.message.unwrap().contains("changed"));
}

#[test]
fn a_key_that_leaves_takes_no_grant_from_a_pod_that_has_it() {
    let case = Case::new(&document());
    let sandbox = case.spec("sandbox", case.sandbox.as_ref());
    let pod = sandbox.role.pod().unwrap();
    let pin = Pin::of_sandbox(&sandbox, pod, &case.config, &case.trusted);
    let pin = pin.again(pod, &case.config, &morph_grant::TrustedKeys::default());
    assert!(!pin.is_refused());
}
