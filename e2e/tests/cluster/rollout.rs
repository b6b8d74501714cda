//! Changes of a running Server: rolled out without a lost request, and back again.

use anyhow::{Result, ensure};
use morph_crds::{ConditionType, Reason};
use morph_e2e::{Cluster, Load, until};
use serde_json::json;

#[tokio::test]
async fn a_change_rolls_without_a_failed_request_and_goes_back() -> Result<()> {
    Cluster::run("rollout", async |space| {
        let image = space.push_guest("hello").await?.image;
        let spec =
            |value: &str| json!({ "image": image, "replicas": 2, "env": [{ "name": "V", "value": value }] });
        space.morph("hello", &spec("one")).await?;
        space.ready("hello").await?;
        space.answer("hello", "/").await?;
        let mut load = Load::start(format!("{}/load", space.url("hello").await?))?;
        load.more(20).await?;
        for value in ["two", "one"] {
            space.morph("hello", &spec(value)).await?;
            until(90, &format!("only V={value} answers"), async || {
                let pods = space.pods("hello").await?;
                let settled = pods.len() == 2 && pods.iter().all(|p| p.metadata.deletion_timestamp.is_none());
                let text = space.answer("hello", "/").await?;
                Ok(if settled && text.contains(&format!("V={value}\n")) { Ok(()) } else { Err(text) })
            })
            .await?;
            space.ready("hello").await?;
            load.more(20).await?;
        }
        let tally = load.stop().await?;
        ensure!(tally.bad.is_empty(), "requests that failed: {:#?}", tally.bad);
        ensure!(tally.bodies.len() == 2, "both versions have answered: {:?}", tally.bodies);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_bad_image_leaves_the_old_pods_serving() -> Result<()> {
    Cluster::run("bad-image", async |space| {
        let image = space.push_guest("hello").await?.image;
        space.morph("hello", &json!({ "image": image })).await?;
        space.ready("hello").await?;
        let before = space.pod_count("hello", 1).await?;
        let missing = image.replace(":1", ":none");
        space.morph("hello", &json!({ "image": missing })).await?;
        space.condition("hello", ConditionType::Resolved, "False", Some(Reason::ImageNotFound)).await?;
        space.condition("hello", ConditionType::Ready, "False", None).await?;
        space.answer("hello", "/").await?;
        let after = space.pod_count("hello", 1).await?;
        assert_eq!(after[0].metadata.uid, before[0].metadata.uid);
        space.morph("hello", &json!({ "image": image })).await?;
        space.ready("hello").await?;
        let back = space.pod_count("hello", 1).await?;
        assert_eq!(back[0].metadata.uid, before[0].metadata.uid, "nothing had to be rolled");
        Ok(())
    })
    .await
}
