//! What the steps hand to each other: what was observed, what was refused, what became of a plan.
//! Plain data; nothing here decides.

use super::fence::Fence;
use super::{Ceiling, Child, ChildKind};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use morph_component::{InterfaceId, World};
use morph_crds::{ConditionType, Morph, Part, Reason, RunType};
use morph_grant::{Answered, Digest, Link, SigningKey, TrustedKeys};
use morph_oci::PinnedImage;
use std::sync::Arc;

/// All that a decision about a Morph may rest on.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The Morph as the API server has it.
    pub morph: Arc<Morph>,
    /// The cluster: uid of the namespace `kube-system`.
    pub cluster: String,
    /// What NetworkPolicies have to know; none where Morphs get none.
    pub fence: Option<Arc<Fence>>,
    /// The key that signs its grant, if that must be signed anew.
    pub signer: Arc<SigningKey>,
    /// The keys that nodes trust.
    pub trusted: Arc<TrustedKeys>,
    /// The ceiling of its namespace.
    pub ceiling: Ceiling,
    /// What its image was found to be.
    pub resolution: Resolution,
    /// What its plugs' images were found to be, in the spec's order.
    pub plugs: Vec<Resolution>,
    /// Digest of what its parts are composed to, where status tells: each part is remembered then, with its
    /// links.
    pub composed: Option<Digest>,
    /// What exists of its name or with its label.
    pub children: Children,
}

impl Seen {
    /// What a part's image was found to be.
    #[must_use]
    pub fn resolution_of(&self, part: &Part<'_>) -> &Resolution {
        match part.index {
            None => &self.resolution,
            Some(index) => self.plugs.get(index).unwrap_or(&Resolution::Unknown),
        }
    }
}

/// What became of an image that the spec names.
#[derive(Debug, Clone)]
pub enum Resolution {
    /// Nobody has looked yet.
    Unknown,
    /// It came to nothing.
    Failed(Failure),
    /// It is pinned, and its component is known.
    Resolved(Component),
}

/// Why an image came to nothing, or an object wasn't applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For machines.
    pub reason: Reason,
    /// For people: what was tried, on what, what the reader can do. No text that a registry answered.
    pub message: String,
    /// Whether the same may succeed later with the Morph unchanged and nobody's help.
    pub transient: bool,
}

/// The component behind an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// The image by the digest of its manifest.
    pub image: PinnedImage,
    /// Digest of the component's own bytes.
    pub content: Digest,
    /// What it needs and how it runs.
    pub known: Known,
}

/// How a component is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Its bytes were read.
    Read(Arc<World>),
    /// The Morph's status tells: the registry wasn't asked again.
    Remembered {
        /// What it imports.
        imports: Vec<InterfaceId>,
        /// Those of its imports that other parts answer.
        links: Vec<Link>,
        /// How it runs; none of a plug.
        runs: Option<RunType>,
    },
}

impl Known {
    /// What the component imports.
    #[must_use]
    pub fn imports(&self) -> &[InterfaceId] {
        match self {
            Self::Read(world) => &world.imports,
            Self::Remembered { imports, .. } => imports,
        }
    }
}

/// What exists now of a Morph's name or with its label, of the kinds that a plan can hold; whoever owns it.
#[derive(Debug, Clone, Default)]
pub struct Children(pub Vec<Child>);

impl Children {
    /// The child of this kind and name.
    #[must_use]
    pub fn get(&self, kind: ChildKind, name: &str) -> Option<&Child> {
        self.0.iter().find(|child| child.kind == kind && child.name == name)
    }

    /// Those that this Morph's uid owns.
    pub fn owned<'a>(&'a self, uid: &'a str) -> impl Iterator<Item = &'a Child> {
        self.0.iter().filter(move |child| child.owner.as_deref() == Some(uid))
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The condition that says so; Ready repeats it.
    pub condition: ConditionType,
    /// For machines.
    pub reason: Reason,
    /// For people; names the field.
    pub message: String,
    /// Whether it may pass by itself.
    pub transient: bool,
    /// Whether pods that are there must go.
    pub drains: bool,
    /// The component, once its type is settled and its imports are answered.
    pub found: Option<Box<Found>>,
}

impl Refusal {
    /// A refusal that stays until somebody changes something.
    #[must_use]
    pub fn of(condition: ConditionType, reason: Reason, message: impl Into<String>) -> Self {
        Self { condition, reason, message: message.into(), transient: false, drains: false, found: None }
    }

