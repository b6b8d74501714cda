//! The grant document against what containerd says of the pod: who it is for, what may be mounted, which
//! variables pass. It decides; the bytes are `content`'s, the mounts are made by `process`.

mod component;
mod volume;

pub use component::Component;
pub use volume::{Part, Volume};

use crate::config::NodeConfig;
use crate::content::Source;
use crate::spec::{Pod, Spec};
use morph_component::{Kind, Plan, World};
use morph_grant::interfaces::Capability;
use morph_grant::{
    ANNOTATION, Answered, CONTAINER, Document, MountUse, PLUG_VARIABLE_PREFIX, RunType, TrustedKeys,
    check_part,
};
use morph_host::{Http, Outcome, Requests, Run, Task, code};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;

/// Where volumes stand in a worker's root. Guests know them by the granted paths alone.
pub const VOLUMES_DIRECTORY: &str = "/volumes";

/// Where directories of volumes stand that are granted by a sub-path.
pub const SUB_PATHS_DIRECTORY: &str = "/sub-paths";

/// Where the files stand that grants name, which the host reads and no guest sees.
pub const FILES_DIRECTORY: &str = "/files";

/// Port of a Server without a grant: the default of `spec.http.port`.
const UNGRANTED_PORT: u16 = 8080;

/// Lame-duck time and grace period of a Server without a grant, in seconds: the defaults of the Morph and of
/// pods.
const UNGRANTED_SECONDS: (u32, u32) = (3, 30);

/// Imports named in one message.
const NAMED_IMPORTS_MAX: usize = 8;

/// What was granted to a pod when its sandbox was made. It holds for every container that starts in it later.
#[derive(Debug, Clone)]
pub struct Pin {
    /// The annotation's text.
    text: Option<String>,
    /// What it says, or why it says nothing.
    opened: Result<Option<Arc<Document>>, String>,
    /// Whether the pod is in the node's network.
    host_network: bool,
}

impl Pin {
    /// Takes the grant of a sandbox's spec. A grant that is wrong is refused when a container starts, where
    /// people see it.
    #[must_use]
    pub fn of_sandbox(spec: &Spec, pod: &Pod, config: &NodeConfig, trusted: &TrustedKeys) -> Self {
        let text = spec.annotations.get(ANNOTATION).cloned();
        let opened = text.as_deref().map(|text| open(text, pod, config, trusted)).transpose();
        Self { text, opened, host_network: spec.net == crate::process::Namespace::Host }
    }

    /// Nothing granted: a container that no pod has.
    #[must_use]
    pub fn nothing(spec: &Spec) -> Self {
        Self { text: None, opened: Ok(None), host_network: spec.net == crate::process::Namespace::Host }
    }

    /// Whether it was not taken.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.opened.is_err()
    }

    /// The same text, opened with the keys of now if it was refused before: a node's keys may come after its
    /// first pods, and a pod keeps its sandbox however often its container is tried again.
    #[must_use]
    pub fn again(&self, pod: &Pod, config: &NodeConfig, trusted: &TrustedKeys) -> Self {
        let opened = match (&self.opened, &self.text) {
            (Err(_), Some(text)) => open(text, pod, config, trusted).map(Some),
            (opened, _) => opened.clone(),
        };
        Self { opened, ..self.clone() }
    }

    /// Uid of the Morph whose grant it is.
    #[must_use]
    pub fn morph_uid(&self) -> Option<String> {
        Some(self.opened.as_ref().ok()?.as_ref()?.subject.uid.clone())
    }

    /// What a container of the pod runs.
    ///
    /// # Errors
    /// The outcome of a container that must not run.
    pub fn decide(
        &self,
        container: &str,
        image: &str,
        spec: &Spec,
        config: &NodeConfig,
    ) -> Result<Decision, Outcome> {
        let ungranted = || Decision::Ungranted {
            source: Source::of_image(image),
            program: container.to_owned(),
            host_network: self.host_network,
        };
        if container != CONTAINER {
            return Ok(ungranted());
        }
        if spec.annotations.get(ANNOTATION) != self.text.as_ref() {
            return Err(refused("the grant was changed after the pod had begun; delete the pod"));
        }
        match &self.opened {
            Err(reason) => Err(refused(reason)),
            Ok(None) => Ok(ungranted()),
            Ok(Some(document)) => {
                if let Some(field) = network_grant(document).filter(|_| self.host_network) {
                    return Err(in_node_network(field));
                }
                Granted::new(document, spec, config).map(Box::new).map(Decision::Granted)
            }
        }
    }
}

