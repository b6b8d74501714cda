//! What can be written in YAML: the types of `hayride.dev/v1alpha1`, their schema, the vocabulary of
//! conditions, and the checks that turn a spec into a checked one. No I/O, no clients.

pub mod bounds;
mod capabilities;
pub mod ceiling;
pub mod checked;
mod condition;
mod definition;
mod environment;
mod morph;
mod part;
mod plug;
mod policy;
mod quantity;
mod status;
mod template;
mod text;
mod volume;

pub use capabilities::{
    Access, Ambient, CaBundle, Capabilities, ConfigEntry, ConfigEntrySource, Connect, Credential,
    CredentialKeyRef, Determinism, Filesystem, HttpEgress, HttpLimits, HttpRule, Keyvalue, KeyvalueMemory,
    Listen, Logging, Method, Protocol, Scheme, Sockets,
};
pub use checked::{FieldError, FieldErrors, ValidMorph};
pub use condition::{ConditionType, Reason};
pub use definition::{definition, definitions, policy_definition};
pub use environment::{ConfigMapKeyRef, EnvFrom, EnvVar, EnvVarSource, FieldRef, ObjectRef, SecretKeyRef};
pub use morph::{ConcurrencyPolicy, Http, Limits, Morph, MorphSpec, MorphType, Reuse, Run};
pub use part::{HOST, MAIN, Part};
pub use plug::{Link, Plug};
pub use policy::{
    CapabilityCeiling, CredentialCeiling, Enforcement, FilesystemCeiling, HttpCeiling, ImageCeiling,
    MorphPolicy, MorphPolicySpec, OnViolation, SocketsCeiling, VolumeKind,
};
pub use quantity::{Quantity, QuantityError};
pub use status::{Answer, ComponentStatus, ImportStatus, LinkStatus, MorphStatus, RunType};
pub use template::{
    HttpGet, LocalObjectRef, Probe, Probes, PullPolicy, ResourceAmounts, Resources, TcpSocket, Template,
};
pub use text::{Cidr, HostCeiling, HostPattern, ImagePrefix, ObjectName, PathPrefix};
pub use volume::{
    ConfigMapVolume, DownwardApiItem, DownwardApiVolume, EmptyDir, FileFieldRef, KeyToPath, Medium,
    PersistentVolumeClaim, ProjectedConfigMap, ProjectedSecret, ProjectedSource, ProjectedVolume,
    SecretVolume, Volume,
};

/// The API group.
pub const GROUP: &str = "hayride.dev";

/// The only label that selects a Morph's pods; its value is the Morph's name.
pub const MORPH_LABEL: &str = "hayride.dev/morph";

/// The label by which a namespace chooses its MorphPolicy; its value is the policy's name.
pub const POLICY_LABEL: &str = "hayride.dev/policy";

/// The policy that namespaces without the label have, if there is one of this name.
pub const POLICY_DEFAULT: &str = "default";

/// What variables begin with that carry a plug's environment to it: no name of a Morph's own begins so. The
/// grant document has the same word.
pub const PLUG_VARIABLE_PREFIX: &str = "HAYRIDE_PLUG_";
