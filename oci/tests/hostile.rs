//! What a careless or hostile registry answers: every status, redirects to the very last, sizes at their
//! edges, pushes that fail half-way.
#![allow(clippy::unwrap_used)]

mod common;

use common::{client, component, config, message, pinned, reference};
use morph_oci::{Client, ClientConfig, Error, MANIFEST_SIZE_BYTES_MAX, PinnedImage};
use morph_testkit::artifact::{self, Artifact};
use morph_testkit::registry::{Auth, Fault, Registry, TOKEN};
use serde_json::json;
use tokio::task::JoinSet;

async fn hello() -> (Registry, PinnedImage) {
    let registry = Registry::start().await;
    let digest = registry.store("1", &Artifact::of(&component("hello")));
    let image = pinned(&registry, &digest);
    (registry, image)
}

fn layer() -> String {
    artifact::digest(&component("hello"))
}

/// Pulls while requests with `part` are answered with a status; gives the error and how often it was asked.
async fn pull_at(client: Client, part: &str, status: u16) -> (Error, usize) {
    let (registry, image) = hello().await;
    registry.fault(part, Fault::Status(status));
    let error = client.pull(&image).await.unwrap_err();
    message(&error);
    (error, registry.count(part))
}

#[tokio::test]
async fn every_status_is_a_refusal_and_only_those_that_pass_are_tried_again() {
    let (client, mut pulls) = (client(), JoinSet::new());
    for part in ["/manifests/", "/blobs/"] {
        for status in (400..=431).chain(500..=511) {
            let client = client.clone();
            pulls.spawn(async move { (part, status, pull_at(client, part, status).await) });
        }
    }
    while let Some(done) = pulls.join_next().await {
        let (part, status, (error, tries)) = done.unwrap();
        let passes = [408, 429, 500, 502, 503, 504].contains(&status);
        assert_eq!((error.is_transient(), tries), (passes, if passes { 3 } else { 1 }), "{part} {status}");
        let fits = match (&error, status) {
            (Error::Protocol { .. }, 401) | (Error::Unauthorized { had_credentials: false, .. }, 403) => true,
            (Error::NotFound { .. }, 404) => true,
            (Error::Status { status: found, .. }, status) => *found == status,
            _ => false,
        };
        assert!(fits, "{part} {status}: {error:?}");
    }
}

#[tokio::test]
async fn a_redirect_that_keeps_the_request_is_followed_and_no_other() {
    for (status, followed) in (300..=308).map(|status| (status, [301, 302, 307, 308].contains(&status))) {
        let (registry, image) = hello().await;
        let to = format!("/v2/kept/blobs/{}", layer());
        registry.fault(&format!("hello/blobs/{}", layer()), Fault::Redirect(status, to));
        match client().pull(&image).await {
            Ok(pulled) => assert!(followed && pulled.component == component("hello"), "{status}"),
            Err(error) => {
                assert!(!followed, "{status}: {error}");
                assert!(message(&error).contains("changes the request"), "{status}: {error}");
            }
        }
        assert_eq!(registry.count("/kept/"), usize::from(followed), "{status}");
    }
}

#[tokio::test]
async fn five_redirects_are_followed_and_not_six() {
    for (hops, passes) in [(1, true), (5, true), (6, false)] {
        let (registry, image) = hello().await;
        let to = |hop: usize| Fault::Redirect(307, format!("/v2/hop{hop}/blobs/{}", layer()));
        registry.fault(&format!("hello/blobs/{}", layer()), to(1));
        for hop in 1..hops {
            registry.fault(&format!("/hop{hop}/"), to(hop + 1));
        }
        assert_eq!(client().pull(&image).await.is_ok(), passes, "{hops}");
        assert_eq!(registry.count("/hop"), hops.min(5), "{hops}");
    }
}

#[tokio::test]
async fn a_manifest_may_have_its_most_bytes_and_not_one_more() {
    let sized = |bytes: u64| {
        let padded = |pad: usize| {
            Artifact::of(&component("hello"))
                .changed(|m| m["annotations"] = json!({ "pad": "x".repeat(pad) }))
        };
        let bare = padded(0).manifest_bytes().len();
        padded(usize::try_from(bytes).unwrap() - bare)
    };
    for (bytes, passes) in [(MANIFEST_SIZE_BYTES_MAX, true), (MANIFEST_SIZE_BYTES_MAX + 1, false)] {
        let registry = Registry::start().await;
        let artifact = sized(bytes);
        assert_eq!(artifact.manifest_bytes().len() as u64, bytes);
        let image = pinned(&registry, &registry.store("1", &artifact));
        for by in ["1", &artifact.digest()] {
            let resolved = client().resolve(&reference(&registry, by)).await;
            assert_eq!(resolved.is_ok(), passes, "{bytes} {by}");
        }
        assert_eq!(client().pull(&image).await.is_ok(), passes, "{bytes}");
    }
}

