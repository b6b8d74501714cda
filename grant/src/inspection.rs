//! What a node says of an image that the operator can't read: the termination message of an inspection. It
//! grants nothing, and the shim checks all of it again when the component is run.

use crate::Digest;
use morph_component::{InterfaceId, World};
use serde::{Deserialize, Serialize};

/// Annotation of a pod whose container is looked at and not run.
pub const INSPECT_ANNOTATION: &str = "hayride.dev/inspect";

/// Name of the container that is looked at.
pub const INSPECT_CONTAINER: &str = "inspect";

/// Longest inspection, in bytes: what the kubelet reads of a termination message.
pub const INSPECTION_BYTES_MAX: usize = 4096;

/// What an image was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inspection {
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Digest of the component's own bytes.
    pub content: Digest,
    /// What the component imports.
    pub imports: Vec<InterfaceId>,
    /// The interfaces that it exports.
    pub exports: Vec<InterfaceId>,
}

/// Why there is no inspection.
#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    /// Beyond [`INSPECTION_BYTES_MAX`].
    #[error(
        "the component's imports and exports take {size} bytes, and a node can tell at most \
         {INSPECTION_BYTES_MAX}; give the operator credentials of its own (--docker-config)"
    )]
    TooLarge {
        /// Size, in bytes.
        size: usize,
    },
    /// Not what a node says.
    #[error("the termination message is no inspection")]
    Malformed(#[source] serde_json::Error),
}

impl Inspection {
    /// What is told of a component.
    #[must_use]
    pub fn of(manifest: Digest, content: Digest, world: &World) -> Self {
        Self { manifest, content, imports: world.imports.clone(), exports: world.exports.clone() }
    }

    /// As a termination message.
    ///
    /// # Errors
    /// [`InspectionError::TooLarge`].
    pub fn to_text(&self) -> Result<String, InspectionError> {
        let text = serde_json::to_string(self).map_err(InspectionError::Malformed)?;
        if text.len() > INSPECTION_BYTES_MAX {
            return Err(InspectionError::TooLarge { size: text.len() });
        }
        Ok(text)
    }

    /// From a termination message.
    ///
    /// # Errors
    /// Any [`InspectionError`].
    pub fn parse(text: &str) -> Result<Self, InspectionError> {
        if text.len() > INSPECTION_BYTES_MAX {
            return Err(InspectionError::TooLarge { size: text.len() });
        }
        serde_json::from_str(text).map_err(InspectionError::Malformed)
    }

    /// The world, as far as it was told.
    #[must_use]
    pub fn world(&self) -> World {
        World { imports: self.imports.clone(), exports: self.exports.clone(), plain_exports: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn inspection(imports: usize) -> Inspection {
        let id = |index: usize| format!("acme:weather/thing{index}@1.0.0").parse().unwrap();
        Inspection {
            manifest: Digest::of(b"manifest"),
            content: Digest::of(b"content"),
            imports: (0..imports).map(id).collect(),
            exports: vec!["wasi:cli/run@0.2.3".parse().unwrap()],
        }
    }

    #[test]
    fn what_is_told_is_what_is_read() {
        let told = inspection(40);
        let read = Inspection::parse(&told.to_text().unwrap()).unwrap();
        assert_eq!(read, told);
        assert_eq!((read.world().imports, read.world().exports), (told.imports, told.exports));
    }

    #[test]
    fn what_a_kubelet_would_cut_is_not_told() {
        let fits = (0..200).rev().find(|count| inspection(*count).to_text().is_ok()).unwrap();
        assert!(inspection(fits).to_text().unwrap().len() <= INSPECTION_BYTES_MAX);
        let error = inspection(fits + 1).to_text().unwrap_err();
        assert!(error.to_string().contains("--docker-config"), "{error}");
        assert!(matches!(
            Inspection::parse(&" ".repeat(5000)),
            Err(InspectionError::TooLarge { size: 5000 })
        ));
    }

    #[test]
    fn other_words_are_no_inspection() {
        let text = inspection(1).to_text().unwrap();
        for wrong in [
            String::new(),
            "{}".into(),
            text[..text.len() - 1].to_owned(),
            text.replace("manifest", "manifesto"),
            text.replacen("sha256:", "sha256:0", 1),
            text.replace("acme:weather/thing0@1.0.0", "thing"),
            text.replacen('{', "{\"grants\":{},", 1),
        ] {
            assert!(matches!(Inspection::parse(&wrong), Err(InspectionError::Malformed(_))), "{wrong}");
        }
    }
}
