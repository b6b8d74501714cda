//! A registry in memory: components by reference, failures where a test wants them, and a count of what was
//! asked.

use async_trait::async_trait;
use bytes::Bytes;
use morph_grant::Digest;
use morph_oci::{Artifact, Error, PinnedImage, Reference};
use morph_operator::registry::Registry;
use std::collections::BTreeMap;
use std::sync::Mutex;

#[derive(Default)]
struct Inner {
    tags: BTreeMap<String, Bytes>,
    /// What only nodes can pull.
    private: BTreeMap<String, Bytes>,
    down: bool,
    asked: Vec<String>,
}

#[derive(Default)]
pub(crate) struct FakeRegistry(Mutex<Inner>);

impl FakeRegistry {
    /// Stores a component under a tag; it may move there from another one.
    pub(crate) fn push(&self, reference: &str, component: &[u8]) {
        self.0.lock().unwrap().tags.insert(reference.to_owned(), Bytes::copy_from_slice(component));
    }

    /// Stores a component where only nodes can pull it.
    pub(crate) fn push_for_nodes(&self, reference: &str, component: &[u8]) {
        let component = Bytes::copy_from_slice(component);
        self.0.lock().unwrap().private.insert(reference.to_owned(), component);
    }

    /// What a node pulls by this tag or digest.
    pub(crate) fn on_a_node(&self, reference: &str) -> Option<Bytes> {
        let inner = self.0.lock().unwrap();
        let Some((_, digest)) = reference.split_once('@') else {
            return inner.private.get(reference).cloned();
        };
        let is_it = |bytes: &&Bytes| Self::manifest_of(bytes).to_string() == digest;
        inner.private.values().find(is_it).cloned()
    }

    pub(crate) fn remove(&self, reference: &str) {
        self.0.lock().unwrap().tags.remove(reference);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    /// What was asked since the last time, as `resolve …` and `pull …`.
    pub(crate) fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }

    /// The digest that stands for the manifest of a component here: any function of its bytes will do.
    pub(crate) fn manifest_of(component: &[u8]) -> Digest {
        Digest::of(&[b"manifest of ", component].concat())
    }

    fn ask(&self, what: &str, reference: &str) -> Result<Vec<Bytes>, Error> {
        let mut inner = self.0.lock().unwrap();
        inner.asked.push(format!("{what} {reference}"));
        if inner.down {
            let (host, problem) = ("r.example".to_owned(), "connect");
            return Err(Error::Unreachable { host, problem, source: "it is down".into() });
        }
        Ok(inner
            .tags
            .iter()
            .filter(|(tag, _)| what == "pull" || *tag == reference)
            .map(|(_, c)| c.clone())
            .collect())
    }
}

fn missing(what: &str) -> Error {
    Error::NotFound { registry: "r.example".to_owned(), what: what.to_owned() }
}

#[async_trait]
impl Registry for FakeRegistry {
    async fn resolve(&self, reference: &Reference) -> Result<PinnedImage, Error> {
        if let Some(digest) = reference.digest() {
            self.ask("resolve", &reference.to_string())?;
            return Ok(reference.pinned(digest.clone()));
        }
        let found = self.ask("resolve", &reference.to_string())?;
        let component = found.first().ok_or_else(|| missing("the tag"))?;
        Ok(reference.pinned(Self::manifest_of(component)))
    }

    async fn pull(&self, image: &PinnedImage) -> Result<Artifact, Error> {
        let found = self.ask("pull", &image.to_string())?;
        let component = found.into_iter().find(|component| Self::manifest_of(component) == image.digest);
        let component = component.ok_or_else(|| missing("the manifest"))?;
        Ok(Artifact { manifest: image.digest.clone(), content: Digest::of(&component), component })
    }
}
