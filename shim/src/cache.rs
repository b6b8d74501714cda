//! The node's code cache: machine code by component and engine, compiled once for a key however many tasks
//! and servers ask at once. What an entry is on disk is `store`'s matter; who compiles is `compile`'s.

mod store;

use crate::compile::{CompileError, Compiler};
use crate::turns::Turns;
use crate::wire::EngineKind;
use morph_grant::Digest;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::{Key, Store};
use tokio::sync::Semaphore;

/// Compilations at once in one server. One uses all processors, and each may use as much memory as
/// [`crate::compile::COMPILE_MEMORY_BYTES_MAX`]; the second keeps a small component from waiting for a large.
const COMPILATIONS_AT_ONCE: usize = 2;

/// How long a verdict on a component is remembered, in seconds: a container that is restarted again and again
/// is told so without another compilation, and a slow node gets its chance in time.
const VERDICT_SECONDS: u64 = 180;

/// Verdicts remembered; past that all are forgotten.
const VERDICTS_MAX: usize = 256;

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cache's directory can't be used.
    #[error("code cache: {path}: {doing}")]
    Store {
        /// Which file or directory.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no engine on this machine.
    #[error("code cache")]
    Engine(#[from] morph_host::EngineError),
    /// The component's bytes can't be had.
    #[error("reading component {digest}")]
    Read {
        /// The component.
        digest: Digest,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The bytes that were read are others.
    #[error("component {digest}: its bytes are those of {found}")]
    OtherBytes {
        /// The component.
        digest: Digest,
        /// What came.
        found: Digest,
    },
    /// The component can't be compiled.
    #[error("component {digest}")]
    Compile {
        /// The component.
        digest: Digest,
        /// Why not.
        #[source]
        source: CompileError,
    },
    /// A thread for blocking work is gone.
    #[error("code cache: its thread")]
    Thread(#[from] tokio::task::JoinError),
}

/// Code of one node, shared by all servers on it.
#[derive(Debug)]
pub struct Cache {
    store: Arc<Store>,
    compiler: Compiler,
    /// What code must fit, by engine.
    engines: HashMap<EngineKind, String>,
    /// Tasks that want the same key take turns here, so that one thread at most waits for the lock file.
    turns: Turns<Key>,
    /// What compilers have said of components, and when.
    verdicts: Mutex<HashMap<Key, (Instant, CompileError)>>,
    places: Semaphore,
}

impl Cache {
    /// Opens the cache in `directory`, which it makes and keeps for root alone. `program compile` is the
    /// compile child; a server passes `/proc/self/exe`.
    pub async fn open(directory: &Path, program: &Path) -> Result<Self, Error> {
        let directory = directory.to_path_buf();
        let (store, engines) = tokio::task::spawn_blocking(move || {
            let store = Store::open(&directory)?;
            let mut engines = HashMap::new();
            for kind in EngineKind::ALL {
                engines.insert(kind, morph_host::engine_hash(kind)?);
            }
            Ok::<_, Error>((store, engines))
        })
        .await??;
        Ok(Self {
            store: Arc::new(store),
            compiler: Compiler::new(program),
            engines,
            turns: Turns::default(),
            verdicts: Mutex::default(),
            places: Semaphore::new(COMPILATIONS_AT_ONCE),
        })
    }

    /// The code of a component, mapped by workers from the file that this answers. `read` brings the
    /// component's bytes, and is asked only if there is no code yet. A caller that gives up loses nothing
    /// but its own compilation.
    pub async fn code<R, E>(&self, digest: &Digest, kind: EngineKind, read: R) -> Result<File, Error>
    where
        R: Future<Output = Result<Vec<u8>, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let key = self.key(digest, kind);
        if let Some(code) = self.find(&key).await? {
            return Ok(code);
        }
        let turn = self.turns.of(&key);
        let _turn = turn.lock().await;
        if let Some(code) = self.find(&key).await? {
            return Ok(code);
        }
        if let Some(source) = self.verdict(&key) {
            return Err(Error::Compile { digest: digest.clone(), source });
        }
        let store = Arc::clone(&self.store);
        let wanted = key.clone();
        let _lock = tokio::task::spawn_blocking(move || store.lock(&wanted)).await??;
        if let Some(code) = self.find(&key).await? {
            return Ok(code);
        }
        // After the lock: what another server compiles needs no place here. The semaphore is never closed; an
        // error would only mean no bound.
        let _place = self.places.acquire().await;
        let component =
            read.await.map_err(|error| Error::Read { digest: digest.clone(), source: error.into() })?;
        self.make(&key, digest, kind, &component).await
    }

    async fn make(
        &self,
        key: &Key,
        digest: &Digest,
        kind: EngineKind,
        component: &[u8],
    ) -> Result<File, Error> {
        let found = Digest::of(component);
        if found != *digest {
            return Err(Error::OtherBytes { digest: digest.clone(), found });
        }
        let (draft, file) = self.store.begin(key)?;
        let mut file = tokio::fs::File::from_std(file);
        let compiled = match self.compiler.compile(component, kind, &mut file).await {
            Ok(compiled) => compiled,
            Err(CompileError::Storing(source)) => return Err(draft.not_stored(source)),
            Err(source) => {
                self.remember(key, &source);
                return Err(Error::Compile { digest: digest.clone(), source });
            }
        };
        let file = file.into_std().await;
        let (store, sha256) = (Arc::clone(&self.store), compiled.sha256);
        let code = tokio::task::spawn_blocking(move || store.commit(draft, &file, &sha256)).await??;
        tracing::info!(key = %key, component = %digest, engine = %kind, ms = %compiled.millis, "compiled");
        Ok(code)
    }

    async fn find(&self, key: &Key) -> Result<Option<File>, Error> {
        let (store, key) = (Arc::clone(&self.store), key.clone());
        tokio::task::spawn_blocking(move || store.find(&key)).await?
    }

    fn key(&self, digest: &Digest, kind: EngineKind) -> Key {
        let engine = self.engines.get(&kind).map_or("", String::as_str);
        Key::new(digest, kind, engine)
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
