//! Makes code: the first of a component, which a start waits for, and its optimized successor, for which
//! nobody waits. Each is made under its key's lock, by one server of the node.

use super::eviction::BYTES_MAX_WHEN_FULL;
use super::store::{Key, KeyLock, Origin, Store};
use super::{Code, Error, Options, Wanted};
use crate::compile::parts::digest_of;
use crate::compile::{CompileError, Compiler, Haste};
use crate::wire::EngineKind;
use morph_grant::Digest;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Compilations at once in one server. One uses all processors, and each may use as much memory as
/// [`crate::compile::COMPILE_MEMORY_BYTES_MAX`]; the second keeps a small component from waiting for a large.
const COMPILATIONS_AT_ONCE: usize = 2;

/// How long a verdict on a component is remembered, in seconds: a container that is restarted again and again
/// is told so without another compilation, and a slow node gets its chance in time.
const VERDICT_SECONDS: u64 = 180;

/// Verdicts remembered; past that all are forgotten.
const VERDICTS_MAX: usize = 256;

/// Time between two looks whether another server still makes optimized code, in milliseconds.
const TURN_MILLIS: u64 = 1_000;

/// Looks before a successor is given up, in number: half an hour. The component's next start asks again.
const TURN_LOOKS_MAX: u32 = 1_800;

/// What makes code and keeps it.
#[derive(Debug)]
pub(super) struct Maker {
    store: Arc<Store>,
    compiler: Compiler,
    bytes_max: u64,
    baseline_first: bool,
    /// What code must fit, by engine.
    engines: HashMap<EngineKind, String>,
    /// What compilers have said of components, and when.
    verdicts: Mutex<HashMap<Key, (Instant, CompileError)>>,
    pub(super) places: Semaphore,
    /// Whose turn it is in this server to look for the node's.
    successor: Semaphore,
}

impl Maker {
    /// Opens the directory. Blocks its thread.
    pub(super) fn open(options: &Options, program: &Path) -> Result<Self, Error> {
        let store = Store::open(&options.directory)?;
        Ok(Self {
            store: Arc::new(store),
            compiler: Compiler::new(program),
            bytes_max: options.bytes_max,
            // Elsewhere wasmtime's baseline compiler is not one that its authors vouch for.
            baseline_first: options.baseline_first && cfg!(target_arch = "x86_64"),
            engines: options.engines.clone(),
            verdicts: Mutex::default(),
            places: Semaphore::new(COMPILATIONS_AT_ONCE),
            successor: Semaphore::new(1),
        })
    }

    pub(super) fn wanted(&self, component: &Digest, kind: EngineKind) -> Wanted {
        let key = |kind| {
            let engine = self.engines.get(&kind).map_or("", String::as_str);
            Key::new(component, kind, engine)
        };
        let baseline = self.baseline_first.then(|| key(kind.baseline()));
        Wanted { component: component.clone(), kind, best: key(kind), baseline }
    }

    /// What is there, the best first.
    pub(super) async fn find(&self, wanted: &Wanted) -> Result<Option<Code>, Error> {
        let (store, wanted) = (Arc::clone(&self.store), wanted.clone());
        spawn_blocking(move || {
            if let Some(file) = store.find(&wanted.best)? {
                return Ok(Some(Code { file, engine: wanted.kind }));
            }
            let Some(baseline) = &wanted.baseline else { return Ok(None) };
            let found = store.find(baseline)?;
            Ok(found.map(|file| Code { file, engine: wanted.kind.baseline() }))
        })
        .await?
    }

    /// Refuses what was found to be no component a short while ago.
    pub(super) fn check(&self, wanted: &Wanted) -> Result<(), Error> {
        match self.verdict(&wanted.best) {
            Some(source) => Err(Error::Compile { digest: wanted.component.clone(), source }),
            None => Ok(()),
        }
    }

    pub(super) async fn lock(&self, key: &Key) -> Result<KeyLock, Error> {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        spawn_blocking(move || store.lock(&key)).await?
    }

    /// The first code of a component. What the baseline compiler doesn't take is the other's at once; a
    /// refusal of that one counts.
    pub(super) async fn make_first(&self, wanted: &Wanted, component: Vec<u8>) -> Result<Code, Error> {
        let found = digest_of(&component);
        if found != wanted.component {
            return Err(Error::OtherBytes { digest: wanted.component.clone(), found });
        }
        let Some(baseline) = &wanted.baseline else {
            let file = self.make(wanted, &wanted.best, wanted.kind, &component, Haste::Now).await?;
            return Ok(Code { file, engine: wanted.kind });
        };
        let engine = wanted.kind.baseline();
        if self.verdict(baseline).is_none() {
            match self.make(wanted, baseline, engine, &component, Haste::Now).await {
                Ok(file) => return Ok(Code { file, engine }),
                Err(Error::Compile { source, .. }) if is_of_the_compiler(&source) => {
                    tracing::debug!(component = %wanted.component, %source, "not for the baseline compiler");
                }
                Err(error) => return Err(error),
            }
        }
        let _lock = self.lock(&wanted.best).await?;
        if let Some(code) = self.find(wanted).await? {
            return Ok(code);
        }
        let file = self.make(wanted, &wanted.best, wanted.kind, &component, Haste::Now).await?;
        Ok(Code { file, engine: wanted.kind })
    }

