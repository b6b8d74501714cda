//! From a checked Morph and what the command line adds to the task that the host runs. It grants what the
//! YAML grants: a value or a directory that the YAML doesn't ask for is an error. Decisions only.

use super::sources::{self, Sources};
use super::volumes::Volumes;
use anyhow::{Context as _, Result, bail};
use morph_component::Kind;
use morph_crds::{EnvFrom, EnvVar, EnvVarSource, MorphSpec, Part, ValidMorph};
use morph_grant::FilesystemGrant;
use morph_grant::Grants;
use morph_host::{Http, Plug, Preopen, Run, Task};
use morph_operator::morph::{grants, limits, part_grants, serving};
use std::net::Ipv4Addr;
use std::path::Path;

/// What this machine adds.
pub(super) struct Local<'a> {
    /// As what the component runs.
    pub(super) kind: Kind,
    /// A port in place of the Morph's own.
    pub(super) port: Option<u16>,
    /// Values for variables by reference.
    pub(super) values: &'a [(String, String)],
    /// ConfigMaps and Secrets.
    pub(super) sources: &'a Sources,
    /// Where the files are that the host alone reads.
    pub(super) files: Option<&'a Path>,
}

/// Takes `NAME=REST` apart, for each.
pub(super) fn pairs(option: &str, texts: &[String]) -> Result<Vec<(String, String)>> {
    texts.iter().map(|text| crate::pair(option, text)).collect()
}

/// The task; its plugs by name, as in a plan.
///
/// # Errors
/// What the YAML needs and isn't there, and what is there and the YAML doesn't need.
pub(super) fn task(morph: &ValidMorph, local: &Local<'_>, volumes: &Volumes) -> Result<Task> {
    let spec = morph.spec();
    let probes = spec.template.as_ref().is_some_and(|template| template.probes.is_some());
    let misplaced = match local.kind {
        Kind::Server => [("spec.run", spec.run.is_some()), ("", false)],
        Kind::Command => [("spec.http", spec.http.is_some()), ("spec.template.probes", probes)],
    };
    if let Some((field, _)) = misplaced.into_iter().find(|(_, present)| *present) {
        bail!("{field}: the component is a {}, and this is for the other type; remove it", local.kind);
    }
    known_parts(spec, local)?;
    let main = Variables { plug: None, env: &spec.env, env_from: &spec.env_from };
    let env = env(morph, &main, local)?;
    let grants = grants(spec);
    let plugs = spec.parts_by_name().into_iter().skip(1);
    let plugs = plugs.map(|plug| part(morph, &plug, local, volumes)).collect::<Result<_>>()?;
    Ok(Task {
        program: morph.name().to_owned(),
        args: spec.args.clone(),
        env,
        preopens: preopens(&grants, volumes)?,
        files: local.files.map(Path::to_owned),
        node_addresses: Vec::new(),
        grants,
        limits: limits(spec),
        run: match local.kind {
            Kind::Command => Run::Command,
            Kind::Server => Run::Server(http(morph, local.port)),
        },
        plugs,
        labels: Vec::new(),
    })
}

/// A plug with its rights, and nothing of another part's.
fn part(morph: &ValidMorph, plug: &Part<'_>, local: &Local<'_>, volumes: &Volumes) -> Result<Plug> {
    let grants = part_grants(morph.spec(), plug);
    let variables = Variables { plug: Some(plug.name), env: plug.env, env_from: &[] };
    Ok(Plug {
        name: plug.name.to_owned(),
        env: env(morph, &variables, local)?,
        preopens: preopens(&grants, volumes)?,
        grants,
    })
}

/// Whether each value given for a plug's variable is for one that there is.
fn known_parts(spec: &MorphSpec, local: &Local<'_>) -> Result<()> {
    let of_plug = local.values.iter().filter_map(|(name, _)| name.split_once('/'));
    for (part, name) in of_plug {
        if !spec.plugs.iter().any(|plug| plug.name == part) {
            bail!("--env {part}/{name}: spec.plugs has no plug {part}");
        }
    }
    Ok(())
}

fn preopens(grants: &Grants, volumes: &Volumes) -> Result<Vec<Preopen>> {
    grants.filesystem.iter().map(|grant| preopen(grant, volumes)).collect()
}

/// Loopback alone: who runs a Morph on a desk doesn't mean to serve the network.
fn http(morph: &ValidMorph, port: Option<u16>) -> Http {
    let http = Http::from(&serving(morph.spec()));
    Http { address: Ipv4Addr::LOCALHOST.into(), port: port.unwrap_or(http.port), ..http }
}

