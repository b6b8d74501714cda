//! What a worker runs, as plain data: made from the grant document by the shim (or the CLI), read by `run`.

use crate::limits::{CONCURRENT_REQUESTS_MAX, REQUEST_BODY_BYTES_DEFAULT, REQUEST_TIMEOUT_MILLIS_DEFAULT};
use morph_component::{Label, MAIN};
use morph_grant::{
    Access, Component, Document, EnvLiteral, EnvReference, FilesystemGrant, Grants, Limits,
    PLUG_VARIABLE_PREFIX, Reuse,
};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// What a worker runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The program's name, `args[0]` of the guest: the component's name.
    pub program: String,
    /// Arguments after the program's name.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The directories that the guest gets.
    pub preopens: Vec<Preopen>,
    /// The directory with the files that grants name: credentials, configuration, certificates. No guest
    /// gets a handle on it.
    pub files: Option<PathBuf>,
    /// Addresses of the node itself: no name may resolve into them, unless a grant says so in so many words.
    pub node_addresses: Vec<IpAddr>,
    /// What may be linked.
    pub grants: Grants,
    /// What may be used up.
    pub limits: Limits,
    /// As what it runs.
    pub run: Run,
    /// The other parts of a composition, in the order of its plan; what is said above is the main
    /// component's.
    #[serde(default)]
    pub plugs: Vec<Plug>,
    /// What of a composition's imports is which part's.
    #[serde(default)]
    pub labels: Vec<Label>,
}

/// A part of a composition beside the main component: what it may do and has. What it may use up is the
/// whole's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plug {
    /// Its name.
    pub name: String,
    /// Its whole environment.
    pub env: Vec<(String, String)>,
    /// The directories that it gets.
    pub preopens: Vec<Preopen>,
    /// What may be linked for it.
    pub grants: Grants,
}

/// A directory that the guest gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preopen {
    /// The path by which the guest sees it.
    pub path: String,
    /// The directory in this process's file system.
    pub directory: PathBuf,
    /// What the guest may do with it.
    pub access: Access,
}

/// As what a component runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Run {
    /// Once, to its end.
    Command,
    /// As a server, until it is told to stop.
    Server(Http),
}

/// How a server serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// Address to listen on; `::` takes IPv4 as well, and where there is no IPv6 becomes `0.0.0.0`.
    pub address: IpAddr,
    /// TCP port; with 0 the system chooses one.
    pub port: u16,
    /// How long to go on accepting after stop, in seconds.
    pub lame_duck_seconds: u32,
    /// How long stopping may take in all, in seconds.
    pub grace_period_seconds: u32,
    /// Bounds of its requests.
    pub requests: Requests,
}

/// Bounds of a server's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Requests worked on at once, at most [`CONCURRENT_REQUESTS_MAX`].
    pub concurrency: usize,
    /// How long a guest may take to begin its answer, in milliseconds.
    pub timeout_millis: u32,
    /// Size of a request's body, in bytes.
    pub body_bytes: u64,
    /// Which instance answers a request.
    pub reuse: Reuse,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            concurrency: CONCURRENT_REQUESTS_MAX,
            timeout_millis: REQUEST_TIMEOUT_MILLIS_DEFAULT,
            body_bytes: REQUEST_BODY_BYTES_DEFAULT,
            reuse: Reuse::default(),
        }
    }
}

impl From<&morph_grant::Http> for Requests {
    fn from(http: &morph_grant::Http) -> Self {
        let default = Self::default();
        let concurrency = http.concurrency.and_then(|granted| usize::try_from(granted).ok());
        Self {
            concurrency: concurrency.unwrap_or(default.concurrency).min(CONCURRENT_REQUESTS_MAX),
            timeout_millis: http.request_timeout_millis.unwrap_or(default.timeout_millis),
            body_bytes: http.body_bytes.unwrap_or(default.body_bytes),
            reuse: http.reuse,
        }
    }
}

impl From<&morph_grant::Http> for Http {
    fn from(http: &morph_grant::Http) -> Self {
        Self {
            address: Ipv6Addr::UNSPECIFIED.into(),
            port: http.port,
            lame_duck_seconds: http.lame_duck_seconds,
            grace_period_seconds: http.grace_period_seconds,
            requests: http.into(),
        }
    }
}

