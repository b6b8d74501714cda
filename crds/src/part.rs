//! The components of a Morph, each with what it asks for itself. Whoever asks something of every component
//! asks it here, so that none is forgotten.

use crate::{Ambient, Capabilities, ConfigEntry, EnvVar, Filesystem, MorphSpec, Plug};

/// How the Morph's own component is called among parts.
pub const MAIN: &str = "main";

/// How the host is called where a part could stand.
pub const HOST: &str = "host";

/// A component of a Morph: its own, or a plug.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part<'a> {
    /// Its place in `spec.plugs`; none of the Morph's own component.
    pub index: Option<usize>,
    /// Its name among the parts, as links spell it: [`MAIN`], or the plug's.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Its variables.
    pub env: &'a [EnvVar],
    /// Its entries of `wasi:config/store`.
    pub config: &'a [ConfigEntry],
    /// What it may do.
    pub capabilities: Option<&'a Capabilities>,
    /// What it does without.
    pub withhold: &'a [Ambient],
}

impl MorphSpec {
    /// The Morph's own component.
    #[must_use]
    pub fn main(&self) -> Part<'_> {
        Part {
            index: None,
            name: MAIN,
            image: &self.image,
            env: &self.env,
            config: &self.config,
            capabilities: self.capabilities.as_ref(),
            withhold: &self.withhold,
        }
    }

    /// The Morph's own component, then its plugs in the order in which they stand.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> + Clone {
        let plugs = self.plugs.iter().enumerate().map(|(index, plug)| Part::plug(index, plug));
        [self.main()].into_iter().chain(plugs)
    }

    /// The same with plugs by name: the order of plans and grants, whatever the YAML's.
    #[must_use]
    pub fn parts_by_name(&self) -> Vec<Part<'_>> {
        let mut plugs: Vec<_> = self.parts().skip(1).collect();
        plugs.sort_by_key(|plug| plug.name);
        [self.main()].into_iter().chain(plugs).collect()
    }
}

impl<'a> Part<'a> {
    fn plug(index: usize, plug: &'a Plug) -> Self {
        // Taken apart by name, so that a new field doesn't compile until it is a part's.
        let Plug { name, image, env, config, capabilities, withhold } = plug;
        let capabilities = capabilities.as_ref();
        Self { index: Some(index), name, image, env, config, capabilities, withhold }
    }

    /// Its field: `spec`, or `spec.plugs[0]`.
    #[must_use]
    pub fn at(&self) -> String {
        self.index.map_or_else(|| "spec".to_owned(), |index| format!("spec.plugs[{index}]"))
    }

    /// The directories that it is granted.
    #[must_use]
    pub fn filesystem(&self) -> &'a [Filesystem] {
        self.capabilities.map_or(&[], |capabilities| &capabilities.filesystem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_morphs_own_component_and_its_plugs_each_with_its_own() {
        let plug = |name: &str| Plug { name: name.into(), image: format!("{name}:1"), ..Plug::default() };
        let spec = serde_json::json!({ "image": "own:1", "env": [{ "name": "A", "value": "1" }] });
        let spec: Result<MorphSpec, _> = serde_json::from_value(spec);
        let Ok(mut spec) = spec else { unreachable!("{spec:?}") };
        spec.plugs = vec![plug("b"), plug("a")];
        let told: Vec<_> = spec.parts().map(|p| (p.at(), p.name, p.image, p.env.len())).collect();
        let wanted =
            [("spec", MAIN, "own:1", 1), ("spec.plugs[0]", "b", "b:1", 0), ("spec.plugs[1]", "a", "a:1", 0)];
        assert_eq!(told, wanted.map(|(at, name, image, env)| (at.to_owned(), name, image, env)));
        let names: Vec<_> = spec.parts_by_name().iter().map(|part| part.name).collect();
        assert_eq!(names, [MAIN, "a", "b"]);
    }
}
