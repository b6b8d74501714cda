//! Bounds on the work that reading hostile bytes may cause. What is counted is what stands in the bytes:
//! types form a graph that can unfold to an exponential tree, so nothing here ever unfolds it.

use crate::Error;
use wasmparser::Payload;

/// Most definitions (types, imports, functions, exports, aliases, instances …) in all sections of a
/// component and what is nested in it. Each costs the validator some 100 bytes of memory, so this
/// bounds it to about 100 MB; an interpreter of 18 MB compiled to WebAssembly has about 60,000.
pub const DEFINITIONS_MAX: u64 = 1_000_000;

/// Deepest nesting of components in components. Compositions made by tools have two or three levels.
pub const NESTING_LEVELS_MAX: u64 = 32;

/// Most type declarations inside other type declarations, in one section of types. The reader of types
/// recurses without a bound of its own, and one level costs three bytes of input and about a kilobyte
/// of stack; this keeps it within half the stack of the smallest thread.
pub const NESTED_DECLARATIONS_MAX: u64 = 1_000;

/// What has been counted so far in one component.
#[derive(Default)]
pub(crate) struct Budget {
    definitions: u64,
    levels: u64,
}

impl Budget {
    /// How deep the last payload was; the outermost component is level 0.
    pub(crate) fn level(&self) -> u64 {
        self.levels
    }

    /// Counts one payload, before anything else looks into it.
    pub(crate) fn count(&mut self, payload: &Payload<'_>, bytes: &[u8]) -> Result<(), Error> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.levels += 1;
                within("levels of nested components", self.levels, NESTING_LEVELS_MAX)?;
            }
            Payload::End(_) => self.levels = self.levels.saturating_sub(1),
            Payload::ComponentTypeSection(section) => {
                let range = section.range();
                let nested = nested_declarations(bytes.get(range).unwrap_or_default());
                within("nested type declarations", nested, NESTED_DECLARATIONS_MAX)?;
            }
            _ => {}
        }
        self.definitions += definitions(payload);
        within("definitions", self.definitions, DEFINITIONS_MAX)
    }
}

fn within(what: &'static str, count: u64, max: u64) -> Result<(), Error> {
    if count > max { Err(Error::TooMany { what, max }) } else { Ok(()) }
}

/// How many definitions a payload's section says it has. Type sections count their bytes' quarter as
/// well: declarations inside instance types are not in the section's own count.
fn definitions(payload: &Payload<'_>) -> u64 {
    u64::from(match payload {
        Payload::TypeSection(section) => section.count(),
        Payload::ImportSection(section) => section.count(),
        Payload::FunctionSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::MemorySection(section) => section.count(),
        Payload::TagSection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::InstanceSection(section) => section.count(),
        Payload::ComponentInstanceSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        Payload::ComponentImportSection(section) => section.count(),
        Payload::ComponentExportSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count().max(quarter(section.range())),
        Payload::ComponentTypeSection(section) => section.count().max(quarter(section.range())),
        Payload::ModuleSection { .. } | Payload::ComponentSection { .. } | Payload::CustomSection(_) => 1,
        _ => 0,
    })
}

fn quarter(range: std::ops::Range<usize>) -> u32 {
    u32::try_from(range.len() / 4).unwrap_or(u32::MAX)
}

/// At least as many as there are declarations of component (0x41) or instance (0x42) types behind the
/// byte that starts a declaration (0x01). Chance pairs count too, which the limit leaves room for.
fn nested_declarations(section: &[u8]) -> u64 {
    section.windows(2).filter(|pair| pair[0] == 0x01 && matches!(pair[1], 0x41 | 0x42)).count() as u64
}

#[cfg(test)]
mod tests;
