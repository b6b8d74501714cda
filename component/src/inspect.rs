//! Reads a component's bytes: validates them and collects what the outermost component imports and exports.

use crate::budget::Budget;
use crate::shape::{self, Names};
use crate::{Error, World, preview1};
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmparser::types::Types;
use wasmparser::{
    Chunk, ComponentExport, ComponentImport, ComponentTypeRef, Encoding, FuncValidatorAllocations, Parser,
    Payload, ValidPayload, Validator, WasmFeatures,
};

/// Largest component accepted, in bytes. The compiler needs about twelve times this in memory, and the
/// compile child may use 1 GiB; interpreters of scripting languages come as 10 to 40 MB.
pub const COMPONENT_SIZE_BYTES_MAX: u64 = 80 << 20;

/// Most imports of a component. The whole of WASI 0.2 and 0.3 has fewer than 80, and each becomes a
/// line in status.
pub const IMPORTS_MAX: usize = 256;

/// Most exports of a component, of interfaces and bare names together.
pub const EXPORTS_MAX: usize = 256;

/// What a component may use: what the engines of `host/` turn on and nothing more. Off are garbage
/// collection, threads, exceptions, 64-bit memories, stack switching and everything not yet stable:
/// little-used code in an engine is where its holes are.
pub const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::COMPONENT_MODEL)
    .union(WasmFeatures::CM_ASYNC);

/// Longest name shown in an error, in characters.
const NAME_SHOWN_CHARS_MAX: usize = 100;

/// Reads what `bytes` import and export: a component, or a command of WASI preview 1 by the component that it
/// becomes ([`crate::adapt`]). The whole of them is validated, functions too; how it can be run is asked from
/// the [`World`], so that a component made to be plugged into another passes.
///
/// # Errors
/// The first thing that is wrong with the bytes; the work done is bounded whatever they are.
pub fn inspect(bytes: &[u8]) -> Result<World, Error> {
    match is_module(bytes)? {
        true => component(&preview1::stand_in(bytes)?),
        false => component(bytes),
    }
}

/// The same of a component, all but the bodies of its functions and the shapes of its interfaces.
pub(crate) fn outline(bytes: &[u8]) -> Result<World, Error> {
    Ok(read(bytes, Bodies::Left)?.0)
}

fn component(bytes: &[u8]) -> Result<World, Error> {
    let (mut world, names, types) = read(bytes, Bodies::Validated)?;
    world.shapes = types.map(|types| shape::read(&types, &names, &world)).unwrap_or_default();
    world.shapes = world.shapes_within(shape::SHAPES_BYTES_MAX, 0);
    Ok(world)
}

/// The world without shapes, and what these are read from.
pub(crate) fn read(bytes: &[u8], bodies: Bodies) -> Result<(World, Names, Option<Types>), Error> {
    let (mut world, mut names) = (World::default(), Names::default());
    let types = validate(bytes, bodies, |payload| collect(payload, &mut world, &mut names))?;
    world.imports.sort();
    world.exports.sort();
    world.plain_exports.sort();
    Ok((world, names, types))
}

/// What becomes of the bodies of functions, which are most of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// They are validated.
    Validated,
    /// They are left to who compiles them.
    Left,
}

