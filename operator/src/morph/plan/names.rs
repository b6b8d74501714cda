//! Names, labels and owner of what belongs to a Morph.

use crate::morph::validate::Valid;
use crate::morph::{Identity, KEY_ANNOTATION, MORPH_UID_LABEL, SPEC_ANNOTATION};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use morph_crds::{MORPH_LABEL, MorphSpec};
use morph_grant::Digest;
use serde::Serialize;
use std::collections::BTreeMap;

/// What an owner reference calls a Morph.
pub(crate) const API_VERSION: &str = "hayride.dev/v1alpha1";
/// The same, for the kind.
pub(crate) const KIND: &str = "Morph";

/// Directory below which the kubelet mounts volumes in the container. No guest sees it.
const MOUNTS: &str = "/run/hayride.dev/volumes";

/// The volume of the files that the host alone reads. The schema refuses a volume of a Morph's own by this
/// name.
pub(crate) const FILES_VOLUME: &str = "hayride-files";

/// Where the kubelet mounts it, beside the others.
pub(crate) const FILES_PATH: &str = "/run/hayride.dev/files";

/// How the volume of a plug's image begins, before the plug's name of at most 40 characters: with it, it is
/// a DNS label. The schema refuses a volume of a Morph's own by such a name.
pub(crate) const PLUG_VOLUME_PREFIX: &str = "hayride-plug-";

/// Directory below which the kubelet mounts plugs' images, beside the others. Of a Wasm artifact that is an
/// empty directory: what is asked of it is that the image is on the node, and which one.
const PLUGS: &str = "/run/hayride.dev/plugs";

/// Characters of a Job's hash: with a dash it fits behind a name of 52 in a label of 63.
const JOB_HASH_CHARS: usize = 10;

/// Characters of the spec's hash: nobody profits from a collision, it only saves a look at the registry.
const SPEC_HASH_CHARS: usize = 16;

/// Where a volume is mounted in the container.
pub(crate) fn mount_path(volume: &str) -> String {
    format!("{MOUNTS}/{volume}")
}

/// The volume of a plug's image.
pub(crate) fn plug_volume(plug: &str) -> String {
    format!("{PLUG_VOLUME_PREFIX}{plug}")
}

/// Where it is mounted in the container.
pub(crate) fn plug_path(plug: &str) -> String {
    format!("{PLUGS}/{plug}")
}

/// The one label that selects a Morph's pods.
pub(crate) fn selector_labels(name: &str) -> BTreeMap<String, String> {
    [(MORPH_LABEL.to_owned(), name.to_owned())].into()
}

/// The same as a selector.
pub(crate) fn selector(name: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(selector_labels(name)), match_expressions: None }
}

/// Labels of everything that belongs to a Morph. The Morph's own labels are not among them.
pub(crate) fn labels(identity: &Identity) -> BTreeMap<String, String> {
    let mut labels = selector_labels(&identity.name);
    labels.insert(MORPH_UID_LABEL.to_owned(), identity.uid.clone());
    labels
}

/// Metadata of a child of this name.
pub(crate) fn metadata(identity: &Identity, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(identity.namespace.clone()),
        labels: Some(labels(identity)),
        owner_references: Some(vec![owner(identity)]),
        ..ObjectMeta::default()
    }
}

/// Metadata of the child that runs pods.
pub(super) fn workload_metadata(valid: &Valid, name: &str) -> ObjectMeta {
    let mut annotations = BTreeMap::from([(SPEC_ANNOTATION.to_owned(), spec_hash(&valid.spec))]);
    // It was sealed, so it names its key.
    if let Ok(key) = morph_grant::key_id_of(&valid.envelope) {
        annotations.insert(KEY_ANNOTATION.to_owned(), key.to_string());
    }
    ObjectMeta { annotations: Some(annotations), ..metadata(&valid.identity, name) }
}

fn owner(identity: &Identity) -> OwnerReference {
    OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        name: identity.name.clone(),
        uid: identity.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Name of a Command's Job: the Morph's, and the hash of what can't change in a Job.
pub(super) fn job(morph: &str, fixed: &impl Serialize) -> String {
    format!("{morph}-{}", hash(fixed, JOB_HASH_CHARS))
}

/// Hash of the part of the spec for which the image is resolved anew: all of it but what is changed in a
/// running workload. A tag that has moved must not roll pods because somebody, or an autoscaler, scales.
pub(crate) fn spec_hash(spec: &MorphSpec) -> String {
    let mut spec = spec.clone();
    spec.replicas = 0;
    // In which order they stand changes nothing.
    spec.plugs.sort_by(|a, b| a.name.cmp(&b.name));
    spec.links.sort_by(|a, b| (&a.from, &a.interface).cmp(&(&b.from, &b.interface)));
    if let Some(run) = &mut spec.run {
        run.suspend = None;
        run.parallelism = None;
        run.backoff_limit = None;
        run.active_deadline_seconds = None;
    }
    hash(&spec, SPEC_HASH_CHARS)
}

/// The first characters of the hash of a value's JSON. These types have no map keys but texts, so writing
/// them can't fail; were it to, the hash of nothing would stand there, and the lint would refuse the plan.
fn hash(value: &impl Serialize, chars: usize) -> String {
    let text = serde_json::to_vec(value).unwrap_or_default();
    Digest::of(&text).hex().chars().take(chars).collect()
}

#[cfg(test)]
mod tests;
