//! Every example works as it stands, but for the registry's name.

use super::volumes::{make_volume, remove_volume};
use anyhow::{Context as _, Result};
use k8s_openapi::api::batch::v1::CronJob;
use morph_e2e::{Cluster, Pushed, Space, guest};
use std::path::Path;

/// Applies `examples/<name>/morph.yaml` with the images from the local registry.
async fn apply_example(space: &Space, name: &str, guest_name: &str) -> Result<()> {
    let pushed = Pushed::push(&space.name, guest_name, "0.1.0", guest(guest_name)?).await?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).join("morph.yaml");
    let yaml = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let image = format!("registry.example/morph/{guest_name}:0.1.0");
    assert!(yaml.contains(&image), "{name} names {image}");
    space.apply(&yaml.replace(&image, &pushed.image)).await
}

async fn serves(name: &str, wanted: &str) -> Result<()> {
    Cluster::run(name, async |space| {
        apply_example(space, name, name).await?;
        space.ready(name).await?;
        let text = space.answer(name, "/").await?;
        assert!(text.contains(wanted), "{text}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn hello() -> Result<()> {
    serves("hello", "GREETING=good day").await
}

#[tokio::test]
async fn hello_p3() -> Result<()> {
    serves("hello-p3", "Hello from a Morph of WASI 0.3!").await
}

#[tokio::test]
async fn javascript() -> Result<()> {
    serves("javascript", "Hello from JavaScript!").await
}

#[tokio::test]
async fn limits() -> Result<()> {
    Cluster::run("limits", async |space| {
        apply_example(space, "limits", "hello").await?;
        space.ready("limits").await?;
        let text = space.answer("limits", "/").await?;
        assert!(text.contains("Hello from a Morph!"), "{text}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn command() -> Result<()> {
    Cluster::run("command", async |space| {
        apply_example(space, "command", "command").await?;
        space.ready("command").await?;
        let log = space.kubectl(&["logs", "-l", "hayride.dev/morph=command"])?;
        assert!(log.contains("arg --units\narg metric\nenv CITY=Porto\n"), "{log}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn scheduled() -> Result<()> {
    Cluster::run("scheduled", async |space| {
        apply_example(space, "scheduled", "command").await?;
        space.ready("scheduled").await?;
        let cron = space.api::<CronJob>().get("scheduled").await?;
        assert_eq!(cron.spec.schedule, "* * * * *");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn counter() -> Result<()> {
    Cluster::run("counter", async |space| {
        make_volume(space).await?;
        apply_example(space, "counter", "counter").await?;
        space.ready("counter").await?;
        assert_eq!(space.answer("counter", "/").await?, "1\n");
        assert_eq!(space.answer("counter", "/").await?, "2\n");
        remove_volume(space)
    })
    .await
}
