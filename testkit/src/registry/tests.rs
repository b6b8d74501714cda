//! Tests of `registry`.

use super::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the registry writes to a request of this head, at most 100 kB of it.
async fn ask(registry: &Registry, head: &str) -> String {
    let mut stream = TcpStream::connect(registry.address).await.unwrap();
    let request = format!("{head}\r\nHost: it\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A fault that breaks off may end in a reset.
    let _ended = stream.take(100_000).read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const LAYER: &[u8] = b"the layer";

async fn with_hello() -> Registry {
    let registry = Registry::start().await;
    registry.store("1", &Artifact::of(LAYER));
    registry
}

#[tokio::test]
async fn what_is_stored_is_served_by_tag_and_digest() {
    let registry = with_hello().await;
    let digest = Artifact::of(LAYER).digest();
    for name in ["1", digest.as_str()] {
        let answer = ask(&registry, &format!("GET /v2/a/manifests/{name} HTTP/1.1")).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("schemaVersion"), "{answer}");
    }
    let blob = artifact::digest(LAYER);
    let answer = ask(&registry, &format!("HEAD /v2/a/blobs/{blob} HTTP/1.1")).await;
    assert!(answer.contains("content-length: 9") && !answer.contains("the layer"), "{answer}");
    assert!(ask(&registry, "GET /v2/a/manifests/2 HTTP/1.1").await.starts_with("HTTP/1.1 404"));
    assert_eq!(registry.count("/manifests/"), 3);
}

#[tokio::test]
async fn a_fault_meets_what_it_names_and_ends() {
    let registry = with_hello().await;
    registry.fault("/manifests/", Fault::StatusTimes(503, 1));
    assert!(ask(&registry, "GET /v2/a/manifests/1 HTTP/1.1").await.starts_with("HTTP/1.1 503"));
    assert!(ask(&registry, "GET /v2/a/manifests/1 HTTP/1.1").await.starts_with("HTTP/1.1 200"));
    registry.fault("GET", Fault::Status(500));
    assert!(ask(&registry, "GET /v2/a/manifests/1 HTTP/1.1").await.contains(CHATTER));
    registry.heal();
    assert!(ask(&registry, "GET /v2/a/manifests/1 HTTP/1.1").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn bodies_break_off_and_run_on() {
    let registry = with_hello().await;
    let blob = format!("GET /v2/a/blobs/{} HTTP/1.1", artifact::digest(LAYER));
    registry.fault("/blobs/", Fault::BreakOff(4));
    let answer = ask(&registry, &blob).await;
    assert!(answer.contains("content-length: 9") && !answer.contains("layer"), "{answer}");
    registry.fault("/blobs/", Fault::Endless);
    assert_eq!(ask(&registry, &blob).await.len(), 100_000);
}

#[tokio::test]
async fn authorization_is_asked_for_and_logged() {
    let registry = with_hello().await;
    registry.require(Auth::Token);
    let asked = "GET /v2/a/manifests/1 HTTP/1.1";
    let answer = ask(&registry, asked).await;
    assert!(answer.contains("www-authenticate: Bearer realm=\"http://it/token\""), "{answer}");
    assert!(ask(&registry, "GET /token?service=it HTTP/1.1").await.starts_with("HTTP/1.1 401"));
    let answer = ask(&registry, &format!("{asked}\r\nAuthorization: Bearer {TOKEN}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(registry.log().pop().unwrap().authorization, format!("Bearer {TOKEN}"));
}
