//! From a checked Morph and what the command line adds to the task that the host runs. It grants what the
//! YAML grants: a value or a directory that the YAML doesn't ask for is an error. Decisions only.

use super::volumes::{self, Volumes};
use anyhow::{Context as _, Result, bail};
use morph_component::Kind;
use morph_crds::{EnvVar, EnvVarSource, ValidMorph};
use morph_grant::{Access, FilesystemGrant, Grants, Limits};
use morph_host::{Http, Preopen, Requests, Run, Task};
use std::net::Ipv4Addr;

/// What this machine adds.
pub(super) struct Local<'a> {
    /// As what the component runs.
    pub(super) kind: Kind,
    /// A port in place of the Morph's own.
    pub(super) port: Option<u16>,
    /// Values for variables by reference.
    pub(super) values: &'a [(String, String)],
}

/// Takes `NAME=REST` apart, for each.
pub(super) fn pairs(option: &str, texts: &[String]) -> Result<Vec<(String, String)>> {
    texts.iter().map(|text| super::pair(option, text)).collect()
}

/// The task.
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
    let env = env(morph, local.values)?;
    let filesystem: Vec<FilesystemGrant> = morph.filesystem().iter().map(grant).collect();
    let preopens = filesystem.iter().map(|grant| preopen(grant, volumes)).collect::<Result<_>>()?;
    let environment = !(spec.args.is_empty() && spec.env.is_empty() && spec.env_from.is_empty());
    Ok(Task {
        program: morph.name().to_owned(),
        args: spec.args.clone(),
        env,
        preopens,
        files: None,
        node_addresses: Vec::new(),
        grants: Grants { filesystem, environment, ..Grants::default() },
        limits: Limits { memory_bytes: morph.memory_bytes(), ..Limits::default() },
        run: match local.kind {
            Kind::Command => Run::Command,
            Kind::Server => Run::Server(http(morph, local.port)),
        },
    })
}

/// Loopback alone: who runs a Morph on a desk doesn't mean to serve the network.
fn http(morph: &ValidMorph, port: Option<u16>) -> Http {
    let http = morph.http();
    Http {
        address: Ipv4Addr::LOCALHOST.into(),
        port: port.unwrap_or(http.port),
        lame_duck_seconds: http.lame_duck_seconds,
        grace_period_seconds: u32::try_from(morph.grace_period_seconds()).unwrap_or(u32::MAX),
        requests: Requests::default(),
    }
}

fn grant(filesystem: &morph_crds::Filesystem) -> FilesystemGrant {
    FilesystemGrant {
        volume: filesystem.volume.clone(),
        path: filesystem.path.clone(),
        sub_path: filesystem.sub_path.clone(),
        access: match filesystem.access {
            morph_crds::Access::ReadOnly => Access::ReadOnly,
            morph_crds::Access::ReadWrite => Access::ReadWrite,
        },
    }
}

fn preopen(grant: &FilesystemGrant, volumes: &Volumes) -> Result<Preopen> {
    let directory = volumes.directory(&grant.volume);
    let directory = directory.with_context(|| format!("volume {} has no directory", grant.volume))?;
    let directory = volumes::beneath(directory, grant.sub_path.as_deref())
        .with_context(|| format!("volume {}", grant.volume))?;
    Ok(Preopen { path: grant.path.clone(), directory, access: grant.access })
}

/// The environment: literals as they stand, references with the values given. As in a pod, `env` wins over
/// `envFrom`.
fn env(morph: &ValidMorph, values: &[(String, String)]) -> Result<Vec<(String, String)>> {
    let spec = morph.spec();
    let named = |name: &str| spec.env.iter().find(|var| var.name == name);
    let mut env = Vec::new();
    for (name, value) in values {
        let prefixed =
            || spec.env_from.iter().any(|from| name.starts_with(from.prefix.as_deref().unwrap_or("")));
        match named(name) {
            Some(var) if var.value.is_some() => bail!("--env {name}: the Morph gives this variable a value"),
            Some(_) => {}
            None if prefixed() => env.push((name.clone(), value.clone())),
            None => {
                bail!("--env {name}: the Morph takes no such variable by reference (spec.env, spec.envFrom)")
            }
        }
    }
    for var in &spec.env {
        if let Some(value) = value(morph, var, values)? {
            env.push((var.name.clone(), value));
        }
    }
    Ok(env)
}

/// The value of a variable; none where it may be missing.
fn value(morph: &ValidMorph, var: &EnvVar, values: &[(String, String)]) -> Result<Option<String>> {
    let given = values.iter().rfind(|(name, _)| *name == var.name).map(|(_, value)| value.clone());
    let Some(from) = &var.value_from else { return Ok(var.value.clone()) };
    let name = &var.name;
    match given.or_else(|| field(morph, from)) {
        Some(value) => Ok(Some(value)),
        None if is_optional(from) => Ok(None),
        None => bail!("variable {name} comes from {}; give a value: --env {name}=VALUE", source(from)),
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
