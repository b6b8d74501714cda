//! From an image's name to its component, for many Morphs at once: bounded in time, memory and number; one
//! pull for each image, and no registry asked before its time. What a failure means is said by `reason.rs`.

mod reason;

use crate::backoff;
use crate::metrics::Metrics;
use crate::morph::{Component, Failure, Known, Resolution};
use async_trait::async_trait;
use lru::LruCache;
use morph_component::World;
use morph_crds::Reason;
use morph_grant::Digest;
use morph_oci::{Artifact, Client, Error, PinnedImage, Reference};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;

/// How long finding out what a tag stands for may take, in milliseconds.
pub const RESOLVE_MS_MAX: u64 = 30_000;

/// How long a pull may take, in milliseconds: 80 MiB at 1 MiB a second, and some.
pub const PULL_MS_MAX: u64 = 120_000;

/// Tags resolved at once.
pub const RESOLVES_MAX: usize = 8;

/// Pulls at once: a component may have 80 MiB, and is in memory whole while it is read.
pub const PULLS_MAX: usize = 2;

/// Components remembered, by image: a world is some kilobytes, and the Morphs of a cluster share images.
pub const WORLDS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1_023);

/// Failures remembered, by Morph and part: at worst a forgotten one is tried again too early.
pub const FAILURES_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// Longest message of a failure, in characters.
const MESSAGE_CHARS_MAX: usize = 1_024;

/// What is asked of registries.
#[async_trait]
pub trait Registry: Send + Sync {
    /// The manifest that a reference stands for now.
    async fn resolve(&self, reference: &Reference) -> Result<PinnedImage, Error>;

    /// The component of a pinned image.
    async fn pull(&self, image: &PinnedImage) -> Result<Artifact, Error>;
}

#[async_trait]
impl Registry for Client {
    async fn resolve(&self, reference: &Reference) -> Result<PinnedImage, Error> {
        Self::resolve(self, reference).await
    }

    async fn pull(&self, image: &PinnedImage) -> Result<Artifact, Error> {
        Self::pull(self, image).await
    }
}

/// Whose image is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asker {
    /// The Morph's uid.
    pub uid: String,
    /// Its generation: a new one is tried at once.
    pub generation: i64,
    /// Which of its parts, by its name among them: each fails for itself.
    pub part: String,
    /// The field that names the image.
    pub field: String,
}

impl Asker {
    fn key(&self) -> Key {
        (self.uid.clone(), self.part.clone())
    }
}

/// A Morph's uid, and a part's name.
type Key = (String, String);

/// What was read from a component.
#[derive(Debug, Clone)]
struct Read {
    content: Digest,
    world: Arc<World>,
}

/// A failure that is remembered until its time has come.
#[derive(Debug, Clone)]
struct Missed {
    generation: i64,
    failures: u32,
    retry_at: Instant,
    failure: Failure,
}

/// Finds components for Morphs.
pub struct Resolver {
    registry: Arc<dyn Registry>,
    worlds: Mutex<LruCache<PinnedImage, Arc<OnceCell<Read>>>>,
    missed: Mutex<LruCache<Key, Missed>>,
    kept: Mutex<LruCache<Key, (i64, PinnedImage)>>,
    resolves: Semaphore,
    pulls: Semaphore,
    metrics: Arc<Metrics>,
}

/// What an image was found to be, and when to look again if it was nothing.
#[derive(Debug, Clone)]
pub struct Looked {
    /// What it was found to be.
    pub resolution: Resolution,
    /// How long to wait before the next look.
    pub retry: Option<Duration>,
}

impl Resolver {
    /// A resolver that asks `registry`.
    #[must_use]
    pub fn new(registry: Arc<dyn Registry>, metrics: Arc<Metrics>) -> Self {
        Self {
            registry,
            worlds: Mutex::new(LruCache::new(WORLDS_MAX)),
            missed: Mutex::new(LruCache::new(FAILURES_MAX)),
            kept: Mutex::new(LruCache::new(FAILURES_MAX)),
            resolves: Semaphore::new(RESOLVES_MAX),
            pulls: Semaphore::new(PULLS_MAX),
            metrics,
        }
    }

    /// Looks for `image`. After a failure the registry isn't asked again before its time, whatever makes the
    /// Morph be looked at meanwhile.
    pub async fn look(&self, asker: &Asker, image: &str) -> Looked {
        if let Some(missed) = self.missed_now(asker) {
            let retry = Some(missed.retry_at.saturating_duration_since(Instant::now()));
            return Looked { resolution: Resolution::Failed(missed.failure), retry };
        }
        let found = match self.kept(asker, image) {
            Some(kept) => self.find(&kept.to_string()).await,
            None => self.find(image).await,
        };
        match found.map_err(|failure| of_field(&asker.field, failure)) {
            Ok(component) => {
                self.missed.lock().unwrap_or_else(PoisonError::into_inner).pop(&asker.key());
                self.metrics.resolved(Reason::ImageResolved.as_str());
                Looked { resolution: Resolution::Resolved(component), retry: None }
            }
            Err(failure) => {
                self.metrics.resolved(failure.reason.as_str());
                let retry = self.miss(asker, failure.clone());
                Looked { resolution: Resolution::Failed(failure), retry: Some(retry) }
            }
        }
    }

