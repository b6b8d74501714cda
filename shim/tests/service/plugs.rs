//! Compositions in pods: each part's rights, and what becomes of a container whose parts aren't right.

use crate::ends::Files;
use crate::harness::{Node, PATIENCE_SECONDS, guest_bytes, patience, start, wait};
use crate::pod::Pod;
use crate::spec::composed;
use crate::store::Store;
use morph_grant::{Digest, Document, EnvLiteral, EnvReference};
use std::time::Duration;

/// What comes of a container: its exit code, its output, and its termination message.
async fn run(node: &Node, sandbox: &str, grant: Document, env: &[&str]) -> (u32, String, String) {
    let pod = Pod::start(node, sandbox, grant).await;
    let (files, id) = (Files::of(node, sandbox), format!("c-{sandbox}"));
    let spec = pod.container(&id, "registry.test/other:1").with_env(env);
    let compiling = ttrpc::context::with_duration(2 * Duration::from_secs(PATIENCE_SECONDS));
    pod.client.create(compiling, &files.request(node, &id, spec)).await.unwrap();
    pod.client.start(patience(), &start(&id)).await.unwrap();
    let end = pod.client.wait(patience(), &wait(&id)).await.unwrap();
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    (end.exit_status, read(&files.stdout), read(&files.message))
}

/// A document for images of both parts.
fn grant(store: &Store, args: &[&str]) -> Document {
    composed(&store.guest("part-main"), &store.guest("part-plug"), args)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_has_its_own_variables() {
    let node = Node::new().await;
    let store = node.store();
    let env = ["A=1", "HAYRIDE_PLUG_1/KEY=secret"];
    for (who, wanted) in [("self", "A=1,FROM_SPEC=yes,LOG=info\n"), ("plug", "KEY=secret,ZONE=utc\n")] {
        let mut grant = grant(&store, &[who, "env"]);
        // All variables are the main component's, but for those that are a plug's.
        grant.env_prefixes = vec![String::new()];
        let plug = &mut grant.components[1];
        plug.env = vec![EnvLiteral { name: "ZONE".into(), value: "utc".into() }];
        plug.env_references =
            vec![EnvReference { name: "KEY".into(), variable: "HAYRIDE_PLUG_1/KEY".into() }];
        let (code, stdout, message) = run(&node, who, grant, &env).await;
        assert_eq!((code, stdout.as_str()), (0, wanted), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composition_is_compiled_once_however_often_it_is_started() {
    let node = Node::new().await;
    let config = std::fs::read_to_string(node.path("node.toml")).unwrap();
    std::fs::write(node.path("node.toml"), format!("{config}baseline_first = false\n")).unwrap();
    let store = node.store();
    for sandbox in ["s1", "s2"] {
        let (code, stdout, message) = run(&node, sandbox, grant(&store, &["count"]), &[]).await;
        assert_eq!((code, stdout.as_str()), (0, "42\n"), "{message}");
    }
    assert_eq!(node.logs().matches("compiled").count(), 1, "{}", node.logs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_not_right_is_named() {
    type Change = fn(&mut Document);
    let cases: [(&str, Change, u32, &str); 5] = [
        (
            "missing",
            |grant| grant.components[1].manifest = Digest::of(b"never pulled"),
            127,
            "part plug: blob sha256:",
        ),
        (
            "forged",
            |grant| grant.components[1].content = Digest::of(b"forged"),
            125,
            "part plug: grant refused: it is for component",
        ),
        (
            "swapped",
            |grant| grant.components[1].content = Digest::of(&guest_bytes("part-main")),
            125,
            "part plug: grant refused: it is for component",
        ),
        (
            "unlinked",
            |grant| drop(grant.components[0].links.pop()),
            126,
            "part main: import acme:parts/work@0.1.0 is not granted",
        ),
        (
            "elsewhere",
            |grant| grant.components[0].links[0].interface = "acme:parts/other@0.1.0".parse().unwrap(),
            125,
            "grant refused: its links don't fit its parts",
        ),
    ];
    let node = Node::new().await;
    let store = node.store();
    for (name, change, wanted, words) in cases {
        let mut grant = grant(&store, &["count"]);
        change(&mut grant);
        let (code, stdout, message) = run(&node, name, grant, &[]).await;
        assert_eq!((code, stdout.as_str()), (wanted, ""), "{name}: {message}");
        assert!(message.contains(words), "{name}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_a_plug_may_not_use_names_it() {
    let node = Node::new().await;
    let store = node.store();
    let mut grant = grant(&store, &["count"]);
    let component = guest_bytes("part-granted-plug");
    grant.components[1].manifest =
        store.image("granted", component.clone()).rsplit_once('@').unwrap().1.parse().unwrap();
    grant.components[1].content = Digest::of(&component);
    grant.components[0].links.remove(0);
    let (code, _, message) = run(&node, "s1", grant, &[]).await;
    assert_eq!(code, 126, "{message}");
    // Nobody answers the main component's `handles` now, and the plug asks for what it isn't granted.
    for words in [
        "part main: import acme:parts/handles@0.1.0 is not granted",
        "part plug: import wasi:config/store@0.2.0-rc.1 is not granted: no config",
    ] {
        assert!(message.contains(words), "{words}: {message}");
    }
}
