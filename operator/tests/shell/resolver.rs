//! From an image's name to its component, for many at once, with a registry that fails, hangs or is asked
//! twice.

use crate::registry::FakeRegistry;
use crate::world::{IMAGE, server_component};
use async_trait::async_trait;
use morph_crds::Reason;
use morph_oci::{Artifact, Error, PinnedImage, Reference};
use morph_operator::metrics::Metrics;
use morph_operator::morph::Resolution;
use morph_operator::registry::{Asker, PULL_MS_MAX, RESOLVE_MS_MAX, Registry, Resolver};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn asker(uid: &str, generation: i64) -> Asker {
    part(uid, "main", generation)
}

fn part(uid: &str, part: &str, generation: i64) -> Asker {
    let field = if part == "main" { "spec.image" } else { "spec.plugs[0].image" };
    Asker { uid: uid.to_owned(), generation, part: part.to_owned(), field: field.to_owned() }
}

fn stocked() -> (Arc<FakeRegistry>, Resolver) {
    let registry = Arc::new(FakeRegistry::default());
    registry.push(IMAGE, &server_component(""));
    let resolver = Resolver::new(Arc::clone(&registry) as _, Arc::new(Metrics::default()));
    (registry, resolver)
}

fn reason(resolution: &Resolution) -> Reason {
    match resolution {
        Resolution::Unknown => Reason::Pending,
        Resolution::Failed(failure) => failure.reason,
        Resolution::Resolved(_) => Reason::ImageResolved,
    }
}

/// A registry that never answers, or only when it is asked what a tag stands for.
struct Hanging {
    resolves: bool,
}

#[async_trait]
impl Registry for Hanging {
    async fn resolve(&self, reference: &Reference) -> Result<PinnedImage, Error> {
        if !self.resolves {
            std::future::pending::<()>().await;
        }
        Ok(reference.pinned(FakeRegistry::manifest_of(b"x")))
    }

    async fn pull(&self, _: &PinnedImage) -> Result<Artifact, Error> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_hangs_is_waited_for_to_a_limit() {
    for (resolves, limit_ms) in [(false, RESOLVE_MS_MAX), (true, PULL_MS_MAX)] {
        let resolver = Resolver::new(Arc::new(Hanging { resolves }), Arc::new(Metrics::default()));
        let started = Instant::now();
        let looked = resolver.look(&asker("a", 1), IMAGE).await;
        assert_eq!(started.elapsed().as_secs(), limit_ms / 1_000);
        let Resolution::Failed(failure) = looked.resolution else { panic!("it hangs") };
        assert_eq!(failure.reason, Reason::RegistryUnavailable);
        assert!(failure.transient && failure.message.contains("did not answer within"), "{failure:?}");
    }
}

#[tokio::test]
async fn an_image_by_digest_that_was_read_is_known() {
    let (registry, resolver) = stocked();
    let digest = FakeRegistry::manifest_of(&server_component(""));
    let image = format!("r.example/acme/weather@{digest}");
    for uid in ["a", "b", "c"] {
        let looked = resolver.look(&asker(uid, 1), &image).await;
        assert_eq!(reason(&looked.resolution), Reason::ImageResolved);
    }
    let asked = registry.take_asked();
    assert_eq!(asked, [format!("resolve {image}"), format!("pull {image}")]);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_before_anybody_is_asked() {
    let (registry, resolver) = stocked();
    for name in ["weather", "r.example/UPPER:1", "https://r.example/a:1", "r.example/a@sha256:12", ""] {
        let looked = resolver.look(&asker(name, 1), name).await;
        assert_eq!(reason(&looked.resolution), Reason::ReferenceInvalid, "{name}");
    }
    assert!(registry.take_asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_one_is_not_the_failure_of_others() {
    let (registry, resolver) = stocked();
    registry.set_down(true);
    let failed = resolver.look(&asker("a", 1), IMAGE).await;
    assert_eq!(reason(&failed.resolution), Reason::RegistryUnavailable);
    registry.set_down(false);
    assert_eq!(reason(&resolver.look(&asker("b", 1), IMAGE).await.resolution), Reason::ImageResolved);
    let still = resolver.look(&asker("a", 1), IMAGE).await;
    assert_eq!(reason(&still.resolution), Reason::RegistryUnavailable, "its time has not come");
    assert!(still.retry.is_some_and(|wait| wait <= failed.retry.unwrap()));
    tokio::time::sleep(failed.retry.unwrap()).await;
    assert_eq!(reason(&resolver.look(&asker("a", 1), IMAGE).await.resolution), Reason::ImageResolved);
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_asked_anew() {
    let (registry, resolver) = stocked();
    registry.set_down(true);
    resolver.look(&asker("a", 1), IMAGE).await;
    registry.take_asked();
    resolver.forget("a", "main");
    let looked = resolver.look(&asker("a", 1), IMAGE).await;
    assert_eq!(registry.take_asked().len(), 1);
    assert!(looked.retry.is_some_and(|wait| wait <= Duration::from_millis(1_250)), "the count starts anew");
}

#[tokio::test]
async fn a_success_says_what_was_found() {
    let (_, resolver) = stocked();
    let looked = resolver.look(&asker("a", 1), IMAGE).await;
    assert_eq!(looked.retry, None);
    let Resolution::Resolved(component) = looked.resolution else { panic!("it is there") };
    let bytes = server_component("");
    assert_eq!(component.content, morph_grant::Digest::of(&bytes));
    assert_eq!(component.image.digest, FakeRegistry::manifest_of(&bytes));
    assert!(component.known.imports().is_empty());
}

#[tokio::test(start_paused = true)]
async fn each_part_fails_for_itself_and_under_its_own_field() {
    let (_, resolver) = stocked();
    let missing = resolver.look(&part("a", "clock", 1), "r.example/acme/clock:1").await;
    let Resolution::Failed(failure) = missing.resolution else { panic!("there is none") };
    assert_eq!(failure.reason, Reason::ImageNotFound);
    assert!(failure.message.starts_with("spec.plugs[0].image: "), "{}", failure.message);
    let main = resolver.look(&asker("a", 1), IMAGE).await;
    assert_eq!(reason(&main.resolution), Reason::ImageResolved, "a plug's failure is not main's");
    let name = resolver.look(&asker("b", 1), "weather").await;
    let Resolution::Failed(failure) = name.resolution else { panic!("it is no name") };
    assert!(failure.message.starts_with("spec.image: "), "{}", failure.message);
}

#[tokio::test]
async fn what_is_kept_for_a_generation_is_not_resolved_again_in_it() {
    let (registry, resolver) = stocked();
    let kept = match resolver.look(&asker("a", 1), IMAGE).await.resolution {
        Resolution::Resolved(component) => component.image,
        other => panic!("{other:?}"),
    };
    resolver.keep(&asker("a", 1), &kept);
    registry.push(IMAGE, &server_component("wasi:cli/stdout@0.2.3"));
    let image = |resolution| match resolution {
        Resolution::Resolved(component) => component.image,
        other => panic!("{other:?}"),
    };
    assert_eq!(image(resolver.look(&asker("a", 1), IMAGE).await.resolution), kept);
    assert_ne!(image(resolver.look(&asker("a", 2), IMAGE).await.resolution), kept, "another generation");
    assert_ne!(image(resolver.look(&part("a", "clock", 1), IMAGE).await.resolution), kept, "another part");
    resolver.forget("a", "main");
    assert_ne!(image(resolver.look(&asker("a", 1), IMAGE).await.resolution), kept);
}
