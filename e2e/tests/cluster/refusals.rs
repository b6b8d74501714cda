//! Each refusal: which condition says so, with which reason, that no pod is made, and that a fix heals it.

use anyhow::{Context as _, Result};
use morph_crds::{ConditionType, Reason};
use morph_e2e::{Cluster, Process, Pushed, Space, guest};
use serde_json::{Value, json};

/// The Morph says no, in this condition with this reason and these words, and has no pod.
async fn refused(
    space: &Space,
    spec: &Value,
    condition: ConditionType,
    reason: Reason,
    word: &str,
) -> Result<()> {
    space.morph("m", spec).await?;
    let morph = space.condition("m", condition, "False", Some(reason)).await?;
    space.condition("m", ConditionType::Ready, "False", None).await?;
    let status = morph.status.context("no status")?;
    let found = status.conditions.iter().find(|c| c.type_ == condition.as_str()).context("no condition")?;
    assert!(found.message.contains(word), "{word}: {}", found.message);
    assert!(space.pods("m").await?.is_empty());
    Ok(())
}

/// With the image corrected, the same Morph becomes Ready.
async fn healed(space: &Space) -> Result<()> {
    let hello = space.push_guest("hello").await?;
    space.morph("m", &json!({ "image": hello.image })).await?;
    space.ready("m").await?;
    space.answer("m", "/").await?;
    Ok(())
}

#[tokio::test]
async fn an_image_that_is_missing_and_comes_later() -> Result<()> {
    Cluster::run("missing", async |space| {
        let later = space.push("other", "1", guest("hello")?).await?.image.replace("/other:", "/later:");
        let spec = json!({ "image": later });
        refused(space, &spec, ConditionType::Resolved, Reason::ImageNotFound, "later").await?;
        // Nothing about the Morph changes: it finds the image by itself.
        space.push("later", "1", guest("hello")?).await?;
        space.ready("m").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_registry_that_is_down_and_comes_back() -> Result<()> {
    Cluster::run("registry", async |space| {
        let hello = space.push_guest("hello").await?;
        Process("registry").ask("stop")?;
        let spec = json!({ "image": hello.image });
        let down =
            refused(space, &spec, ConditionType::Resolved, Reason::RegistryUnavailable, "reached").await;
        Process("registry").ask("start")?;
        down?;
        space.ready("m").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_no_component() -> Result<()> {
    Cluster::run("no-component", async |space| {
        let text = b"this is no component".to_vec();
        let config = json!({ "layerDigests": [morph_grant::Digest::of(&text).to_string()] });
        let pushed = Pushed::push_raw(&space.name, "text", &text, &serde_json::to_vec(&config)?).await?;
        let spec = json!({ "image": pushed.image });
        refused(space, &spec, ConditionType::Resolved, Reason::NotAComponent, "not a WebAssembly").await?;
        let module = wat::parse_str("(module)")?;
        let config = json!({ "layerDigests": [morph_grant::Digest::of(&module).to_string()] });
        let pushed = Pushed::push_raw(&space.name, "module", &module, &serde_json::to_vec(&config)?).await?;
        let spec = json!({ "image": pushed.image });
        refused(space, &spec, ConditionType::Resolved, Reason::NotAComponent, "core WebAssembly module")
            .await?;
        healed(space).await
    })
    .await
}

#[tokio::test]
async fn a_component_that_can_not_be_run() -> Result<()> {
    Cluster::run("no-type", async |space| {
        let library = space.push_guest("library").await?;
        let spec = json!({ "image": library.image });
        refused(space, &spec, ConditionType::Resolved, Reason::NoKnownExport, "acme:library/words").await?;
        let command = space.push_guest("command").await?;
        let spec = json!({ "image": command.image, "type": "Server" });
        refused(space, &spec, ConditionType::Resolved, Reason::TypeMismatch, "Server").await?;
        healed(space).await
    })
    .await
}

#[tokio::test]
async fn an_import_that_is_not_granted() -> Result<()> {
    Cluster::run("denied", async |space| {
        let asks = space.push_guest("imports-http").await?;
        let spec = json!({ "image": asks.image });
        let id = "wasi:http/outgoing-handler@0.2";
        refused(space, &spec, ConditionType::ImportsSatisfied, Reason::ImportDenied, id).await?;
        let status = space.get("m").await?.status.context("no status")?;
        let denied: Vec<_> =
            status.imports.iter().filter(|i| i.answer == morph_crds::Answer::Denied).collect();
        assert_eq!(denied.len(), 1, "{denied:?}");
        assert!(denied[0].interface.starts_with(id));
        healed(space).await
    })
    .await
}

#[tokio::test]
async fn a_spec_that_contradicts_itself_is_refused_by_the_api_server() -> Result<()> {
    Cluster::run("invalid", async |space| {
        let image = "registry.example/acme/weather:1";
        for (spec, field, word) in [
            (json!({ "image": "" }), "spec.image", "at least 1"),
            (json!({ "image": "no spaces allowed" }), "spec.image", "registry/repository"),
            (
                json!({
                    "image": image,
                    "capabilities": { "filesystem": [{ "volume": "data", "path": "/data" }] },
                }),
                "spec.capabilities.filesystem",
                "spec.volumes doesn't declare",
            ),
            (
                json!({ "image": image, "volumes": [{ "name": "data", "emptyDir": {} }],
                    "capabilities": { "filesystem": [{ "volume": "data", "path": "/a/../b" }] } }),
                "spec.capabilities.filesystem[0].path",
                "absolute path",
            ),
            (json!({ "image": image, "type": "Server", "run": { "suspend": true } }), "spec.run", "Command"),
            (json!({ "image": image, "replicas": -1 }), "spec.replicas", "greater than or equal to 0"),
            (json!({ "image": image, "args": vec!["x"; 10_000] }), "spec.args", "at most"),
            (json!({ "image": image, "imagine": 1 }), "spec.imagine", "not declared in schema"),
        ] {
            let error = space.morph("m", &spec).await.err().with_context(|| format!("accepted: {spec}"))?;
            let text = format!("{error:#}");
            assert!(text.contains(field) && text.contains(word), "{field}, {word}: {text}");
        }
        healed(space).await
    })
    .await
}
