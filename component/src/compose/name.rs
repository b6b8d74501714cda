//! Gives the core modules of a part names that begin with the part's: in a composition, what a trap passed
//! through is told by them. Nothing else of the bytes changes.

use crate::Error;
use crate::inspect::invalid;
use std::ops::Range;
use wasm_encoder::{NameSection, RawSection, Section as _};
use wasmparser::{BinaryReader, Chunk, Parser, Payload};

/// Longest name that a module keeps behind its part's, in bytes: it only helps people.
const NAME_BYTES_MAX: usize = 128;

/// How the name of each module of a composition begins. A component by itself may have modules called so as
/// well: whoever asks must know what he runs.
const BEGINNING: &str = "part ";

/// What stands between a part's name and its module's own.
const BETWEEN: &str = ": ";

/// The part that a module of a composition is of, by the module's name.
#[must_use]
pub fn part_of_module(name: &str) -> Option<&str> {
    name.strip_prefix(BEGINNING)?.split_once(BETWEEN).map(|(part, _)| part)
}

/// The component with its modules, and those of components in it, named.
pub(super) fn named(component: &[u8], part: &str) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(component.len() + component.len() / 64);
    out.extend_from_slice(component.get(..HEADER_BYTES).unwrap_or_default());
    let (mut parser, mut at) = (Parser::new(0), 0);
    parser.set_features(crate::FEATURES);
    let inner = |range: &Range<usize>| component.get(range.clone()).unwrap_or_default();
    loop {
        let rest = component.get(at..).unwrap_or_default();
        let parsed = parser.parse(rest, true).map_err(|error| invalid(component, error))?;
        // All of it is there, so that no more data is asked for.
        let Chunk::Parsed { payload, consumed } = parsed else { return Ok(out) };
        at += consumed;
        match &payload {
            // What is in them is read once, there.
            Payload::ModuleSection { unchecked_range: range, .. } => {
                RawSection { id: MODULE_ID, data: &module(inner(range), part)? }.append_to(&mut out);
                at = range.end;
            }
            Payload::ComponentSection { unchecked_range: range, .. } => {
                RawSection { id: COMPONENT_ID, data: &named(inner(range), part)? }.append_to(&mut out);
                at = range.end;
            }
            Payload::End(_) => return Ok(out),
            other => {
                if let Some((id, range)) = other.as_section() {
                    RawSection { id, data: inner(&range) }.append_to(&mut out);
                }
            }
        }
    }
}

/// Magic number, version and layer.
const HEADER_BYTES: usize = 8;

/// Ids of sections in a component (component-model, Binary.md).
const MODULE_ID: u8 = 1;
const COMPONENT_ID: u8 = 4;

/// Name of the custom section with names (WebAssembly core, appendix A.4), and the id of its subsection with
/// the module's own.
const NAME_SECTION: &str = "name";
const MODULE_NAME_ID: u8 = 0;

fn subsection<'a>(reader: &mut BinaryReader<'a>) -> Result<(u8, &'a [u8]), wasmparser::Error> {
    let (id, size) = (reader.read_u8()?, reader.read_var_u32()?);
    Ok((id, reader.read_bytes(usize::try_from(size).unwrap_or(usize::MAX))?))
}

fn name(data: &[u8]) -> Result<String, wasmparser::Error> {
    BinaryReader::new(data, 0).read_string().map(ToOwned::to_owned)
}

/// A module under a name; names of its functions and the rest stay.
fn module(module: &[u8], part: &str) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(module.len() + 64);
    out.extend_from_slice(module.get(..HEADER_BYTES).unwrap_or_default());
    let (mut own, mut others) = (String::new(), Vec::new());
    let mut parser = Parser::new(0);
    parser.set_features(crate::FEATURES);
    for payload in parser.parse_all(module) {
        let payload = payload.map_err(|error| invalid(module, error))?;
        if let Payload::CustomSection(section) = &payload
            && section.name() == NAME_SECTION
        {
            // One that can't be read to its end is cut there: nothing but messages rests on it.
            let mut reader = BinaryReader::new(section.data(), 0);
            while let Ok((id, data)) = subsection(&mut reader) {
                match id {
                    MODULE_NAME_ID => own = name(data).unwrap_or_default(),
                    _ => others.push((id, data)),
                }
            }
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            let data = module.get(range).unwrap_or_default();
            RawSection { id, data }.append_to(&mut out);
        }
    }
    let mut cut = own.len().min(NAME_BYTES_MAX);
    while !own.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut names = NameSection::new();
    names.module(&format!("{BEGINNING}{part}{BETWEEN}{}", &own[..cut]));
    for (id, data) in others {
        names.raw(id, data);
    }
    names.append_to(&mut out);
    Ok(out)
}