    /// Makes the optimized code of a component that has the baseline compiler's: one at a time on the node,
    /// with what processor time others leave.
    pub(super) async fn make_successor(&self, wanted: &Wanted) -> Result<(), Error> {
        let Some(baseline) = &wanted.baseline else { return Ok(()) };
        if self.verdict(&wanted.best).is_some() {
            return Ok(());
        }
        // Never closed; an error would only mean that several look.
        let _own = self.successor.acquire().await;
        let Some(_turn) = self.turn().await? else { return Ok(()) };
        let Some(_lock) = self.store.try_lock(wanted.best.name())? else { return Ok(()) };
        let (store, best, origin) = (Arc::clone(&self.store), wanted.best.clone(), baseline.clone());
        let component = spawn_blocking(move || match store.find(&best)? {
            Some(_) => Ok(None),
            None => store.component(&origin),
        });
        let Some(component) = component.await?? else { return Ok(()) };
        if digest_of(&component) != wanted.component {
            tracing::warn!(component = %wanted.component, "its bytes in the code cache are others'");
            return Ok(());
        }
        self.make(wanted, &wanted.best, wanted.kind, &component, Haste::Idle).await.map(drop)
    }

    /// Removes what is old, left behind or past the cache's size. Blocks its thread.
    pub(super) fn sweep(&self) -> Result<(), Error> {
        self.store.sweep(self.bytes_max).map(drop)
    }

    async fn turn(&self) -> Result<Option<KeyLock>, Error> {
        for _ in 0..TURN_LOOKS_MAX {
            if let Some(turn) = self.store.try_lock("successor")? {
                return Ok(Some(turn));
            }
            sleep(Duration::from_millis(TURN_MILLIS)).await;
        }
        Ok(None)
    }

    /// Makes an entry under its lock; on a full disk once more, after what can go has gone.
    async fn make(
        &self,
        wanted: &Wanted,
        key: &Key,
        engine: EngineKind,
        component: &[u8],
        haste: Haste,
    ) -> Result<File, Error> {
        match self.make_once(wanted, key, engine, component, haste).await {
            Err(error) if error.is_full() => {
                let store = Arc::clone(&self.store);
                let gone = spawn_blocking(move || store.sweep(BYTES_MAX_WHEN_FULL)).await??;
                tracing::warn!(gone, "the disk of the code cache is full");
                if gone == 0 {
                    return Err(error);
                }
                self.make_once(wanted, key, engine, component, haste).await
            }
            made => made,
        }
    }

    async fn make_once(
        &self,
        wanted: &Wanted,
        key: &Key,
        engine: EngineKind,
        component: &[u8],
        haste: Haste,
    ) -> Result<File, Error> {
        let (draft, file) = self.store.begin(key)?;
        let mut file = tokio::fs::File::from_std(file);
        let compiled = match self.compiler.compile(component, engine, haste, &mut file).await {
            Ok(compiled) => compiled,
            Err(CompileError::Storing(source)) => return Err(draft.not_stored(source)),
            Err(source) => {
                self.remember(key, &source);
                return Err(Error::Compile { digest: wanted.component.clone(), source });
            }
        };
        let file = file.into_std().await;
        let (store, sha256) = (Arc::clone(&self.store), compiled.sha256);
        // What has a successor keeps what it is made of.
        let origin = engine
            .is_baseline()
            .then(|| Origin { component: component.to_vec(), successor: wanted.best.clone() });
        let code = spawn_blocking(move || store.commit(draft, &file, &sha256, origin.as_ref())).await??;
        let (component, ms) = (&wanted.component, compiled.millis);
        match haste {
            Haste::Now => tracing::info!(%key, %component, %engine, %ms, "compiled"),
            Haste::Idle => tracing::info!(%key, %component, %engine, %ms, "optimized for its next start"),
        }
        Ok(code)
    }

    fn verdict(&self, key: &Key) -> Option<CompileError> {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.retain(|_, (said, _)| said.elapsed() < Duration::from_secs(VERDICT_SECONDS));
        verdicts.get(key)?.1.again()
    }

    fn remember(&self, key: &Key, error: &CompileError) {
        let Some(verdict) = error.again() else { return };
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= VERDICTS_MAX {
            verdicts.clear();
        }
        verdicts.insert(key.clone(), (Instant::now(), verdict));
    }
}

/// Whether another compiler may do better.
fn is_of_the_compiler(error: &CompileError) -> bool {
    matches!(error, CompileError::Refused(_) | CompileError::TooLarge | CompileError::Died { .. })
}
