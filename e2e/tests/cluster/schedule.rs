//! A Command on a schedule: a CronJob that fires, and stops when it is suspended.

use anyhow::Result;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use morph_crds::ConditionType;
use morph_e2e::{Cluster, until};
use serde_json::json;

#[tokio::test]
async fn a_scheduled_command_fires_and_can_be_suspended() -> Result<()> {
    Cluster::run("cron", async |space| {
        let image = space.push_guest("command").await?.image;
        let spec = |suspend: bool| {
            json!({
                "image": image, "type": "Command", "args": ["exit", "0"],
                "run": {
                    "schedule": "* * * * *", "timeZone": "Etc/UTC", "suspend": suspend, "backoffLimit": 0,
                },
            })
        };
        space.morph("tick", &spec(false)).await?;
        space.condition("tick", ConditionType::Ready, "True", None).await?;
        // Up to a minute until the clock strikes, and as long as a Morph may take.
        until(150, "a Job of the schedule has succeeded", async || {
            let jobs = space.api::<Job>().list(&Default::default()).await?.items;
            let done = jobs.iter().any(|job| job.status.as_ref().and_then(|s| s.succeeded) == Some(1));
            Ok(if done { Ok(()) } else { Err(jobs.len()) })
        })
        .await?;
        space.morph("tick", &spec(true)).await?;
        let cron = until(30, "the CronJob is suspended", async || {
            let cron = space.api::<CronJob>().get("tick").await?;
            let suspended = cron.spec.suspend == Some(true);
            Ok(if suspended { Ok(cron) } else { Err(cron.spec.suspend) })
        })
        .await?;
        let spec = cron.spec;
        assert_eq!(spec.time_zone.as_deref(), Some("Etc/UTC"));
        assert_eq!(spec.concurrency_policy.as_deref(), Some("Forbid"));
        Ok(())
    })
    .await
}
