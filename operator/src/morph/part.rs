//! The parts of a Morph as its spec names them: its own component, and its plugs. Pure.

use morph_component::MAIN;
use morph_crds::MorphSpec;

/// A part as the spec names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its name among the parts, as links spell it: [`MAIN`], or the plug's.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Its place in `spec.plugs`; none of the Morph's own component.
    pub index: Option<usize>,
}

impl<'a> Part<'a> {
    /// All of a spec: the Morph's own component, then its plugs in the spec's order.
    #[must_use]
    pub fn all(spec: &'a MorphSpec) -> Vec<Self> {
        let main = Self { name: MAIN, image: &spec.image, index: None };
        let plugs = spec.plugs.iter().enumerate().map(|(index, plug)| Self {
            name: &plug.name,
            image: &plug.image,
            index: Some(index),
        });
        [main].into_iter().chain(plugs).collect()
    }

    /// The field that names its image.
    #[must_use]
    pub fn field(&self) -> String {
        match self.index {
            None => "spec.image".to_owned(),
            Some(index) => format!("spec.plugs[{index}].image"),
        }
    }
}
