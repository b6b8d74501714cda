//! Reads shapes out of the types of a component that was validated. The validator bounds how deep types are
//! nested (127 levels) and so the recursion here, but not how large they unfold: each type's text is made
//! once, out of texts that are cut.

use super::text::{Text, is_name};
use super::{BEFORE_TYPE, BETWEEN_ITEMS, SHAPES_BYTES_MAX, Shape, Shapes, UNTOLD};
use crate::World;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use wasmparser::component_types::{
    AliasableResourceId, ComponentAnyTypeId as Any, ComponentDefinedType as Defined, ComponentDefinedTypeId,
    ComponentEntityType as Entity, ComponentFuncTypeId, ComponentInstanceTypeId, ComponentItem,
    ComponentTypeId, ComponentValType, ResourceId,
};
use wasmparser::types::{Types, TypesRef};

/// Most types that are told, in all interfaces of a component. The whole of WASI has about 600; this bounds
/// what their texts take while they are made to some megabytes.
const TYPES_TOLD_MAX: usize = 20_000;

/// The names of what a component imports and exports, in the order of the bytes.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

/// The shapes of a world's interfaces: of each that takes no more than [`SHAPES_BYTES_MAX`].
pub(crate) fn read(types: &Types, names: &Names, world: &World) -> Shapes {
    let types = types.as_ref();
    let import = |name: &str| types.component_item_for_import(name);
    let export = |name: &str| types.component_item_for_export(name);
    let mut reader = Reader::new(types);
    for (name, item) in names.imports.iter().map(|name| (name, import(name))) {
        reader.name(name, item);
    }
    for (name, item) in names.exports.iter().map(|name| (name, export(name))) {
        reader.name(name, item);
    }
    let imports = world.imports.iter().map(|id| reader.shape(import(&id.to_string())?)).collect();
    let exports = world.exports.iter().map(|id| reader.shape(export(&id.to_string())?)).collect();
    Shapes { imports, exports }
}

/// The text of a type; none of one that can't be told.
type Told = Option<Rc<str>>;

struct Reader<'a> {
    types: TypesRef<'a>,
    /// The first name that each resource has, as the composer calls it.
    resources: HashMap<ResourceId, &'a str>,
    instances: HashSet<ComponentInstanceTypeId>,
    components: HashSet<ComponentTypeId>,
    /// The texts of values' types and of functions'.
    told: HashMap<Any, Told>,
}

impl<'a> Reader<'a> {
    fn new(types: TypesRef<'a>) -> Self {
        Self {
            types,
            resources: HashMap::new(),
            instances: HashSet::new(),
            components: HashSet::new(),
            told: HashMap::new(),
        }
    }

    /// Gives the resources of an item their names.
    fn name(&mut self, name: &'a str, item: Option<&'a ComponentItem>) {
        let Some(item) = item else { return };
        match item.ty {
            Entity::Type { created: Any::Resource(id), .. } => {
                self.resources.entry(id.resource()).or_insert(name);
            }
            Entity::Instance(id) | Entity::Type { created: Any::Instance(id), .. }
                if self.instances.insert(id) =>
            {
                let items = self.types.get(id).into_iter().flat_map(|instance| &instance.exports);
                items.for_each(|(name, item)| self.name(name, Some(item)));
            }
            Entity::Component(id) | Entity::Type { created: Any::Component(id), .. }
                if self.components.insert(id) =>
            {
                let component = self.types.get(id).into_iter();
                let items =
                    component.flat_map(|component| component.imports.iter().chain(&component.exports));
                items.for_each(|(name, item)| self.name(name, Some(item)));
            }
            _ => {}
        }
    }

    /// The items of an interface.
    fn shape(&mut self, item: &ComponentItem) -> Option<Shape> {
        let Entity::Instance(id) = item.ty else { return None };
        let mut shape = String::new();
        for (name, item) in self.types.get(id)?.exports.iter().filter(|(name, _)| is_name(name)) {
            if !shape.is_empty() {
                shape.push(BETWEEN_ITEMS);
            }
            shape.push_str(name);
            shape.push_str(BEFORE_TYPE);
            shape.push_str(self.item(item).as_deref().unwrap_or(UNTOLD));
            if shape.len() > SHAPES_BYTES_MAX {
                return None;
            }
        }
        // None that couldn't be read again.
        shape.try_into().ok()
    }

    fn item(&mut self, item: &ComponentItem) -> Told {
        Some(match item.ty {
            Entity::Func(id) => self.function(id)?,
            Entity::Type { created: Any::Resource(id), .. } => {
                let mut text = Text::new("resource ");
                text.push(self.resource(id)?);
                text.finish().into()
            }
            Entity::Type { created: Any::Defined(id), .. } => {
                format!("type {}", self.value(ComponentValType::Type(id))?).into()
            }
            Entity::Type { created: Any::Func(id), .. } => format!("type {}", self.function(id)?).into(),
            // What is in these is left to the composer.
            Entity::Type { created: Any::Instance(_), .. } => "type instance".into(),
            Entity::Type { created: Any::Component(_), .. } => "type component".into(),
            Entity::Instance(_) => "instance".into(),
            Entity::Component(_) => "component".into(),
            Entity::Module(_) => "module".into(),
            Entity::Value(_) => "value".into(),
        })
    }

