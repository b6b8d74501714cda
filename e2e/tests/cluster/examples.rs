//! Every example works as it stands, but for the registry's name.

use super::volumes::{make_volume, remove_volume};
use anyhow::{Context as _, Result};
use k8s_openapi::api::batch::v1::CronJob;
use morph_crds::{ConditionType, Reason};
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
        // The line on stderr comes by a way of its own.
        let told: Vec<_> = log.lines().filter(|line| *line != "shown on stderr").collect();
        assert_eq!(told, ["arg show", "arg --units", "arg metric", "env CITY=Porto"]);
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
        make_volume(space, "counter").await?;
        apply_example(space, "counter", "counter").await?;
        space.ready("counter").await?;
        assert_eq!(space.answer("counter", "/").await?, "1\n");
        assert_eq!(space.answer("counter", "/").await?, "2\n");
        remove_volume(space)
    })
    .await
}

/// Runs an example that is a Command; its log has each of these words.
async fn runs(name: &str, guest_name: &str, wanted: &[&str]) -> Result<()> {
    Cluster::run(name, async |space| {
        apply_example(space, name, guest_name).await?;
        check_log(space, name, wanted).await
    })
    .await
}

async fn check_log(space: &Space, name: &str, wanted: &[&str]) -> Result<()> {
    space.condition(name, ConditionType::Ready, "True", Some(Reason::CommandSucceeded)).await?;
    let log = space.kubectl(&["logs", "-l", &format!("hayride.dev/morph={name}")])?;
    for words in wanted {
        assert!(log.contains(words), "{words}: {log}");
    }
    Ok(())
}

#[tokio::test]
async fn config() -> Result<()> {
    runs("config", "config", &["units=metric\n", "city=Porto\n"]).await
}

#[tokio::test]
async fn keyvalue() -> Result<()> {
    runs("keyvalue", "keyvalue", &["open: Ok(())", "get: Ok(\"Porto\")", "add: Ok(\"2\")"]).await
}

#[tokio::test]
async fn logging() -> Result<()> {
    runs("logging", "logging", &["\"level\":\"trace\"", "\"message\":\"three\"", "logged"]).await
}

#[tokio::test]
async fn determinism() -> Result<()> {
    runs("determinism", "command", &["arg show"]).await
}

#[tokio::test]
async fn sockets() -> Result<()> {
    // The API server was reached; it speaks TLS, and hangs up.
    runs("sockets", "sockets", &["Closed"]).await
}

#[tokio::test]
async fn subpath() -> Result<()> {
    Cluster::run("subpath", async |space| {
        let porto = make_volume(space, "cities").await?.join("europe/porto");
        std::fs::create_dir_all(&porto)?;
        std::fs::write(porto.join("name"), "Porto of the volume")?;
        apply_example(space, "subpath", "command").await?;
        check_log(space, "subpath", &["Porto of the volume"]).await?;
        remove_volume(space)
    })
    .await
}

#[tokio::test]
async fn every_example_of_the_pages_is_one_that_the_api_server_takes() -> Result<()> {
    Cluster::run("pages", async |space| {
        let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/capabilities");
        let mut count = 0;
        for page in std::fs::read_dir(pages)? {
            let text = std::fs::read_to_string(page?.path())?;
            for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
                if block.contains("kind: Morph\n") {
                    space.apply(block).await.with_context(|| block.to_owned())?;
                    count += 1;
                }
            }
        }
        assert!(count >= 9, "a Morph for each capability: {count}");
        Ok(())
    })
    .await
}
