//! Volumes as granted and only as granted.

use anyhow::Result;
use morph_e2e::{Cluster, Node, Space};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A persistent volume in a directory of the node, for this claim of the namespace, writable for the pods'
/// group.
pub(crate) async fn make_volume(space: &Space, claim: &str) -> Result<PathBuf> {
    let directory = Node::state()?.join("volumes").join(&space.name);
    std::fs::create_dir_all(&directory)?;
    std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
    let (name, path) = (&space.name, directory.display());
    space
        .apply(&format!(
            "{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: {name}}}, spec: {{
                capacity: {{storage: 1Mi}}, accessModes: [ReadWriteOnce],
                persistentVolumeReclaimPolicy: Retain, local: {{path: {path}}},
                nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [
                    {{key: kubernetes.io/hostname, operator: Exists}}]}}]}}}},
                claimRef: {{namespace: {name}, name: {claim}}}}}}}"
        ))
        .await?;
    Ok(directory)
}

/// Claims it, as the example does.
async fn claim_volume(space: &Space) -> Result<()> {
    space
        .apply(
            "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: counter}, spec: {
                accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}",
        )
        .await
}

pub(crate) fn remove_volume(space: &Space) -> Result<()> {
    morph_e2e::kubectl(&["delete", "persistentvolume", &space.name, "--wait=false"])?;
    std::fs::remove_dir_all(Node::state()?.join("volumes").join(&space.name))?;
    Ok(())
}

fn counter(image: &str, access: &str) -> Value {
    json!({
        "image": image,
        "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": "counter" } }],
        "capabilities": { "filesystem": [{ "volume": "data", "path": "/data", "access": access }] },
    })
}

#[tokio::test]
async fn a_number_outlives_its_pod_and_a_read_only_grant_refuses_a_write() -> Result<()> {
    Cluster::run("volume", async |space| {
        let image = space.push_guest("counter").await?.image;
        make_volume(space, "counter").await?;
        claim_volume(space).await?;
        space.morph("counter", &counter(&image, "ReadWrite")).await?;
        space.ready("counter").await?;
        let first: u64 = space.answer("counter", "/").await?.trim().parse()?;
        assert_eq!(space.answer("counter", "/").await?, format!("{}\n", first + 1));
        space.kubectl(&["delete", "pod", "-l", "hayride.dev/morph=counter", "--wait=true"])?;
        space.ready("counter").await?;
        let after: u64 = space.answer("counter", "/").await?.trim().parse()?;
        assert!(after > first + 1, "{after} after {}", first + 1);

        nothing_outside(space).await?;
        space.morph("counter", &counter(&image, "ReadOnly")).await?;
        space.ready("counter").await?;
        // A pod that may write ends a while after Ready is said: none may be left that takes the write below.
        space.pod_count("counter", 1).await?;
        let (status, text) = space.fetch("counter", "/write/data/count").await?;
        assert_eq!(status, 500, "{text}");
        assert!(text.contains("refused: "), "{text}");
        let kept = space.answer("counter", "/read/data/count").await?;
        assert_eq!(kept, format!("{after}\n"));
        remove_volume(space)
    })
    .await
}

/// Paths that aren't granted don't exist, by whichever way they are named.
async fn nothing_outside(space: &Space) -> Result<()> {
    for path in [
        "/etc/passwd",
        "/run/hayride.dev/volumes/data/count",
        "/data/../etc/passwd",
        "/code",
        "/proc/self/maps",
    ] {
        let (status, text) = space.fetch("counter", &format!("/read{path}")).await?;
        assert_eq!(status, 500, "{path}: {text}");
        let (status, text) = space.fetch("counter", &format!("/write{path}")).await?;
        assert_eq!(status, 500, "{path}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_volume_without_a_grant_is_not_there_and_config_maps_are_files() -> Result<()> {
    Cluster::run("ungranted", async |space| {
        let image = space.push_guest("counter").await?.image;
        space.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: w}, data: {city: Porto}}").await?;
        let spec = json!({
            "image": image,
            "volumes": [{ "name": "scratch", "emptyDir": {} }, { "name": "w", "configMap": { "name": "w" } }],
            "capabilities": { "filesystem": [{ "volume": "w", "path": "/config" }] },
        });
        space.morph("counter", &spec).await?;
        space.ready("counter").await?;
        assert_eq!(space.answer("counter", "/read/config/city").await?, "Porto");
        for path in ["/read/scratch/x", "/write/scratch/x", "/write/config/city", "/write/config/new"] {
            let (status, text) = space.fetch("counter", path).await?;
            assert_eq!(status, 500, "{path}: {text}");
        }
        Ok(())
    })
    .await
}
