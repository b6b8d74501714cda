//! What the items of an interface are, as texts that are equal where the types are: what one part imports and
//! another exports can be held against each other without their bytes. Types are compared as the composer
//! compares them: by structure, parameters and fields by name and order, resources by name. What isn't told
//! here fits, so that nothing is refused that could be composed; the composer judges again, by the bytes.

mod read;
mod text;

pub(crate) use read::{Names, read};
pub use text::TYPE_TEXT_BYTES_MAX;

use crate::{InterfaceId, World};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most that a world tells of its interfaces' items, in bytes. Components have two to six kilobytes; one that
/// uses nearly all of WASI has more, and tells less of WASI. The operator keeps a thousand worlds.
pub const SHAPES_BYTES_MAX: usize = 16 << 10;

/// What stands between the items of a shape, and between an item's name and its type.
const BETWEEN_ITEMS: char = ';';
const BEFORE_TYPE: &str = ": ";

/// The type of an item that can't be told. It fits every other.
const UNTOLD: &str = "?";

/// The items of an interface: `now: func() -> u64;zone: type string`, in the order of the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shape(Box<str>);

/// Why a text is no shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this tells no items of an interface; write name{BEFORE_TYPE}type{BETWEEN_ITEMS}name{BEFORE_TYPE}type"
)]
pub struct ShapeError;

/// The shapes of a world's interfaces, in the order in which the world has them; none of one that isn't told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shapes {
    /// Of what it imports.
    pub imports: Vec<Option<Shape>>,
    /// Of what it exports.
    pub exports: Vec<Option<Shape>>,
}

/// An item that an import has, and an export hasn't or has of another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) item: String,
    pub(crate) wanted: String,
    pub(crate) offered: Option<String>,
}

impl Shape {
    /// Each item with its type.
    pub fn items(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(BETWEEN_ITEMS).filter_map(|item| item.split_once(BEFORE_TYPE))
    }

    /// How much it takes, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.0.len()
    }

    /// The first item by which an export of this shape can't answer an import of that one. It may have more.
    fn difference(&self, wanted: &Self) -> Option<Difference> {
        let offered: BTreeMap<&str, &str> = self.items().collect();
        wanted.items().find_map(|(item, wanted)| {
            let offered = offered.get(item).copied();
            let fits = offered.is_some_and(|it| it == wanted || it == UNTOLD || wanted == UNTOLD);
            let owned = str::to_owned;
            (!fits).then(|| Difference {
                item: crate::inspect::shown(item),
                wanted: owned(wanted),
                offered: offered.map(owned),
            })
        })
    }
}

impl TryFrom<String> for Shape {
    type Error = ShapeError;

    /// They go into messages: there is nothing in them but what types are spelled with, which is ASCII, and
    /// the mark of those that are cut.
    fn try_from(text: String) -> Result<Self, ShapeError> {
        let is_item = |item: &str| item.split_once(BEFORE_TYPE).is_some_and(|(name, _)| text::is_name(name));
        let is_text = text.chars().all(|char| char == text::CUT || char == ' ' || char.is_ascii_graphic());
        let is_shape = is_text && (text.is_empty() || text.split(BETWEEN_ITEMS).all(is_item));
        if is_shape { Ok(Self(text.into())) } else { Err(ShapeError) }
    }
}

impl std::str::FromStr for Shape {
    type Err = ShapeError;
    fn from_str(text: &str) -> Result<Self, ShapeError> {
        text.to_owned().try_into()
    }
}

impl From<Shape> for String {
    fn from(shape: Shape) -> Self {
        shape.0.into()
    }
}

impl Shapes {
    /// Whether there are none.
    #[must_use]
    pub fn are_untold(&self) -> bool {
        self.imports.iter().chain(&self.exports).all(Option::is_none)
    }
}

impl World {
    /// Shapes of this world that take no more than this together, each with so much around it: those of
    /// WASI's interfaces go first, which plugs hardly ever answer.
    #[must_use]
    pub fn shapes_within(&self, bytes_max: usize, around_each_bytes: usize) -> Shapes {
        let mut left_bytes = bytes_max;
        let (imports, exports) = (&self.shapes.imports, &self.shapes.exports);
        let mut kept = Shapes { imports: vec![None; imports.len()], exports: vec![None; exports.len()] };
        for of_wasi in [false, true] {
            let sides =
                [(&self.exports, exports, &mut kept.exports), (&self.imports, imports, &mut kept.imports)];
            for (ids, shapes, kept) in sides {
                for ((id, shape), kept) in ids.iter().zip(shapes).zip(kept) {
                    let Some(shape) = shape.as_ref().filter(|_| is_of_wasi(id) == of_wasi) else { continue };
                    let left = left_bytes.checked_sub(shape.size_bytes() + around_each_bytes);
                    if let Some(left) = left {
                        (left_bytes, *kept) = (left, Some(shape.clone()));
                    }
                }
            }
        }
        kept
    }

    /// Why another's export can't answer an import of this world, by their types. Nothing is said of what
    /// isn't told.
    pub(crate) fn difference(
        &self,
        import: &InterfaceId,
        other: &Self,
        export: &InterfaceId,
    ) -> Option<Difference> {
        let wanted = told(&self.imports, &self.shapes.imports, import)?;
        told(&other.exports, &other.shapes.exports, export)?.difference(wanted)
    }
}

fn is_of_wasi(id: &InterfaceId) -> bool {
    id.namespace == "wasi"
}

fn told<'a>(ids: &[InterfaceId], shapes: &'a [Option<Shape>], id: &InterfaceId) -> Option<&'a Shape> {
    let index = ids.iter().position(|other| other == id)?;
    shapes.get(index)?.as_ref()
}

#[cfg(test)]
mod tests;
