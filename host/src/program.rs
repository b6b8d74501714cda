//! A component whose code is in memory, ready to be run. Code comes from [`crate::compile`] alone.
#![allow(unsafe_code)] // loading machine code is unsafe by nature: see `Program::load`

use crate::engine::Engine;
use morph_component::{Error as ComponentError, InterfaceId, Kind, World};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;

/// A component whose code is in memory.
#[derive(Clone)]
pub struct Program {
    pub(crate) engine: Engine,
    pub(crate) component: Component,
    pub(crate) world: World,
}

/// Why code couldn't be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file isn't code of this engine.
    #[error("{path}: this is no code of the {kind} engine")]
    Code {
        /// The file.
        path: PathBuf,
        /// The engine.
        kind: crate::EngineKind,
        /// What was wrong.
        #[source]
        source: anyhow::Error,
    },
    /// The bytes can't be compiled.
    #[error("the component can't be compiled")]
    Component(#[source] anyhow::Error),
    /// It has more parts than a component may have.
    #[error("limit {name}: the component has more than may be")]
    Limit {
        /// The limit's name.
        name: &'static str,
        /// How many there are, and may be.
        #[source]
        source: anyhow::Error,
    },
    /// It imports something by a plain name.
    #[error("the component imports \"{name}\", which is no interface")]
    PlainImport {
        /// The name.
        name: String,
    },
}

impl Program {
    /// Maps code that [`crate::compile`] made for this engine. Pages are shared with every process that
    /// maps the same file, and given back under pressure.
    ///
    /// # Errors
    /// [`LoadError::Code`] if the file is missing, cut short, or of another engine; [`LoadError::Limit`] if
    /// the component has more parts than may be.
    pub fn load(engine: &Engine, code: &Path) -> Result<Self, LoadError> {
        // SAFETY: the file must be what `compile` wrote, and must not change while it is mapped. Callers
        // give files of the node's cache: written by root from our own compile child, renamed into place
        // whole, never written again, and in a directory that only root can enter. Code that came with an
        // image never gets here.
        let loaded = unsafe { Component::deserialize_file(&engine.inner, code) };
        let component = loaded.map_err(|error| match limit(&error) {
            Some(name) => LoadError::Limit { name, source: error.into() },
            None => LoadError::Code { path: code.to_owned(), kind: engine.kind, source: error.into() },
        })?;
        Self::new(engine, component)
    }

    /// Compiles (as [`crate::compile`] does) and loads in one process: for tools, not for nodes.
    ///
    /// # Errors
    /// [`LoadError::Component`] with the compiler's reason, or as with [`Program::load`].
    pub fn from_component(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        let bytes = morph_component::adapt(bytes).map_err(|error| LoadError::Component(error.into()))?;
        let component =
            Component::from_binary(&engine.inner, &bytes).map_err(|error| match limit(&error) {
                Some(name) => LoadError::Limit { name, source: error.into() },
                None => LoadError::Component(error.into()),
            })?;
        Self::new(engine, component)
    }

    /// What the component imports and exports, read from the code itself.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    fn new(engine: &Engine, component: Component) -> Result<Self, LoadError> {
        let world = world(engine, &component)?;
        Ok(Self { engine: engine.clone(), component, world })
    }

    /// The export to call.
    pub(crate) fn entry(&self, kind: Kind) -> Result<morph_component::Run, ComponentError> {
        self.world.run_as(Some(kind))
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("engine", &self.engine).field("world", &self.world).finish()
    }
}

/// What wasmtime says of a component with too many parts, and the limit's name. It has no error type for it:
/// a test for each knows the words.
const PARTS: [(&str, &str); 6] = [
    (" core module instances, which exceeds ", "coreInstances"),
    (" Wasm linear memories, which exceeds ", "memories"),
    (" tables, which exceeds ", "tables"),
    ("defined memories count of ", "memories"),
    ("defined tables count of ", "tables"),
    (" has a minimum element size of ", "tableElements"),
];

/// The limit of parts that a component was refused for.
fn limit(error: &wasmtime::Error) -> Option<&'static str> {
    let text = format!("{error:#}");
    PARTS.iter().find(|(words, _)| text.contains(words)).map(|(_, name)| *name)
}

fn world(engine: &Engine, component: &Component) -> Result<World, LoadError> {
    let types = component.component_type();
    let mut world = World::default();
    for (name, _) in types.imports(&engine.inner) {
        let plain = |_| LoadError::PlainImport { name: name.to_owned() };
        world.imports.push(name.parse::<InterfaceId>().map_err(plain)?);
    }
    for (name, _) in types.exports(&engine.inner) {
        match name.parse::<InterfaceId>() {
            Ok(id) => world.exports.push(id),
            Err(_) => world.plain_exports.push(name.to_owned()),
        }
    }
    world.imports.sort();
    world.exports.sort();
    world.plain_exports.sort();
    Ok(world)
}
