//! Gives the core modules of a part names that begin with the part's: in a composition, what a trap passed
//! through is told by them. Nothing else of the bytes changes.

use crate::Error;
use crate::inspect::invalid;
use wasm_encoder::{NameSection, RawSection, Section as _};
use wasmparser::{BinaryReader, Parser, Payload};

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
    let mut parser = Parser::new(0);
    parser.set_features(crate::FEATURES);
    let mut depth = 0_usize;
    for payload in parser.parse_all(component) {
        let payload = payload.map_err(|error| invalid(component, error))?;
        match &payload {
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => {
                if depth == 0 {
                    let inner = component.get(unchecked_range.clone()).unwrap_or_default();
                    let (id, bytes) = match payload {
                        Payload::ModuleSection { .. } => (MODULE_ID, module(inner, part)?),
                        _ => (COMPONENT_ID, named(inner, part)?),
                    };
                    RawSection { id, data: &bytes }.append_to(&mut out);
                }
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ => {
                if let Some((id, range)) = payload.as_section() {
                    let data = component.get(range).unwrap_or_default();
                    RawSection { id, data }.append_to(&mut out);
                }
            }
        }
    }
    Ok(out)
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