/// Validates `bytes`, shows what is outermost, and answers the outermost types.
pub(crate) fn validate(
    bytes: &[u8],
    bodies: Bodies,
    each: impl FnMut(&Payload<'_>) -> Result<(), CollectError>,
) -> Result<Option<Types>, Error> {
    // The validator has assertions of its own: what trips one isn't valid, and not to take the process along.
    let validated = catch_unwind(AssertUnwindSafe(|| walk(bytes, bodies, each)));
    validated.unwrap_or(Err(Error::Validator))
}

fn walk(
    bytes: &[u8],
    bodies: Bodies,
    mut each: impl FnMut(&Payload<'_>) -> Result<(), CollectError>,
) -> Result<Option<Types>, Error> {
    let mut validator = Validator::new_with_features(FEATURES);
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    let mut budget = Budget::default();
    let mut allocations = FuncValidatorAllocations::default();
    let mut outermost_types = None;
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(|error| invalid(bytes, error))?;
        let outermost = budget.level() == 0;
        budget.count(&payload, bytes)?;
        match validator.payload(&payload).map_err(|error| invalid(bytes, error))? {
            ValidPayload::Func(function, body) if bodies == Bodies::Validated => {
                let mut function = function.into_validator(allocations);
                function.validate(&body).map_err(|error| invalid(bytes, error))?;
                allocations = function.into_allocations();
            }
            ValidPayload::End(types) if outermost => outermost_types = Some(types),
            _ => {}
        }
        if outermost {
            each(&payload).map_err(|error| error.unwrap_or_invalid(bytes))?;
        }
    }
    Ok(outermost_types)
}

/// An error of who looks at a payload: ours, or the reader's.
pub(crate) enum CollectError {
    Ours(Error),
    Reader(wasmparser::Error),
}

impl CollectError {
    fn unwrap_or_invalid(self, bytes: &[u8]) -> Error {
        match self {
            Self::Ours(error) => error,
            Self::Reader(error) => invalid(bytes, error),
        }
    }
}

impl From<wasmparser::Error> for CollectError {
    fn from(error: wasmparser::Error) -> Self {
        Self::Reader(error)
    }
}

impl From<Error> for CollectError {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

fn collect(payload: &Payload<'_>, world: &mut World, names: &mut Names) -> Result<(), CollectError> {
    match payload {
        Payload::ComponentImportSection(section) => {
            for import in section.clone() {
                let import = import?;
                collect_import(&import, world)?;
                names.imports.push(import.name.name.to_owned());
            }
        }
        Payload::ComponentExportSection(section) => {
            for export in section.clone() {
                let export = export?;
                collect_export(&export, world)?;
                names.exports.push(export.name.name.to_owned());
            }
        }
        _ => {}
    }
    Ok(())
}

fn collect_import(import: &ComponentImport<'_>, world: &mut World) -> Result<(), Error> {
    if world.imports.len() == IMPORTS_MAX {
        return Err(Error::TooMany { what: "imports", max: IMPORTS_MAX as u64 });
    }
    let plain = || Error::PlainImport { name: shown(import.name.name) };
    if import.name.implements.is_some() || !matches!(import.ty, ComponentTypeRef::Instance(_)) {
        return Err(plain());
    }
    world.imports.push(import.name.name.parse().map_err(|_| plain())?);
    Ok(())
}

fn collect_export(export: &ComponentExport<'_>, world: &mut World) -> Result<(), Error> {
    if world.exports.len() + world.plain_exports.len() == EXPORTS_MAX {
        return Err(Error::TooMany { what: "exports", max: EXPORTS_MAX as u64 });
    }
    let is_instance = export.kind == wasmparser::ComponentExternalKind::Instance;
    match export.name.name.parse() {
        Ok(id) if is_instance && export.name.implements.is_none() => world.exports.push(id),
        _ => world.plain_exports.push(shown(export.name.name)),
    }
    Ok(())
}

pub(crate) fn shown(name: &str) -> String {
    name.chars().take(NAME_SHOWN_CHARS_MAX).collect()
}

/// Whether it is a core module (what kind of one is asked by [`inspect`]), by the first bytes; what is no
/// WebAssembly is told in words that help more than the validator's.
///
/// # Errors
/// [`Error::NotWasm`] and [`Error::TooLarge`].
pub fn is_module(bytes: &[u8]) -> Result<bool, Error> {
    let size_bytes = bytes.len() as u64;
    if size_bytes > COMPONENT_SIZE_BYTES_MAX {
        return Err(Error::TooLarge { size_bytes, max_bytes: COMPONENT_SIZE_BYTES_MAX });
    }
    if bytes.starts_with(b"\0asm") {
        let head = Parser::new(0).parse(bytes, true);
        let is_module = |payload: &_| matches!(payload, Payload::Version { encoding: Encoding::Module, .. });
        return Ok(matches!(head, Ok(Chunk::Parsed { payload, .. }) if is_module(&payload)));
    }
    let found = match bytes {
        [] => "it is empty",
        [0x1f, 0x8b, ..] => "it is compressed with gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed with zstd",
        [0x7f, b'E', b'L', b'F', ..] => "it is a native program",
        [b'(', ..] => "it looks like the text format",
        [b'#', b'!', ..] => "it is a script",
        _ => "it does not start with \\0asm",
    };
    Err(Error::NotWasm { found })
}

pub(crate) fn invalid(bytes: &[u8], source: wasmparser::Error) -> Error {
    let offset = source.offset();
    if offset >= bytes.len() || source.message().starts_with("unexpected end") {
        return Error::Truncated { size_bytes: bytes.len() as u64, source };
    }
    Error::Invalid { offset, source }
}

#[cfg(test)]
mod tests;
