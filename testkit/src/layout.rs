//! An image as an archive that containerd imports: an OCI layout of one manifest, packed by `tar`.

use crate::artifact::{Artifact, MANIFEST, descriptor, digest};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Writes an archive of an image with this name. `artifact` may be anything with a manifest, a config and a
/// layer.
///
/// # Errors
/// What `tar` or the file system says.
pub fn archive(file: &Path, name: &str, artifact: &Artifact) -> std::io::Result<()> {
    let directory = tempfile::tempdir()?;
    let blobs = directory.path().join("blobs/sha256");
    std::fs::create_dir_all(&blobs)?;
    let manifest = artifact.manifest_bytes();
    for bytes in [&manifest, &artifact.config, &artifact.layer] {
        std::fs::write(blobs.join(digest(bytes).trim_start_matches("sha256:")), bytes)?;
    }
    let mut entry = descriptor(MANIFEST, &manifest);
    entry["annotations"] = json!({ "io.containerd.image.name": name });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    std::fs::write(directory.path().join("index.json"), index)?;
    std::fs::write(directory.path().join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#)?;
    tar(directory.path(), file)
}

/// Packs a directory.
///
/// # Errors
/// What `tar` says.
pub fn tar(directory: &Path, file: &Path) -> std::io::Result<()> {
    let output = Command::new("tar")
        .args(["--owner=0", "--group=0", "--mtime=@0", "--sort=name", "-cf"])
        .arg(file)
        .arg("-C")
        .arg(directory)
        .arg(".")
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// An image that runc runs: one layer with the files of a directory.
///
/// # Errors
/// What `tar` or the file system says.
pub fn native(directory: &Path, entrypoint: &[&str]) -> std::io::Result<Artifact> {
    let packed = tempfile::NamedTempFile::new()?;
    tar(directory, packed.path())?;
    let layer = std::fs::read(packed.path())?;
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": { "Entrypoint": entrypoint },
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    Ok(Artifact { manifest, config, layer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_holds_every_blob_under_its_digest() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("image.tar");
        let artifact = Artifact::of(b"component");
        archive(&file, "registry.example/guest:1", &artifact).unwrap();
        assert!(
            Command::new("tar")
                .arg("-xf")
                .arg(&file)
                .arg("-C")
                .arg(directory.path())
                .status()
                .unwrap()
                .success()
        );
        let layer = digest(b"component");
        let blob = directory.path().join("blobs/sha256").join(layer.trim_start_matches("sha256:"));
        assert_eq!(std::fs::read(blob).unwrap(), b"component");
        let index = std::fs::read_to_string(directory.path().join("index.json")).unwrap();
        assert!(index.contains("registry.example/guest:1") && index.contains(&artifact.digest()), "{index}");
    }

    #[test]
    fn a_native_image_names_its_layer_twice() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("program"), "bytes").unwrap();
        let image = native(directory.path(), &["/program"]).unwrap();
        let layer = digest(&image.layer);
        assert_eq!(image.manifest["layers"][0]["digest"], layer.as_str());
        assert!(String::from_utf8(image.config.clone()).unwrap().contains(&layer));
        // Nothing of the time and of the user who packs it: the same files are the same image.
        assert_eq!(native(directory.path(), &["/program"]).unwrap().digest(), image.digest());
    }
}
