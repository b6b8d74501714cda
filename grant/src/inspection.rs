//! What a node says of an image that the operator can't read: the termination message of an inspection. It
//! grants nothing, and the shim checks all of it again when the component is run.

use crate::Digest;
use morph_component::{InterfaceId, Shapes, World};
use serde::{Deserialize, Serialize};

/// Annotation of a pod whose container is looked at and not run.
pub const INSPECT_ANNOTATION: &str = "hayride.dev/inspect";

/// Name of the container that is looked at.
pub const INSPECT_CONTAINER: &str = "inspect";

/// Longest inspection, in bytes: what the kubelet reads of a termination message.
pub const INSPECTION_BYTES_MAX: usize = 4096;

/// What an image was found to be. Whoever reads one leaves out what it doesn't know: a node's shim may be
/// another release than the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspection {
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Digest of the component's own bytes.
    pub content: Digest,
    /// What the component imports.
    pub imports: Vec<InterfaceId>,
    /// The interfaces that it exports.
    pub exports: Vec<InterfaceId>,
    /// What is in these interfaces, as far as there is room to tell. Two releases that spell a type in two
    /// ways have two names for this.
    #[serde(rename = "shapes1", default, skip_serializing_if = "Shapes::are_untold")]
    pub shapes: Shapes,
}

/// What the JSON of shapes takes besides them: `,"shapes1":{"imports":[],"exports":[]}`, in bytes.
const AROUND_SHAPES_BYTES: usize = 38;

/// What stands around a shape (`"",`), and instead of one (`null,`), in bytes.
const AROUND_SHAPE_BYTES: usize = 3;
const NO_SHAPE_BYTES: usize = 5;

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
    /// What is told of a component: its interfaces in any case, and what is in them where there is room.
    #[must_use]
    pub fn of(manifest: Digest, content: Digest, world: &World) -> Self {
        let (imports, exports) = (world.imports.clone(), world.exports.clone());
        let bare = Self { manifest, content, imports, exports, shapes: Shapes::default() };
        let bare_bytes = serde_json::to_string(&bare).map_or(INSPECTION_BYTES_MAX, |text| text.len());
        let count = world.imports.len() + world.exports.len();
        let taken_bytes = bare_bytes + AROUND_SHAPES_BYTES + count * NO_SHAPE_BYTES;
        let room_bytes = INSPECTION_BYTES_MAX.saturating_sub(taken_bytes);
        Self { shapes: world.shapes_within(room_bytes, AROUND_SHAPE_BYTES), ..bare }
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
        let (imports, exports) = (self.imports.clone(), self.exports.clone());
        World { imports, exports, shapes: self.shapes.clone(), ..World::default() }
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
            shapes: Shapes::default(),
        }
    }

    /// What is told of a world of so many imports, each with a shape of this many bytes.
    fn told(imports: usize, shape_bytes: usize) -> Inspection {
        let Inspection { manifest, content, imports, exports, .. } = inspection(imports);
        let shape = format!("f: func() -> {}", "x".repeat(shape_bytes - 13)).parse().unwrap();
        let shapes = Shapes { imports: vec![Some(shape); imports.len()], exports: vec![None] };
        let world = World { imports, exports, shapes, ..World::default() };
        Inspection::of(manifest, content, &world)
    }

    #[test]
    fn what_is_in_interfaces_is_told_as_far_as_there_is_room() {
        let some = |told: &Inspection| told.shapes.imports.iter().flatten().count();
        for (imports, shape_bytes, want) in
            [(10, 100, 10..=10), (40, 100, 10..=30), (40, 1_000, 2..=2), (60, 4_000, 0..=0)]
        {
            let told = told(imports, shape_bytes);
            let text = told.to_text().unwrap();
            assert!(want.contains(&some(&told)), "{imports} {shape_bytes}: {}", some(&told));
            let read = Inspection::parse(&text).unwrap();
            assert_eq!((read.shapes.are_untold(), &read.imports), (some(&told) == 0, &told.imports));
            assert_eq!(some(&read), some(&told));
        }
    }

    #[test]
    fn shapes_never_keep_interfaces_from_being_told() {
        for imports in 0..200 {
            if inspection(imports).to_text().is_ok() {
                assert!(told(imports, 50).to_text().is_ok(), "{imports}");
            }
        }
    }

    #[test]
    fn a_message_without_shapes_is_read() {
        let text = inspection(2).to_text().unwrap();
        assert!(!text.contains("shapes"), "{text}");
        assert!(Inspection::parse(&text).unwrap().world().shapes.are_untold());
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
        ] {
            assert!(matches!(Inspection::parse(&wrong), Err(InspectionError::Malformed(_))), "{wrong}");
        }
    }

    #[test]
    fn what_another_release_tells_besides_is_left_out() {
        let told = told(2, 50);
        let text = told.to_text().unwrap();
        let more = text.replacen('{', "{\"more\":{\"a\":1},", 1);
        assert_eq!(Inspection::parse(&more).unwrap(), told);
        let read = Inspection::parse(&text.replace("\"shapes1\"", "\"shapes2\"")).unwrap();
        assert!(!told.shapes.are_untold() && read.shapes.are_untold(), "another spelling of types");
    }
}