    fn resource(&self, id: AliasableResourceId) -> Option<&'a str> {
        self.resources.get(&id.resource()).copied()
    }

    /// The text of a type, which is made once.
    fn once(&mut self, id: Any, make: impl FnOnce(&mut Self) -> Told) -> Told {
        if let Some(told) = self.told.get(&id) {
            return told.clone();
        }
        if self.told.len() >= TYPES_TOLD_MAX {
            return None;
        }
        let told = make(self);
        self.told.insert(id, told.clone());
        told
    }

    fn function(&mut self, id: ComponentFuncTypeId) -> Told {
        self.once(Any::Func(id), |reader| reader.new_function(id))
    }

    fn new_function(&mut self, id: ComponentFuncTypeId) -> Told {
        let function = self.types.get(id)?;
        let mut text = Text::new(if function.async_ { "async func(" } else { "func(" });
        for (index, (name, value)) in function.params.iter().enumerate() {
            text.push(if index == 0 { "" } else { ", " });
            text.push(name.as_str());
            text.push(": ");
            text.push(&self.value(*value)?);
        }
        text.push(")");
        if let Some(result) = function.result {
            text.push(" -> ");
            text.push(&self.value(result)?);
        }
        Some(text.finish().into())
    }

    fn value(&mut self, value: ComponentValType) -> Told {
        match value {
            ComponentValType::Primitive(primitive) => Some(primitive.to_string().into()),
            ComponentValType::Type(id) => self.once(Any::Defined(id), |reader| reader.new_value(id)),
        }
    }

    fn new_value(&mut self, id: ComponentDefinedTypeId) -> Told {
        match self.types.get(id)? {
            Defined::Primitive(primitive) => Some(primitive.to_string().into()),
            Defined::Record(record) => {
                let fields = record.fields.iter().map(|(name, value)| (name.as_str(), Some(*value)));
                self.braced("record", fields, [": ", ""])
            }
            Defined::Variant(variant) => {
                let cases = variant.cases.iter().map(|(name, case)| (name.as_str(), case.ty));
                self.braced("variant", cases, ["(", ")"])
            }
            Defined::Flags(names) => {
                self.braced("flags", names.iter().map(|name| (name.as_str(), None)), [""; 2])
            }
            Defined::Enum(names) => {
                self.braced("enum", names.iter().map(|name| (name.as_str(), None)), [""; 2])
            }
            Defined::Tuple(tuple) => self.angled("tuple", tuple.types.iter().map(|value| Some(*value)), ""),
            Defined::List { element, .. } => self.angled("list", [Some(*element)], ""),
            Defined::FixedLengthList { element, length, .. } => {
                self.angled("list", [Some(*element)], &format!(", {length}"))
            }
            Defined::Map { key, value, .. } => self.angled("map", [Some(*key), Some(*value)], ""),
            Defined::Option { ty, .. } => self.angled("option", [Some(*ty)], ""),
            Defined::Result { ok, err, .. } => self.angled("result", [*ok, *err], ""),
            Defined::Future { ty, .. } => self.angled("future", [*ty], ""),
            Defined::Stream { ty, .. } => self.angled("stream", [*ty], ""),
            Defined::Own(id) => self.angled("own", [], self.resource(*id)?),
            Defined::Borrow(id) => self.angled("borrow", [], self.resource(*id)?),
        }
    }

    /// `keyword { name: type, name }`, with what stands around each type.
    fn braced<'n>(
        &mut self,
        keyword: &str,
        named: impl Iterator<Item = (&'n str, Option<ComponentValType>)>,
        [before, after]: [&str; 2],
    ) -> Told {
        let mut text = Text::new(keyword);
        for (index, (name, value)) in named.enumerate() {
            text.push(if index == 0 { " { " } else { ", " });
            text.push(name);
            if let Some(value) = value {
                text.push(before);
                text.push(&self.value(value)?);
                text.push(after);
            }
        }
        text.push(" }");
        Some(text.finish().into())
    }

    /// `keyword<type, _>`, with what else stands before the end.
    fn angled(
        &mut self,
        keyword: &str,
        values: impl IntoIterator<Item = Option<ComponentValType>>,
        more: &str,
    ) -> Told {
        let mut text = Text::new(keyword);
        text.push("<");
        for (index, value) in values.into_iter().enumerate() {
            text.push(if index == 0 { "" } else { ", " });
            match value {
                Some(value) => text.push(&self.value(value)?),
                None => text.push("_"),
            }
        }
        text.push(more);
        text.push(">");
        Some(text.finish().into())
    }
}
