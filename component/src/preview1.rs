//! Commands of WASI preview 1: core modules that become components by Bytecode Alliance's adapter, which says
//! their calls in WASI 0.2. What such a component imports follows from what its module imports alone.

use crate::Error;
use crate::error::Preview1Error as Problem;
use crate::inspect::{Bodies, IMPORTS_MAX, is_module, shown, validate};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as ADAPTER,
};
use wasm_encoder as encoder;
use wasmparser::types::{EntityType, Types, TypesRef};
use wasmparser::{CompositeInnerType, FuncType, Payload, ValType};
use wit_component::ComponentEncoder;

/// The adapter's bytes: whoever keeps what was made of a component must make it again when they change.
#[must_use]
pub fn preview1_adapter() -> &'static [u8] {
    ADAPTER
}

/// The component that `bytes` are, or become: a component is itself (and isn't looked at), a command of WASI
/// preview 1 is adapted. The same bytes give the same component, always.
///
/// # Errors
/// What is wrong with a core module that can't be adapted, or with bytes that are neither.
pub fn adapt(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    if !is_module(bytes)? {
        return Ok(Cow::Borrowed(bytes));
    }
    check(bytes)?;
    Ok(Cow::Owned(encode(bytes)?))
}

/// A component of the same world as the one that this core module becomes, and next to nothing in it: who
/// asks for the world alone neither copies a large module nor shows it to more code than must be.
pub(crate) fn stand_in(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let imports = check(bytes)?;
    encode(&module(&imports))
}

/// A function that a module imports, by name and type.
type Import = (String, FuncType);

fn encode(module: &[u8]) -> Result<Vec<u8>, Error> {
    let encode = || {
        let mut encoder = ComponentEncoder::default();
        encoder.validate(false).module(module)?.adapter(PREVIEW1, ADAPTER)?.encode()
    };
    encode().map_err(|error| Problem::Encoding { words: format!("{error:#}") }.into())
}

/// What a module imports of preview 1, once it is known to be a command.
fn check(bytes: &[u8]) -> Result<Vec<Import>, Error> {
    let mut section = None;
    let types = validate(bytes, Bodies::Validated, |payload| {
        if let Payload::CustomSection(custom) = payload
            && custom.name().starts_with("component-type")
        {
            section = Some(custom.name().to_owned());
        }
        Ok(())
    })?;
    let types = types.as_ref().map(Types::as_ref).ok_or(Error::CoreModule)?;
    let imports: Vec<_> = types.core_imports().into_iter().flatten().collect();
    let exported = |wanted: &str| {
        types.core_exports().into_iter().flatten().find(|(name, _)| *name == wanted).map(|(_, type_)| type_)
    };
    if exported("_start").is_none() && !imports.iter().any(|(module, ..)| *module == PREVIEW1) {
        return Err(Error::CoreModule);
    }
    if let Some(section) = section {
        return Err(Problem::Half { section }.into());
    }
    check_exports(&types, exported)?;
    if imports.len() > IMPORTS_MAX {
        return Err(Error::TooMany { what: "imports", max: IMPORTS_MAX as u64 });
    }
    imports.into_iter().map(|import| Ok(known(&types, import)?)).collect()
}

fn check_exports<'a>(
    types: &TypesRef<'a>,
    exported: impl Fn(&str) -> Option<EntityType>,
) -> Result<(), Problem> {
    match exported("_start") {
        Some(start)
            if function(types, start).is_some_and(|f| f.params().is_empty() && f.results().is_empty()) => {}
        Some(_) => return Err(Problem::StartType),
        None if exported("_initialize").is_some() => return Err(Problem::Reactor),
        None => return Err(Problem::NoStart),
    }
    match exported("memory") {
        Some(EntityType::Memory(_)) => Ok(()),
        _ => Err(Problem::NoMemory),
    }
}

/// An import that the adapter answers: by name and type.
fn known(types: &TypesRef<'_>, (module, name, type_): (&str, &str, EntityType)) -> Result<Import, Problem> {
    let wanted = function(types, type_).filter(|_| module == PREVIEW1);
    match FUNCTIONS.get(name) {
        Some(answered) if wanted == Some(answered) => Ok((name.to_owned(), answered.clone())),
        _ => Err(Problem::Import { name: shown(&format!("{module}.{name}")) }),
    }
}

/// What the adapter exports.
static FUNCTIONS: LazyLock<BTreeMap<String, FuncType>> = LazyLock::new(|| {
    let Ok(Some(types)) = validate(ADAPTER, Bodies::Validated, |_| Ok(())) else { return BTreeMap::new() };
    let types = types.as_ref();
    let exports = types.core_exports().into_iter().flatten();
    let functions =
        exports.filter_map(|(name, type_)| Some((name.to_owned(), function(&types, type_)?.clone())));
    functions.collect()
});

fn function<'a>(types: &TypesRef<'a>, type_: EntityType) -> Option<&'a FuncType> {
    let EntityType::Func(id) = type_ else { return None };
    match &types.get(id)?.composite_type.inner {
        CompositeInnerType::Func(function) => Some(function),
        _ => None,
    }
}

/// The smallest command with these imports.
fn module(imports: &[Import]) -> Vec<u8> {
    let mut types = encoder::TypeSection::new();
    let mut section = encoder::ImportSection::new();
    for (number, (name, function)) in (0..).zip(imports) {
        types.ty().function(numbers(function.params()), numbers(function.results()));
        section.import(PREVIEW1, name, encoder::EntityType::Function(number));
    }
    let start_type = types.len();
    types.ty().function([], []);
    let mut functions = encoder::FunctionSection::new();
    functions.function(start_type);
    let mut memories = encoder::MemorySection::new();
    let one_page = encoder::MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    };
    memories.memory(one_page);
    let mut exports = encoder::ExportSection::new();
    exports.export("_start", encoder::ExportKind::Func, section.len());
    exports.export("memory", encoder::ExportKind::Memory, 0);
    let mut code = encoder::CodeSection::new();
    let mut body = encoder::Function::new([]);
    body.instructions().end();
    code.function(&body);
    let mut module = encoder::Module::new();
    module.section(&types).section(&section).section(&functions).section(&memories);
    module.section(&exports).section(&code);
    module.finish()
}

/// The adapter's functions pass nothing but these two.
fn numbers(types: &[ValType]) -> Vec<encoder::ValType> {
    let number = |type_: &ValType| match type_ {
        ValType::I64 => encoder::ValType::I64,
        _ => encoder::ValType::I32,
    };
    types.iter().map(number).collect()
}

#[cfg(test)]
mod tests;
