//! The components of a Morph with plugs, here: their bytes from files or registries, the plan that the
//! operator would make, and the composition that a node would make of it.

use crate::registry::{self, RegistryArgs};
use anyhow::{Context as _, Result, bail};
use morph_component::{Error as ComponentError, Kind, Label, Part as Planning, Plan, World};
use morph_crds::{MorphSpec, Part};
use morph_host::EngineKind;
use morph_oci::Reference;
use morph_operator::morph::planned;
use std::collections::BTreeMap;
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
    parts: Vec<Part<'a>>,
    pub(crate) bytes: Vec<Vec<u8>>,
    worlds: Vec<World>,
}

/// Why parts are nothing that runs, though all of them could be had.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unfit(String);

/// What `--plug` says, by plug.
///
/// # Errors
/// A file for a plug that the Morph doesn't have.
pub(crate) fn files(given: &[String], spec: &MorphSpec) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for text in given {
        let (name, file) = crate::pair("--plug", text)?;
        if !spec.plugs.iter().any(|plug| plug.name == name) {
            bail!("--plug {name}: spec.plugs has no such plug");
        }
        files.insert(name, PathBuf::from(file));
    }
    Ok(files)
}

/// The bytes of all parts, the Morph's own first, then its plugs by name.
///
/// # Errors
/// A file that can't be read, an image that can't be pulled, a file for a plug that the Morph doesn't have.
pub(crate) fn read(args: &PartArgs, spec: &MorphSpec) -> Result<Vec<Vec<u8>>> {
    let files = files(&args.plugs, spec)?;
    let file = |part: &Part<'_>| match part.index {
        None => args.component.as_deref(),
        Some(_) => files.get(part.name).map(PathBuf::as_path),
    };
    spec.parts_by_name().iter().map(|part| one(&args.registry, file(part), part)).collect()
}

fn one(registry: &RegistryArgs, file: Option<&Path>, part: &Part<'_>) -> Result<Vec<u8>> {
    if let Some(file) = file {
        return std::fs::read(file).with_context(|| file.display().to_string());
    }
    let field = || format!("{}.image", part.at());
    let reference: Reference = part.image.parse().with_context(field)?;
    Ok(registry::pull(registry, &reference).with_context(field)?.component.to_vec())
}

impl<'a> Parts<'a> {
    /// Parts of these bytes, once each is known to be a component.
    pub(crate) fn new(spec: &'a MorphSpec, bytes: Vec<Vec<u8>>) -> Result<Self, Unfit> {
        let parts = spec.parts_by_name();
        let world = |(part, bytes): (&Part<'_>, &Vec<u8>)| {
            let wrong = |error: ComponentError| match parts.len() {
                1 => Unfit(error.to_string()),
                _ => Unfit(format!("part {}: {error}", part.name)),
            };
            morph_component::inspect(bytes).map_err(wrong)
        };
        let worlds = parts.iter().zip(&bytes).map(world).collect::<Result<_, _>>()?;
        Ok(Self { parts, bytes, worlds })
    }

    /// As what the whole runs.
    pub(crate) fn kind(&self, wanted: Option<Kind>) -> Result<Kind, Unfit> {
        let run = self.worlds[0].run_as(wanted).map_err(|error| Unfit(error.to_string()))?;
        Ok(run.kind)
    }

    /// The plan that the operator would make.
    pub(crate) fn plan(&self, spec: &MorphSpec) -> Result<Plan, Unfit> {
        let parts = self.parts.iter().zip(&self.worlds);
        let parts: Vec<_> = parts.map(|(part, world)| Planning { name: part.name, world }).collect();
        let wrong = |error| Unfit(format!("the parts can't be composed: {error}"));
        planned(spec, parts[0], &parts[1..]).map_err(wrong)
    }

    /// One component out of all parts.
    pub(crate) fn compose(&self, plan: &Plan) -> Result<Vec<u8>, Unfit> {
        let bytes: Vec<&[u8]> = self.bytes.iter().map(Vec::as_slice).collect();
        morph_component::compose(plan, &bytes).map_err(|error| Unfit(error.to_string()))
    }

    /// What is run, with what of its imports is which part's: the component itself, or what it and its plugs
    /// are composed to.
    pub(crate) fn whole(&self, spec: &MorphSpec) -> Result<(Vec<u8>, Vec<Label>), Unfit> {
        if self.parts.len() == 1 {
            return Ok((self.bytes[0].clone(), Vec::new()));
        }
        let plan = self.plan(spec)?;
        Ok((self.compose(&plan)?, plan.labels().collect()))
    }

    /// The engine that runs all of them.
    pub(crate) fn engine(&self) -> EngineKind {
        EngineKind::of_parts(&self.worlds)
    }
}