/// Opens the document, if a trusted key has signed it, and holds it against the pod.
fn open(text: &str, pod: &Pod, config: &NodeConfig, trusted: &TrustedKeys) -> Result<Arc<Document>, String> {
    if trusted.is_empty() {
        let directory = config.trusted_keys_dir.display();
        return Err(format!("this node trusts no key, so no grant is taken: no public key in {directory}"));
    }
    let document = morph_grant::open(text, trusted).map_err(|error| chain(&error))?;
    let subject = &document.subject;
    let Some(cluster) = &config.cluster else {
        return Err("this node's configuration doesn't name its cluster, so no grant is taken".into());
    };
    if subject.cluster != *cluster {
        return Err(format!("the grant is for cluster {}, this is {cluster}", subject.cluster));
    }
    if subject.namespace != pod.namespace {
        let (theirs, ours) = (&subject.namespace, &pod.namespace);
        return Err(format!("the grant is for namespace {theirs}, this pod is in {ours}"));
    }
    Ok(Arc::new(document))
}

/// A field of the document that grants anything of the network.
fn network_grant(document: &Document) -> Option<&'static str> {
    let grants = || document.components.iter().map(|component| &component.grants);
    match document.http {
        Some(_) => Some("http"),
        None if grants().any(|grants| grants.http.is_some()) => Some(Capability::Http.field()),
        None if grants().any(|grants| grants.sockets.is_some()) => Some(Capability::Sockets.field()),
        None => None,
    }
}

fn in_node_network(field: &str) -> Outcome {
    refused(format!("a pod in the node's network gets no network grant: {field}"))
}

fn refused(reason: impl std::fmt::Display) -> Outcome {
    Outcome::because(code::GRANT_REFUSED, format!("grant refused: {reason}"))
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some errors repeat their cause in their own words.
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

/// What a container runs.
#[derive(Debug, Clone)]
pub enum Decision {
    /// What the document says.
    Granted(Box<Granted>),
    /// Its image, with stdio, clocks and random alone.
    Ungranted {
        /// The component.
        source: Source,
        /// Name of the program.
        program: String,
        /// Whether the pod is in the node's network.
        host_network: bool,
    },
}

/// What a document grants to a container, held against the container's spec.
#[derive(Debug, Clone)]
pub struct Granted {
    document: Arc<Document>,
    kind: Kind,
    task: Task,
    volumes: Vec<Volume>,
}

impl Granted {
    fn new(document: &Arc<Document>, spec: &Spec, config: &NodeConfig) -> Result<Self, Outcome> {
        let uid = spec.role.pod().map_or("", |pod| pod.uid.as_str());
        let volumes = volume::granted(document, spec, uid, &config.kubelet_dir).map_err(refused)?;
        let directory = |volume: &str| PathBuf::from(VOLUMES_DIRECTORY).join(volume);
        let Some(mut task) = Task::granted(document, referenced(document, &spec.env), directory) else {
            return Err(refused("the document names no component"));
        };
        let of_plugs = task.plugs.iter_mut().map(|plug| &mut plug.preopens);
        let of_parts = std::iter::once(&mut task.preopens).chain(of_plugs);
        for (preopens, directories) in of_parts.zip(volume::directories(document)) {
            for (preopen, directory) in preopens.iter_mut().zip(directories) {
                preopen.directory = directory.into();
            }
        }
        let has_files = document.mounts.iter().any(|mount| mount.used_for == MountUse::Files);
        task.files = has_files.then(|| FILES_DIRECTORY.into());
        Ok(Self {
            document: Arc::clone(document),
            kind: match document.run {
                RunType::Command => Kind::Command,
                RunType::Server => Kind::Server,
            },
            task,
            volumes,
        })
    }

    /// The plan that the document's links are, once each import of each part is answered, and the task.
    fn composed(&self, worlds: &[&World]) -> Result<(Task, Plan), Outcome> {
        let plan = self.document.plan(worlds);
        let plan = plan.map_err(|errors| refused(format!("its links don't fit its parts: {errors}")))?;
        let name = |index: usize| plan.parts.get(index).map_or("", |part| part.name.as_str());
        let parts = plan.parts.iter().zip(&self.document.components);
        refuse_imports(parts.flat_map(|(planned, component)| {
            let denials = denials(&check_part(planned, &component.grants, name));
            denials.into_iter().map(|denial| component::named(&planned.name, &denial))
        }))?;
        Ok((Task { labels: plan.labels().collect(), ..self.task.clone() }, plan))
    }
}

impl Decision {
    /// The components, the one that is run first.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        match self {
            Self::Granted(granted) => Component::of(&granted.document),
            Self::Ungranted { source, .. } => vec![Component::ungranted(source.clone())],
        }
    }

    /// The task for components of these worlds, once each of their imports is answered, and their plan where
    /// there are several.
    ///
    /// # Errors
    /// The outcome of a container that must not run.
    pub fn task(&self, worlds: &[&World]) -> Result<(Task, Option<Plan>), Outcome> {
        let bad = |error: morph_component::Error| Outcome::because(code::BAD_COMPONENT, chain(&error));
        let Some(world) = worlds.first() else { return Err(refused("there is no component")) };
        let task = match self {
            Self::Granted(granted) => {
                world.run_as(Some(granted.kind)).map_err(bad)?;
                if granted.document.components.len() > 1 {
                    return granted.composed(worlds).map(|(task, plan)| (task, Some(plan)));
                }
                granted.task.clone()
            }
            Self::Ungranted { program, host_network, .. } => {
                let run = match world.run().map_err(bad)?.kind {
                    Kind::Command => Run::Command,
                    Kind::Server if *host_network => return Err(in_node_network("http")),
                    Kind::Server => Run::Server(Http {
                        address: Ipv6Addr::UNSPECIFIED.into(),
                        port: UNGRANTED_PORT,
                        lame_duck_seconds: UNGRANTED_SECONDS.0,
                        grace_period_seconds: UNGRANTED_SECONDS.1,
                        requests: Requests::default(),
                    }),
                };
                Task::ungranted(program.as_str(), run)
            }
        };
        refuse_imports(denials(&morph_grant::check(&world.imports, &task.grants)))?;
        Ok((task, None))
    }

    /// The volumes that it gets.
    #[must_use]
    pub fn volumes(&self) -> &[Volume] {
        match self {
            Self::Granted(granted) => &granted.volumes,
            Self::Ungranted { .. } => &[],
        }
    }
}

