//! The node's code cache: machine code by component and engine, compiled once for a key however many tasks
//! and servers ask at once. What an entry is on disk is `store`'s matter, which ones go is `eviction`'s, who
//! compiles is `compile`'s, and what is done when nobody waits is `chores`'.

mod chores;
mod eviction;
mod maker;
mod store;

use crate::compile::CompileError;
use crate::turns::Turns;
use crate::wire::EngineKind;
use chores::Chores;
use maker::Maker;
use morph_grant::Digest;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Key;

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

impl Error {
    /// Whether the disk, or what this node's root may have of it, is full.
    fn is_full(&self) -> bool {
        let Self::Store { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// How a cache is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its directory, which is made and kept for root alone.
    pub directory: PathBuf,
    /// How large it may grow, in bytes.
    pub bytes_max: u64,
    /// Whether the baseline compiler makes a component's first code.
    pub baseline_first: bool,
    /// What code must fit, by engine.
    pub engines: HashMap<EngineKind, String>,
}

/// Code that can be run.
#[derive(Debug)]
pub struct Code {
    /// What workers map.
    pub file: File,
    /// The engine that it was made for.
    pub engine: EngineKind,
}

/// What code is wanted.
#[derive(Debug, Clone)]
struct Wanted {
    component: Digest,
    kind: EngineKind,
    /// Key of its optimized code.
    best: Key,
    /// Key of what the baseline compiler makes of it; none if it isn't asked.
    baseline: Option<Key>,
}

/// Code of one node, shared by all servers on it.
#[derive(Debug)]
pub struct Cache {
    maker: Arc<Maker>,
    /// Tasks that want the same component take turns here: one thread at most waits for the lock file.
    turns: Turns<Key>,
    /// Ends with the cache.
    chores: Chores,
}

impl Cache {
    /// Opens the cache. `program compile` is the compile child; a server passes `/proc/self/exe`.
    pub async fn open(options: Options, program: &Path) -> Result<Self, Error> {
        let program = program.to_path_buf();
        let maker = tokio::task::spawn_blocking(move || Maker::open(&options, &program)).await??;
        Ok(Self { maker: Arc::new(maker), turns: Turns::default(), chores: Chores::default() })
    }

    /// The code of a component, mapped by workers from the file that this answers: the best there is, and
    /// what is made soonest if there is none. `read` brings the component's bytes (a composition's parts, by
    /// the composition's digest), and is asked only if there is no code yet. A caller that gives up loses
    /// nothing but its own compilation.
    pub async fn code<R, E>(&self, digest: &Digest, kind: EngineKind, read: R) -> Result<Code, Error>
    where
        R: Future<Output = Result<Vec<u8>, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let wanted = self.maker.wanted(digest, kind);
        if let Some(code) = self.ready(&wanted).await? {
            return Ok(code);
        }
        let turn = self.turns.of(&wanted.best);
        let _turn = turn.lock().await;
        if let Some(code) = self.ready(&wanted).await? {
            return Ok(code);
        }
        self.maker.check(&wanted)?;
        let _lock = self.maker.lock(wanted.first()).await?;
        if let Some(code) = self.ready(&wanted).await? {
            return Ok(code);
        }
        // After the lock: what another server compiles needs no place here. The semaphore is never closed; an
        // error would only mean no bound.
        let _place = self.maker.places.acquire().await;
        let component =
            read.await.map_err(|error| Error::Read { digest: digest.clone(), source: error.into() })?;
        let code = self.maker.make_first(&wanted, component).await?;
        self.chores.follow(&self.maker, &wanted, code.engine);
        Ok(code)
    }

    /// The best code that there is already. Where that is the baseline compiler's, its successor is wanted.
    async fn ready(&self, wanted: &Wanted) -> Result<Option<Code>, Error> {
        let code = self.maker.find(wanted).await?;
        if let Some(code) = code.as_ref().filter(|code| code.engine.is_baseline()) {
            self.chores.follow(&self.maker, wanted, code.engine);
        }
        Ok(code)
    }
}

impl Wanted {
    /// Whose lock a first compilation takes.
    fn first(&self) -> &Key {
        self.baseline.as_ref().unwrap_or(&self.best)
    }
}