    /// The same, as one that may pass by itself.
    #[must_use]
    pub fn passing(self) -> Self {
        Self { transient: true, ..self }
    }

    /// The same, with what is known of the component.
    #[must_use]
    pub fn found(self, found: Found) -> Self {
        Self { found: Some(Box::new(found)), ..self }
    }
}

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// There was none, or it wasn't tried.
    Not,
    /// The API server has all of it.
    All {
        /// Whether anything had to be written or deleted: what was seen before is of the past then.
        changed: bool,
    },
    /// An object was refused.
    Failed(Failure),
}

/// What shall be: pure data that leaves no choice to who applies it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What shall be gone, first.
    pub delete: Vec<Deletion>,
    /// What shall be there, in this order.
    pub apply: Vec<Object>,
}

/// An object that shall be there, whole as we own it.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// The pods' own account, without rights.
    ServiceAccount(Box<ServiceAccount>),
    /// Whom the pods reach and who reaches them.
    NetworkPolicy(Box<NetworkPolicy>),
    /// Where a Server answers.
    Service(Box<Service>),
    /// A Server's pods.
    Deployment(Box<Deployment>),
    /// A Command's run.
    Job(Box<Job>),
    /// A Command's runs by the clock.
    CronJob(Box<CronJob>),
}

impl Object {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ChildKind {
        match self {
            Self::ServiceAccount(_) => ChildKind::ServiceAccount,
            Self::NetworkPolicy(_) => ChildKind::NetworkPolicy,
            Self::Service(_) => ChildKind::Service,
            Self::Deployment(_) => ChildKind::Deployment,
            Self::Job(_) => ChildKind::Job,
            Self::CronJob(_) => ChildKind::CronJob,
        }
    }

    /// Its metadata.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::ServiceAccount(object) => &object.metadata,
            Self::NetworkPolicy(object) => &object.metadata,
            Self::Service(object) => &object.metadata,
            Self::Deployment(object) => &object.metadata,
            Self::Job(object) => &object.metadata,
            Self::CronJob(object) => &object.metadata,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// As the API server reads it, with apiVersion and kind.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        let value = match self {
            Self::ServiceAccount(object) => serde_json::to_value(object),
            Self::NetworkPolicy(object) => serde_json::to_value(object),
            Self::Service(object) => serde_json::to_value(object),
            Self::Deployment(object) => serde_json::to_value(object),
            Self::Job(object) => serde_json::to_value(object),
            Self::CronJob(object) => serde_json::to_value(object),
        };
        // These types have no map keys but texts, so this can't fail; the API server would refuse null.
        value.unwrap_or_default()
    }
}

/// An object that shall be gone: this one in this state, and no other of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Its kind.
    pub kind: ChildKind,
    /// Its name.
    pub name: String,
    /// Its uid, a precondition.
    pub uid: String,
    /// Its resourceVersion, a precondition.
    pub resource_version: String,
    /// Whether it stays visible until its pods are gone (propagation Foreground, else Background).
    pub wait_for_pods: bool,
}

/// Whose plan it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The Morph's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl Identity {
    /// The identity of a Morph that the API server has.
    #[must_use]
    pub fn of(morph: &Morph) -> Self {
        let meta = &morph.metadata;
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
        }
    }
}

/// A component whose type is settled and whose imports are answered, and its plugs. Of parts that don't fit
/// together the imports have no answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The image by the digest of its manifest.
    pub image: PinnedImage,
    /// Digest of the component's own bytes.
    pub content: Digest,
    /// How it runs.
    pub runs: RunType,
    /// Each import with its answer.
    pub imports: Vec<Answered>,
    /// Those of its imports that plugs answer.
    pub links: Vec<Link>,
    /// Its plugs, by name.
    pub plugs: Vec<FoundPlug>,
    /// Digest of what the parts are composed to; none without plugs, and of parts that don't fit together.
    pub composed: Option<Digest>,
}

impl Found {
    /// Whether each import of each part has an answer, be it a refusal.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.plugs.is_empty() || self.composed.is_some()
    }
}

/// A plug whose imports are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPlug {
    /// Its name.
    pub name: String,
    /// The image by the digest of its manifest.
    pub image: PinnedImage,
    /// Digest of the component's own bytes.
    pub content: Digest,
    /// Each import with its answer.
    pub imports: Vec<Answered>,
    /// Those of its imports that other plugs answer.
    pub links: Vec<Link>,
}

#[cfg(test)]
mod tests;