fn preopen(grant: &FilesystemGrant, volumes: &Volumes) -> Result<Preopen> {
    let directory = volumes.directory(grant)?;
    Ok(Preopen { path: grant.path.clone(), directory, access: grant.access })
}

/// What a part takes of variables.
struct Variables<'a> {
    /// The plug's name; none of the Morph's own component.
    plug: Option<&'a str>,
    env: &'a [EnvVar],
    env_from: &'a [EnvFrom],
}

impl Variables<'_> {
    /// Values given for this part's variables.
    fn given<'a>(&self, local: &Local<'a>) -> Vec<(&'a str, &'a str)> {
        let own = |name: &'a str| match (self.plug, name.split_once('/')) {
            (None, None) => Some(name),
            (Some(plug), Some((part, name))) if part == plug => Some(name),
            _ => None,
        };
        local.values.iter().filter_map(|(name, value)| Some((own(name)?, value.as_str()))).collect()
    }

    /// As `--env` names a variable of this part.
    fn option(&self, name: &str) -> String {
        self.plug.map_or_else(|| format!("--env {name}"), |plug| format!("--env {plug}/{name}"))
    }
}

/// A part's environment: literals as they stand, references with the values given. As in a pod, `env` wins
/// over `envFrom`.
fn env(morph: &ValidMorph, part: &Variables<'_>, local: &Local<'_>) -> Result<Vec<(String, String)>> {
    let named = |name: &str| part.env.iter().find(|var| var.name == name);
    let given = part.given(local);
    let mut env = Vec::new();
    for (name, value) in &given {
        let prefixed =
            || part.env_from.iter().any(|from| name.starts_with(from.prefix.as_deref().unwrap_or("")));
        let option = part.option(name);
        match named(name) {
            Some(var) if var.value.is_some() => bail!("{option}: the Morph gives this variable a value"),
            Some(_) => {}
            None if prefixed() => env.push(((*name).to_owned(), (*value).to_owned())),
            None if part.plug.is_some() => bail!("{option}: the plug takes no such variable by reference"),
            None => bail!("{option}: the Morph takes no such variable by reference (spec.env, spec.envFrom)"),
        }
    }
    for var in part.env {
        let given = given.iter().rfind(|(name, _)| *name == var.name).map(|(_, value)| (*value).to_owned());
        if let Some(value) = value(morph, var, given, part, local)? {
            env.push((var.name.clone(), value));
        }
    }
    Ok(env)
}

/// The value of a variable; none where it may be missing.
fn value(
    morph: &ValidMorph,
    var: &EnvVar,
    given: Option<String>,
    part: &Variables<'_>,
    local: &Local<'_>,
) -> Result<Option<String>> {
    let Some(from) = &var.value_from else { return Ok(var.value.clone()) };
    let name = &var.name;
    let given = match (given, sources::key(from)) {
        (None, Some(key)) => {
            let value = local.sources.value(&key)?.map(String::from_utf8).transpose();
            value.with_context(|| format!("variable {name}: {} is no text", source(from)))?
        }
        (given, _) => given,
    };
    match given.or_else(|| field(morph, from)) {
        Some(value) => Ok(Some(value)),
        None if is_optional(from) => Ok(None),
        None => {
            bail!("variable {name} comes from {}; give a value: {}=VALUE", source(from), part.option(name))
        }
    }
}

/// The pod's fields that have a meaning without a pod.
fn field(morph: &ValidMorph, from: &EnvVarSource) -> Option<String> {
    let path = &from.field_ref.as_ref()?.field_path;
    (path == "metadata.name").then(|| morph.name().to_owned())
}

fn is_optional(from: &EnvVarSource) -> bool {
    let config_map = from.config_map_key_ref.as_ref().and_then(|reference| reference.optional);
    let secret = from.secret_key_ref.as_ref().and_then(|reference| reference.optional);
    config_map.or(secret) == Some(true)
}

fn source(from: &EnvVarSource) -> String {
    match (&from.config_map_key_ref, &from.secret_key_ref, &from.field_ref) {
        (Some(reference), ..) => format!("key {} of ConfigMap {}", reference.key, reference.name),
        (_, Some(reference), _) => format!("key {} of Secret {}", reference.key, reference.name),
        (.., Some(reference)) => format!("the pod's {}", reference.field_path),
        _ => "nowhere".to_owned(),
    }
}

#[cfg(test)]
mod tests;
