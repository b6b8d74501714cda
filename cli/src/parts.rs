//! The components of a Morph with plugs, here: their bytes from files or registries, the plan that the
//! operator would make, and the composition that a node would make of it.

use crate::registry::{self, RegistryArgs};
use anyhow::{Context as _, Result, bail};
use morph_component::{
    Choice, ComposeError, Error as ComponentError, MAIN, Part, Plan, PlanErrors, Target, World,
};
use morph_crds::{MorphSpec, Plug};
use morph_grant::Grants;
use morph_host::EngineKind;
use morph_oci::Reference;
use morph_operator::morph::{grants, plug_grants};
use std::path::{Path, PathBuf};

/// Which files stand for images.
#[derive(clap::Args)]
pub(crate) struct PartArgs {
    /// Take this component in place of the image.
    #[arg(long, value_name = "FILE")]
    pub(crate) component: Option<PathBuf>,
    /// Take this component in place of a plug's image.
    #[arg(long = "plug", value_name = "NAME=FILE")]
    plugs: Vec<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// The parts of a Morph: its own component, then its plugs by name.
pub(crate) struct Parts<'a> {
    pub(crate) plugs: Vec<&'a Plug>,
    pub(crate) bytes: Vec<Vec<u8>>,
    pub(crate) worlds: Vec<World>,
}

/// Why parts are no composition, though all of them could be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// A part is none.
    #[error("{part}: {source}")]
    Part {
        /// Its name.
        part: String,
        /// What is wrong with it.
        source: Box<ComponentError>,
    },
    /// They don't fit.
    #[error("the parts can't be composed: {0}")]
    Plan(PlanErrors),
    /// They don't fit by their types.
    #[error("{0}")]
    Compose(Box<ComposeError>),
}

/// The bytes of all parts.
///
/// # Errors
/// A file that can't be read, an image that can't be pulled, a file for a plug that the Morph doesn't have.
pub(crate) fn read<'a>(args: &PartArgs, spec: &'a MorphSpec) -> Result<(Vec<&'a Plug>, Vec<Vec<u8>>)> {
    let given: Vec<(String, String)> =
        args.plugs.iter().map(|text| crate::pair("--plug", text)).collect::<Result<_>>()?;
    if let Some((name, _)) = given.iter().find(|(name, _)| !spec.plugs.iter().any(|plug| plug.name == *name))
    {
        bail!("--plug {name}: spec.plugs has no such plug");
    }
    let mut plugs: Vec<(usize, &Plug)> = spec.plugs.iter().enumerate().collect();
    plugs.sort_by_key(|(_, plug)| &plug.name);
    let mut bytes = vec![one(&args.registry, args.component.as_deref(), &spec.image, "spec.image")?];
    for (index, plug) in &plugs {
        let file = given.iter().rfind(|(name, _)| *name == plug.name).map(|(_, file)| Path::new(file));
        bytes.push(one(&args.registry, file, &plug.image, &format!("spec.plugs[{index}].image"))?);
    }
    Ok((plugs.into_iter().map(|(_, plug)| plug).collect(), bytes))
}

fn one(registry: &RegistryArgs, file: Option<&Path>, image: &str, field: &str) -> Result<Vec<u8>> {
    if let Some(file) = file {
        return std::fs::read(file).with_context(|| file.display().to_string());
    }
    let reference: Reference = image.parse().with_context(|| field.to_owned())?;
    let artifact = registry::pull(registry, &reference).with_context(|| field.to_owned())?;
    Ok(artifact.component.to_vec())
}

impl<'a> Parts<'a> {
    /// Parts of these bytes, once each is known to be a component.
    pub(crate) fn new(plugs: Vec<&'a Plug>, bytes: Vec<Vec<u8>>) -> Result<Self, Unfit> {
        let names = std::iter::once(MAIN).chain(plugs.iter().map(|plug| plug.name.as_str()));
        let worlds = names.zip(&bytes).map(|(part, bytes)| {
            morph_component::inspect(bytes).map_err(Box::new).map_err(|source| match plugs.is_empty() {
                true => Unfit::Part { part: "the component".to_owned(), source },
                false => Unfit::Part { part: format!("part {part}"), source },
            })
        });
        let worlds = worlds.collect::<Result<_, _>>()?;
        Ok(Self { plugs, bytes, worlds })
    }

    /// The plan that the operator would make.
    ///
    /// # Errors
    /// A link that is none, or what stands against the plan.
    pub(crate) fn plan(&self, spec: &MorphSpec) -> Result<Result<Plan, Unfit>> {
        let interfaces = spec.links.iter().enumerate().map(|(index, link)| {
            link.interface.parse().with_context(|| format!("spec.links[{index}].interface"))
        });
        let interfaces: Vec<_> = interfaces.collect::<Result<_>>()?;
        let choices: Vec<_> = spec
            .links
            .iter()
            .zip(&interfaces)
            .map(|(link, interface)| Choice { from: &link.from, interface, to: Target::of(&link.to) })
            .collect();
        let rights: Vec<(&str, Grants)> = std::iter::once((MAIN, grants(spec)))
            .chain(self.plugs.iter().map(|plug| (plug.name.as_str(), plug_grants(spec, plug))))
            .collect();
        let parts: Vec<Part<'_>> =
            rights.iter().zip(&self.worlds).map(|((name, _), world)| Part { name, world }).collect();
        let Some((main, plugs)) = parts.split_first() else { bail!("there is no component") };
        let of = |part: &str| rights.iter().find(|(name, _)| *name == part).map(|(_, grants)| grants);
        let planned = morph_component::plan(*main, plugs, &choices, |part, interface| {
            morph_grant::host(interface, of(part).unwrap_or(&Grants::default()))
        });
        Ok(planned.map_err(Unfit::Plan))
    }

    /// One component out of all parts.
    pub(crate) fn compose(&self, plan: &Plan) -> Result<Vec<u8>, Unfit> {
        let bytes: Vec<&[u8]> = self.bytes.iter().map(Vec::as_slice).collect();
        morph_component::compose(plan, &bytes).map_err(|error| Unfit::Compose(Box::new(error)))
    }

    /// The engine that runs all of them.
    pub(crate) fn engine(&self) -> EngineKind {
        let kinds = self.worlds.iter().map(EngineKind::of);
        kinds.reduce(|a, b| if b == EngineKind::P3 { b } else { a }).unwrap_or(EngineKind::P2)
    }
}