#[tokio::test]
async fn a_realm_keeps_its_own_query_and_the_scope_names_one_repository() {
    let (registry, image) = hello().await;
    registry.require(Auth::TokenFrom(format!("http://{}/token?account=a%26b", registry.authority())));
    client().pull(&image).await.unwrap();
    let asked = registry.log().into_iter().find(|seen| seen.path.starts_with("/token")).unwrap();
    let wanted = "/token?account=a%26b&service=it&scope=repository%3Aacme%2Fhello%3Apull";
    assert_eq!((asked.path.as_str(), asked.authorization.as_str()), (wanted, ""));
}

#[tokio::test]
async fn a_token_does_not_follow_a_redirect_to_a_listed_host() {
    let ((registry, image), (other, _)) = (hello().await, hello().await);
    registry.require(Auth::AnonymousToken);
    let to = format!("http://{}/v2/kept/blobs/{}", other.authority(), layer());
    registry.fault(&layer(), Fault::Redirect(302, to));
    let allow_hosts = vec![other.authority().parse().unwrap()];
    Client::new(ClientConfig { allow_hosts, ..config() }).unwrap().pull(&image).await.unwrap();
    assert!(other.log().iter().all(|seen| seen.authorization.is_empty()), "{:?}", other.log());
    assert!(registry.log().iter().any(|seen| seen.authorization == format!("Bearer {TOKEN}")));
}

/// The other host answers a challenge too; it must not be taken for the registry's.
#[tokio::test]
async fn a_listed_host_that_wants_credentials_gets_none() {
    let ((registry, image), (other, _)) = (hello().await, hello().await);
    other.require(Auth::Basic);
    registry.fault(&layer(), Fault::Redirect(307, format!("http://{}/blobs/{}", other.authority(), layer())));
    let allow_hosts = vec![other.authority().parse().unwrap()];
    let client = Client::new(ClientConfig { allow_hosts, ..config() }).unwrap();
    let error = client.pull(&image).await.unwrap_err();
    let Error::Status { registry: named, status: 401, .. } = &error else { unreachable!("{error:?}") };
    assert_eq!(*named, other.authority());
    assert_eq!(other.log().len(), 1);
}

#[tokio::test]
async fn a_pull_that_is_dropped_half_way_leaves_a_client_that_works() {
    let (registry, image) = hello().await;
    registry.fault(&layer(), Fault::Silence);
    let client = client();
    let pull = tokio::spawn({
        let (client, image) = (client.clone(), image.clone());
        async move { client.pull(&image).await.map(|_| ()) }
    });
    while registry.count(&layer()) == 0 {
        tokio::task::yield_now().await;
    }
    pull.abort();
    assert!(pull.await.unwrap_err().is_cancelled());
    registry.heal();
    assert_eq!(client.pull(&image).await.unwrap().component, component("hello"));
}

#[tokio::test]
async fn a_push_that_fails_at_any_step_leaves_no_tag_and_can_be_done_again() {
    let client = client();
    for part in ["POST /v2/acme/hello/blobs/", "PUT /v2/acme/hello/blobs/", "PUT /v2/acme/hello/manifests/"] {
        for status in [400, 403, 404, 405, 413, 507] {
            let registry = Registry::start().await;
            let reference = reference(&registry, "1");
            registry.fault(part, Fault::Status(status));
            let error = client.push(&reference, component("hello").into()).await.map(|_| ()).unwrap_err();
            assert!(!error.is_transient(), "{part} {status}: {}", message(&error));
            assert_eq!(registry.manifest("1"), None, "{part} {status}");
            assert_eq!(registry.count(part), 1, "{part} {status}");
            registry.heal();
            client.push(&reference, component("hello").into()).await.unwrap();
            let image = client.resolve(&reference).await.unwrap();
            assert_eq!(client.pull(&image).await.unwrap().component, component("hello"));
        }
    }
}
