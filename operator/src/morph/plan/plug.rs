//! What plugs add to a pod: the image of each as a volume, so that the kubelet pulls it with the pod's pull
//! secrets and keeps it while the pod is there, and variables by reference under names of each plug's own.

use super::names;
use crate::morph::FoundPlug;
use k8s_openapi::api::core::v1::{ImageVolumeSource, Volume, VolumeMount};
use morph_crds::{MorphSpec, Part};
use morph_grant::PLUG_VARIABLE_PREFIX;

/// Plugs in the grant document's order, each with its index among the components: in whatever order the spec
/// has them, the same plug gets the same.
pub(crate) fn numbered(spec: &MorphSpec) -> impl Iterator<Item = (usize, Part<'_>)> {
    spec.parts_by_name().into_iter().enumerate().skip(1)
}

/// The container's variable for a plug's. The index ends at the first `/`, so that no two plugs' meet; and no
/// key of a ConfigMap or Secret has one, so that none that the Morph's own `envFrom` takes can stand for a
/// plug's whose own optional source isn't there. Kubernetes has such names since 1.34 (KEP-4369): before
/// image volumes, without which there is no plug.
pub(crate) fn variable(index: usize, name: &str) -> String {
    format!("{PLUG_VARIABLE_PREFIX}{index}/{name}")
}

/// The volume of a plug's image, pinned by digest.
pub(super) fn volume(plug: &FoundPlug, pull_policy: &str) -> Volume {
    Volume {
        name: names::plug_volume(&plug.name),
        image: Some(ImageVolumeSource {
            reference: Some(plug.image.to_string()),
            pull_policy: Some(pull_policy.to_owned()),
        }),
        ..Volume::default()
    }
}

/// Its mount.
pub(super) fn mount(plug: &FoundPlug) -> VolumeMount {
    VolumeMount {
        name: names::plug_volume(&plug.name),
        mount_path: names::plug_path(&plug.name),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