impl Task {
    /// The task that a document grants. `referenced` are the container's variables that come by reference,
    /// those of plugs under their reserved names (a literal of the same name wins); no part sees another's.
    /// `directory` says where a volume of the document is found. `None` for a document without component, or
    /// one whose `run` and `http` disagree, which [`Document::check`] refuses.
    #[must_use]
    pub fn granted(
        document: &Document,
        referenced: Vec<(String, String)>,
        directory: impl Fn(&str) -> PathBuf,
    ) -> Option<Self> {
        let (main, plugs) = document.components.split_first()?;
        let run = match (document.run, &document.http) {
            (morph_grant::RunType::Command, None) => Run::Command,
            (morph_grant::RunType::Server, Some(http)) => Run::Server(http.into()),
            _ => return None,
        };
        let (of_plugs, of_main): (Vec<_>, Vec<_>) =
            referenced.into_iter().partition(|(name, _)| name.starts_with(PLUG_VARIABLE_PREFIX));
        let preopens = |grants: &Grants| {
            let preopen = |grant: &FilesystemGrant| Preopen {
                path: grant.path.clone(),
                directory: directory(&grant.volume),
                access: grant.access,
            };
            grants.filesystem.iter().map(preopen).collect()
        };
        let plug = |plug: &Component| Plug {
            name: plug.name.clone(),
            env: environment(variables_of(plug, &of_plugs), &plug.env),
            preopens: preopens(&plug.grants),
            grants: plug.grants.clone(),
        };
        Some(Self {
            args: document.args.clone(),
            env: environment(of_main, &document.env),
            preopens: preopens(&main.grants),
            grants: main.grants.clone(),
            limits: main.limits.clone(),
            plugs: plugs.iter().map(plug).collect(),
            ..Self::ungranted(main.name.as_str(), run)
        })
    }

    /// The task of a component to which nothing is granted: stdio, clocks and random alone.
    #[must_use]
    pub fn ungranted(program: impl Into<String>, run: Run) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            preopens: Vec::new(),
            files: None,
            node_addresses: Vec::new(),
            grants: Grants::default(),
            limits: Limits::default(),
            run,
            plugs: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Whether it runs a composition: its imports are then its labels, and no interface by its plain name is
    /// anybody's.
    pub(crate) fn is_composed(&self) -> bool {
        !self.plugs.is_empty() || !self.labels.is_empty()
    }

    /// The rights of each part, the main component's first: walls round the whole process have room for all.
    pub fn rights(&self) -> impl Iterator<Item = &Grants> {
        std::iter::once(&self.grants).chain(self.plugs.iter().map(|plug| &plug.grants))
    }

    /// Whether any of its parts has anything of the network.
    #[must_use]
    pub fn has_network(&self) -> bool {
        self.rights().any(Grants::has_network)
    }

    /// A plug as a task of its own: its name and rights, and what is the pod's.
    pub(crate) fn of_plug(&self, plug: &Plug) -> Self {
        Self {
            env: plug.env.clone(),
            preopens: plug.preopens.clone(),
            files: self.files.clone(),
            node_addresses: self.node_addresses.clone(),
            grants: plug.grants.clone(),
            ..Self::ungranted(plug.name.as_str(), self.run.clone())
        }
    }

    /// A part by its index: its name, and what may be linked for it.
    pub(crate) fn part(&self, index: usize) -> Option<(&str, &Grants)> {
        match index.checked_sub(1) {
            None => Some((MAIN, &self.grants)),
            Some(plug) => self.plugs.get(plug).map(|plug| (plug.name.as_str(), &plug.grants)),
        }
    }
}

/// An environment: what comes by reference, and the literals, which win.
fn environment(referenced: Vec<(String, String)>, literals: &[EnvLiteral]) -> Vec<(String, String)> {
    let literal = |name: &str| literals.iter().any(|literal| literal.name == name);
    let referenced = referenced.into_iter().filter(|(name, _)| !literal(name));
    referenced.chain(literals.iter().map(|literal| (literal.name.clone(), literal.value.clone()))).collect()
}

/// A plug's variables that come by reference, by the plug's own names. One without value isn't there.
fn variables_of(plug: &Component, container: &[(String, String)]) -> Vec<(String, String)> {
    let value = |reference: &EnvReference| {
        let (_, value) = container.iter().find(|(name, _)| *name == reference.variable)?;
        Some((reference.name.clone(), value.clone()))
    };
    plug.env_references.iter().filter_map(value).collect()
}

#[cfg(test)]
mod tests;
