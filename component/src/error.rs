//! Why bytes are no component that can run as a Morph; each reason is its own variant.

use crate::{InterfaceId, Kind};

/// What is wrong with a component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More bytes than anything here takes.
    #[error("the component has {size_bytes} bytes; the most is {max_bytes}")]
    TooLarge {
        /// Its size.
        size_bytes: u64,
        /// [`crate::COMPONENT_SIZE_BYTES_MAX`].
        max_bytes: u64,
    },
    /// The bytes don't start as WebAssembly does.
    #[error("this is not a WebAssembly component: {found}; give a file built for wasm32-wasip2")]
    NotWasm {
        /// What it looks like instead.
        found: &'static str,
    },
    /// A core module.
    #[error(
        "this is a core WebAssembly module, not a component; build it for wasm32-wasip2 (or, a command, for \
         wasm32-wasip1), or wrap it as a component with `wasm-tools component new`"
    )]
    CoreModule,
    /// A core module for WASI preview 1 that can't be adapted.
    #[error("this is a core WebAssembly module of WASI preview 1 that can't be run: {0}")]
    Preview1(#[from] Preview1Error),
    /// WebAssembly, but not valid, or in need of something that no engine here has turned on.
    #[error("the component is not valid at byte {offset}: {}", .source.message())]
    Invalid {
        /// Where, counted from the first byte.
        offset: usize,
        /// What the validator said.
        source: wasmparser::Error,
    },
    /// The validator tripped over an assertion of its own, as over types nested too deeply.
    #[error("the component is not valid: the validator gives it up, as it does with types nested too deeply")]
    Validator,
    /// It ends before it should.
    #[error("the component ends in the middle, after {size_bytes} bytes; it was cut off")]
    Truncated {
        /// How much there is.
        size_bytes: u64,
        /// What the validator said.
        source: wasmparser::Error,
    },
    /// More of something than is looked at.
    #[error("the component has more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// An import that is not an interface of a package.
    #[error(
        "the component imports \"{name}\", which is not an interface of a package; \
         put it into an interface of the world's package"
    )]
    PlainImport {
        /// The import's name, cut to a length that can be shown.
        name: String,
    },
    /// Nothing that can be run is exported.
    #[error(
        "the component exports neither wasi:cli/run nor wasi:http/incoming-handler or wasi:http/handler \
         of a known version; its exports: {}", list(.exports)
    )]
    NoKnownExport {
        /// Everything that it exports.
        exports: Vec<String>,
    },
    /// Type Command or Server was asked for, but the component isn't one.
    #[error(
        "the component can't run as {kind}: it exports no {}; its exports: {}",
        .kind.exports(), list(.exports)
    )]
    NotThisKind {
        /// The type asked for.
        kind: Kind,
        /// Everything that it exports.
        exports: Vec<String>,
    },
    /// It can be run in two ways.
    #[error("the component can run as Command and as Server ({}); set type to one of them", list(.exports))]
    Ambiguous {
        /// The exports that make it so.
        exports: Vec<InterfaceId>,
    },
    /// What could be run is of a version before its release.
    #[error(
        "the component exports {interface}, a version before its release; build it against the released one"
    )]
    PreRelease {
        /// The export.
        interface: InterfaceId,
    },
}

/// Why a core module can't be adapted as a command of WASI preview 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Preview1Error {
    /// A library of functions that somebody else calls.
    #[error("it is a reactor (it exports _initialize and no _start); only commands are adapted")]
    Reactor,
    /// Nothing to call.
    #[error("it exports no _start; only commands are adapted")]
    NoStart,
    /// `_start` is something else.
    #[error("its _start is not a function without parameters and results")]
    StartType,
    /// Nothing that the adapter could read and write.
    #[error("it exports no memory named \"memory\"")]
    NoMemory,
    /// An import of somebody else, or one that preview 1 hasn't.
    #[error("it imports {name}, which is no function of wasi_snapshot_preview1")]
    Import {
        /// Module and name, cut to a length that can be shown.
        name: String,
    },
    /// It was made to become a component with interfaces of its own.
    #[error(
        "it is half of a component (it has a section {section:?}); make it whole with \
         `wasm-tools component new --adapt`"
    )]
    Half {
        /// The section.
        section: String,
    },
    /// The adapter doesn't take it.
    #[error("the adapter does not take it: {words}")]
    Encoding {
        /// What was said.
        words: String,
    },
}

fn list<T: ToString>(items: &[T]) -> String {
    /// Names shown in a message: it must fit a condition's message together with others.
    const SHOWN_MAX: usize = 12;
    if items.is_empty() {
        return "none".to_owned();
    }
    let mut text = items.iter().take(SHOWN_MAX).map(T::to_string).collect::<Vec<_>>().join(", ");
    if let Some(more) = items.len().checked_sub(SHOWN_MAX).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
