//! Where components are, as this server has found out: which layer a manifest names never changes, since its
//! digest is that of its text. A container that starts again asks containerd nothing.

use super::{ContentError, Located, Source, Store, locate};
use morph_grant::Digest;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Locations kept, some 200 bytes each: more than a node has images of components.
const LOCATIONS_MAX: usize = 1024;

/// The locations, by the digest of the manifest or index that was named.
#[derive(Debug, Default)]
pub struct Locations(Mutex<HashMap<Digest, Located>>);

impl Locations {
    /// Finds the component's layer, as [`locate`] does. What a name stands for is asked each time.
    ///
    /// # Errors
    /// Any [`ContentError`].
    pub async fn of(&self, store: &dyn Store, source: &Source) -> Result<Located, ContentError> {
        let named = match source {
            Source::Manifest(digest) => digest.clone(),
            Source::Image(name) => store.image(name).await?,
        };
        if let Some(located) = self.known().get(&named) {
            return Ok(located.clone());
        }
        let located = locate(store, &Source::Manifest(named.clone())).await?;
        let mut known = self.known();
        if known.len() >= LOCATIONS_MAX {
            known.clear();
        }
        known.insert(named, located.clone());
        Ok(located)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Located>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use async_trait::async_trait;
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A store with one manifest, that counts what it is asked.
    struct Counting {
        manifest: Vec<u8>,
        blobs: AtomicUsize,
        names: AtomicUsize,
    }

    #[async_trait]
    impl Store for Counting {
        async fn blob(&self, digest: &Digest, _: u64) -> Result<Vec<u8>, ContentError> {
            self.blobs.fetch_add(1, Ordering::SeqCst);
            match Digest::of(&self.manifest) == *digest {
                true => Ok(self.manifest.clone()),
                false => Err(ContentError::Missing { what: digest.to_string() }),
            }
        }

        async fn image(&self, _: &str) -> Result<Digest, ContentError> {
            self.names.fetch_add(1, Ordering::SeqCst);
            Ok(Digest::of(&self.manifest))
        }
    }

    fn store() -> Counting {
        let layer = json!({ "mediaType": "application/wasm", "digest": Digest::of(b"component"), "size": 9 });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(b"{}"), "size": 2,
            },
            "layers": [layer],
        });
        let manifest = manifest.to_string().into_bytes();
        Counting { manifest, blobs: AtomicUsize::new(0), names: AtomicUsize::new(0) }
    }

    #[tokio::test]
    async fn a_manifest_is_read_once() {
        let (store, locations) = (store(), Locations::default());
        let digest = Digest::of(&store.manifest);
        for source in [Source::Manifest(digest.clone()), Source::Manifest(digest)] {
            let located = locations.of(&store, &source).await.unwrap();
            assert_eq!(located.layer.digest, Digest::of(b"component"));
        }
        assert_eq!(store.blobs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_name_is_asked_for_each_time() {
        let (store, locations) = (store(), Locations::default());
        for _ in 0..2 {
            locations.of(&store, &Source::Image("morph:1".into())).await.unwrap();
        }
        assert_eq!(store.names.load(Ordering::SeqCst), 2);
        assert_eq!(store.blobs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_is_not_there_is_asked_for_again() {
        let (store, locations) = (store(), Locations::default());
        for _ in 0..2 {
            locations.of(&store, &Source::Manifest(Digest::of(b"other"))).await.unwrap_err();
        }
        assert_eq!(store.blobs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn locations_are_forgotten_before_they_grow_without_end() {
        let (store, locations) = (store(), Locations::default());
        let source = Source::Manifest(Digest::of(&store.manifest));
        let located = locations.of(&store, &source).await.unwrap();
        for number in 0..LOCATIONS_MAX {
            let digest = Digest::of(number.to_string().as_bytes());
            locations.known().insert(digest, located.clone());
        }
        locations.known().remove(&Digest::of(&store.manifest));
        locations.of(&store, &source).await.unwrap();
        assert_eq!(locations.known().len(), 1);
    }
}