/// What is said of each import that is denied.
fn denials(answers: &[Answered]) -> Vec<String> {
    let denied = answers.iter().filter(|answer| answer.is_denied());
    denied.map(|denied| format!("import {} is not granted: {}", denied.interface, denied.by)).collect()
}

/// Refuses a container of which this is said; nothing, if all is granted.
fn refuse_imports(denials: impl IntoIterator<Item = String>) -> Result<(), Outcome> {
    let mut denials: Vec<String> = denials.into_iter().collect();
    if denials.is_empty() {
        return Ok(());
    }
    let more = denials.len().saturating_sub(NAMED_IMPORTS_MAX);
    denials.truncate(NAMED_IMPORTS_MAX);
    if more > 0 {
        denials.push(format!("and {more} more"));
    }
    Err(Outcome::because(code::IMPORT_DENIED, denials.join("; ")))
}

/// Variables of the container that the document lets through, those of plugs by the names that are theirs in
/// the container. Of a name that is there twice, the last counts.
fn referenced(document: &Document, env: &[String]) -> Vec<(String, String)> {
    let of_plugs = || document.components.iter().flat_map(|component| &component.env_references);
    let passes = |name: &str| {
        if name.starts_with(PLUG_VARIABLE_PREFIX) {
            return of_plugs().any(|reference| reference.variable == name);
        }
        let named = document.env_references.iter().any(|reference| reference == name);
        let prefixed = document.env_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        named || (prefixed && !is_platforms_own(name))
    };
    let variables = env.iter().filter_map(|variable| variable.split_once('='));
    let passed: BTreeMap<&str, &str> = variables.filter(|(name, _)| passes(name)).collect();
    passed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Variables that containerd and the kubelet set in every container. They come through no `envFrom`, though a
/// prefix may fit them.
fn is_platforms_own(name: &str) -> bool {
    matches!(name, "PATH" | "HOSTNAME" | "TERM") || name.starts_with("KUBERNETES_")
}

#[cfg(test)]
mod tests;
