//! Credentials from a Docker config file (`config.json`, or the `.dockerconfigjson` of a pull secret).
//! The file is read anew for each use, so that a rotated secret counts at once.

use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Largest Docker config file read, in bytes: what a Kubernetes Secret can hold.
pub const DOCKER_CONFIG_SIZE_BYTES_MAX: u64 = 1 << 20;

/// User name and password for one registry.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why no credentials could be had from a Docker config file. Never holds any of the file's values.
#[derive(Debug, thiserror::Error)]
pub enum DockerConfigError {
    /// The file can't be read.
    #[error("it can't be read: {0}")]
    Read(std::io::Error),
    /// The file is too large.
    #[error("it is larger than {DOCKER_CONFIG_SIZE_BYTES_MAX} bytes")]
    TooLarge,
    /// The file isn't JSON of the form that Docker writes.
    #[error("line {line}, column {column} is not what a Docker config file has there")]
    Form {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// An entry's `auth` isn't base64 of `user:password`.
    #[error("auths[\"{registry}\"].auth is not user:password in base64")]
    Auth {
        /// The entry.
        registry: String,
    },
    /// Credentials are kept by a helper program, which is never run from here.
    #[error(
        "the credentials of {registry} are with a credential helper ({key}), which is not run; \
         put them into auths"
    )]
    Helper {
        /// The registry asked for.
        registry: String,
        /// `credHelpers` or `credsStore`.
        key: &'static str,
    },
    /// The entry holds an identity token, which would have to be exchanged.
    #[error(
        "auths[\"{registry}\"] holds an identity token, which is not supported; \
         use a user name and a password"
    )]
    IdentityToken {
        /// The entry.
        registry: String,
    },
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

/// The credentials for `registry` in the file at `path`, if it has any.
pub(crate) async fn read(path: &Path, registry: &str) -> Result<Option<Credentials>, Error> {
    let wrong = |problem| Error::DockerConfig { path: path.to_owned(), problem };
    let text = read_text(path).await.map_err(wrong)?;
    find(&text, registry).map_err(wrong)
}

async fn read_text(path: &Path) -> Result<String, DockerConfigError> {
    use tokio::io::AsyncReadExt as _;
    let file = tokio::fs::File::open(path).await.map_err(DockerConfigError::Read)?;
    let mut text = String::new();
    let mut file = file.take(DOCKER_CONFIG_SIZE_BYTES_MAX + 1);
    file.read_to_string(&mut text).await.map_err(DockerConfigError::Read)?;
    if text.len() as u64 > DOCKER_CONFIG_SIZE_BYTES_MAX {
        return Err(DockerConfigError::TooLarge);
    }
    Ok(text)
}

/// The credentials for `registry` in the text of a Docker config file. An entry may be spelled with a
/// scheme and a path, as Docker itself did; an entry for the exact host and port is needed.
fn find(text: &str, registry: &str) -> Result<Option<Credentials>, DockerConfigError> {
    let config: DockerConfig = serde_json::from_str(text)
        .map_err(|error| DockerConfigError::Form { line: error.line(), column: error.column() })?;
    if config.helpers.contains_key(registry) {
        return Err(DockerConfigError::Helper { registry: registry.to_owned(), key: "credHelpers" });
    }
    let Some((name, auth)) = config.auths.iter().find(|(name, _)| host_of(name) == registry) else {
        return match config.store {
            Some(_) if !config.auths.is_empty() => Ok(None),
            Some(_) => Err(DockerConfigError::Helper { registry: registry.to_owned(), key: "credsStore" }),
            None => Ok(None),
        };
    };
    if !auth.identitytoken.is_empty() {
        return Err(DockerConfigError::IdentityToken { registry: name.clone() });
    }
    if !auth.username.is_empty() {
        return Ok(Some(Credentials { username: auth.username.clone(), password: auth.password.clone() }));
    }
    if auth.auth.is_empty() {
        // Docker leaves an empty entry where a store holds the credentials.
        return match config.store {
            Some(_) => Err(DockerConfigError::Helper { registry: registry.to_owned(), key: "credsStore" }),
            None => Ok(None),
        };
    }
    decode(&auth.auth).map(Some).ok_or_else(|| DockerConfigError::Auth { registry: name.clone() })
}

fn host_of(name: &str) -> &str {
    let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(name);
    name.split('/').next().unwrap_or(name)
}

fn decode(auth: &str) -> Option<Credentials> {
    let text = String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    let password = password.trim_end_matches('\0');
    (!username.is_empty())
        .then(|| Credentials { username: username.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests;