    /// Keeps what a tag stands for while other parts of the same Morph aren't found yet: it is resolved once
    /// for each generation, and nothing else remembers it before all of them are.
    pub fn keep(&self, asker: &Asker, image: &PinnedImage) {
        let kept = (asker.generation, image.clone());
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).put(asker.key(), kept);
    }

    /// The Morph is gone, or all of its parts were found.
    pub fn forget(&self, uid: &str, part: &str) {
        let key = (uid.to_owned(), part.to_owned());
        self.missed.lock().unwrap_or_else(PoisonError::into_inner).pop(&key);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop(&key);
    }

    fn kept(&self, asker: &Asker, image: &str) -> Option<PinnedImage> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (generation, kept) = all.get(&asker.key())?;
        let asked: Reference = image.parse().ok()?;
        let same = *generation == asker.generation && *asked.repository() == kept.repository;
        same.then(|| kept.clone())
    }

    fn missed_now(&self, asker: &Asker) -> Option<Missed> {
        let mut all = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = all.get(&asker.key())?;
        (missed.generation == asker.generation && Instant::now() < missed.retry_at).then(|| missed.clone())
    }

    fn miss(&self, asker: &Asker, failure: Failure) -> Duration {
        let mut all = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.get(&asker.key()).filter(|missed| missed.generation == asker.generation);
        let failures = before.map_or(0, |missed| missed.failures).saturating_add(1);
        let wait = backoff::wait(failures, backoff::spread());
        let retry_at = Instant::now() + wait;
        all.put(asker.key(), Missed { generation: asker.generation, failures, retry_at, failure });
        wait
    }

    async fn find(&self, image: &str) -> Result<Component, Failure> {
        let reference: Reference = image.parse().map_err(|error| reason::of_reference(&error))?;
        let image = self.pin(&reference).await?;
        let read = self.read(&image).await?;
        Ok(Component { image, content: read.content, known: Known::Read(read.world) })
    }

    async fn pin(&self, reference: &Reference) -> Result<PinnedImage, Failure> {
        // The manifest behind a digest can't change: one that was read is known.
        if let Some(digest) = reference.digest() {
            let pinned = reference.pinned(digest.clone());
            if self.cell(&pinned, false).is_some_and(|cell| cell.initialized()) {
                return Ok(pinned);
            }
        }
        let _permit = self.resolves.acquire().await.map_err(|_| reason::stopping())?;
        let limit = Duration::from_millis(RESOLVE_MS_MAX);
        match tokio::time::timeout(limit, self.registry.resolve(reference)).await {
            Ok(pinned) => pinned.map_err(|error| reason::of_registry(&error)),
            Err(_) => Err(reason::slow(reference.repository().registry(), limit)),
        }
    }

    /// One pull for each image, however many ask at once; a failure is nobody's answer but the asker's.
    async fn read(&self, image: &PinnedImage) -> Result<Read, Failure> {
        let cell = self.cell(image, true).unwrap_or_default();
        cell.get_or_try_init(|| self.pull(image)).await.cloned()
    }

    fn cell(&self, image: &PinnedImage, make: bool) -> Option<Arc<OnceCell<Read>>> {
        let mut worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
        if make {
            return Some(Arc::clone(worlds.get_or_insert_ref(image, Arc::default)));
        }
        worlds.get(image).cloned()
    }

    async fn pull(&self, image: &PinnedImage) -> Result<Read, Failure> {
        let _permit = self.pulls.acquire().await.map_err(|_| reason::stopping())?;
        let limit = Duration::from_millis(PULL_MS_MAX);
        let artifact = match tokio::time::timeout(limit, self.registry.pull(image)).await {
            Ok(artifact) => artifact.map_err(|error| reason::of_registry(&error))?,
            Err(_) => return Err(reason::slow(image.repository.registry(), limit)),
        };
        let Artifact { content, component, .. } = artifact;
        // Validating takes CPU for as long as a large component is: not on a thread that others wait for.
        let world = tokio::task::spawn_blocking(move || morph_component::inspect(&component));
        match world.await {
            Ok(Ok(world)) => Ok(Read { content, world: Arc::new(world) }),
            Ok(Err(error)) => Err(reason::of_component(image, &error)),
            Err(error) => Err(reason::unread(image, &error)),
        }
    }
}

/// The same failure, said of the field that names the image.
fn of_field(field: &str, failure: Failure) -> Failure {
    let message = format!("{field}: {}", failure.message).chars().take(MESSAGE_CHARS_MAX).collect();
    Failure { message, ..failure }
}
