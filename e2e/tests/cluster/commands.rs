//! Commands: exit codes as Job and pod say them, output, and that what has finished is not run again.

use anyhow::{Context as _, Result};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use morph_crds::{ConditionType, Reason};
use morph_e2e::{Cluster, Node, Space, kubectl, until};
use serde_json::{Value, json};

/// How long a Command may take to end, in seconds: 100 MB of output take 24 at the rate that is let through.
const ENDED_SECONDS: u64 = 180;

fn command(image: &str, args: &[&str], run: Value) -> Value {
    json!({ "image": image, "type": "Command", "args": args, "run": run })
}

async fn jobs(space: &Space, name: &str) -> Result<Vec<Job>> {
    let params = ListParams::default().labels(&format!("hayride.dev/morph={name}"));
    Ok(space.api::<Job>().list(&params).await?.items)
}

/// Exit code and message of the only container of the only pod.
async fn ended(space: &Space, name: &str) -> Result<(i32, String)> {
    let pod = until(ENDED_SECONDS, &format!("{name}: its pod has ended"), async || {
        let pods = space.pods(name).await?;
        let ended = |pod: &&Pod| {
            let status =
                pod.status.as_ref().and_then(|s| s.container_statuses.as_ref()?.first()?.state.clone());
            status.is_some_and(|state| state.terminated.is_some())
        };
        Ok(pods.iter().find(ended).cloned().ok_or(pods.len()))
    })
    .await?;
    let statuses = pod.status.and_then(|s| s.container_statuses).context("no container status")?;
    let state = statuses[0].state.as_ref().and_then(|s| s.terminated.clone()).context("not ended")?;
    Ok((state.exit_code, state.message.unwrap_or_default()))
}

#[tokio::test]
async fn exit_code_0_is_a_success_and_output_is_in_the_log() -> Result<()> {
    Cluster::run("exit-0", async |space| {
        let image = space.push_guest("command").await?.image;
        let mut spec = command(&image, &["show", "--units", "metric"], json!({ "backoffLimit": 0 }));
        spec["env"] = json!([{ "name": "CITY", "value": "Porto" }]);
        space.morph("cmd", &spec).await?;
        space.condition("cmd", ConditionType::Ready, "True", None).await?;
        let available = space.condition("cmd", ConditionType::Available, "True", None).await?;
        assert!(format!("{:?}", available.status).contains(Reason::CommandSucceeded.as_str()));
        assert_eq!(ended(space, "cmd").await?.0, 0);
        let log = space.kubectl(&["logs", "-l", "hayride.dev/morph=cmd", "--tail=-1"])?;
        for line in ["arg show", "arg --units", "arg metric", "env CITY=Porto", "shown on stderr"] {
            assert!(log.lines().any(|found| found == line), "{line}: {log}");
        }
        let job = jobs(space, "cmd").await?.pop().context("no job")?;
        assert_eq!(job.status.and_then(|s| s.succeeded), Some(1));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_guests_own_exit_code_is_the_pods() -> Result<()> {
    Cluster::run("exit-3", async |space| {
        let image = space.push_guest("command").await?.image;
        space.morph("cmd", &command(&image, &["exit", "3"], json!({ "backoffLimit": 0 }))).await?;
        assert_eq!(ended(space, "cmd").await?.0, 3);
        space.condition("cmd", ConditionType::Ready, "False", Some(Reason::CommandFailed)).await?;
        let job = jobs(space, "cmd").await?.pop().context("no job")?;
        assert_eq!(job.status.and_then(|s| s.failed), Some(1));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_trap_has_a_code_of_its_own_and_says_so() -> Result<()> {
    Cluster::run("trap", async |space| {
        let image = space.push_guest("command").await?.image;
        space.morph("cmd", &command(&image, &["trap"], json!({ "backoffLimit": 0 }))).await?;
        let (code, message) = ended(space, "cmd").await?;
        assert_eq!(code, 134, "{message}");
        assert!(message.contains("trap"), "{message}");
        let log = space.kubectl(&["logs", "-l", "hayride.dev/morph=cmd", "--tail=-1"])?;
        assert!(log.contains("trap"), "{log}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_command_of_wasi_0_3_runs() -> Result<()> {
    Cluster::run("p3", async |space| {
        let image = space.push_guest("command-p3").await?.image;
        space.morph("cmd", &command(&image, &["well"], json!({ "backoffLimit": 0 }))).await?;
        space.condition("cmd", ConditionType::Ready, "True", None).await?;
        assert!(space.kubectl(&["logs", "-l", "hayride.dev/morph=cmd"])?.contains("arg well"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn much_output_neither_stalls_nor_ends_a_command_badly() -> Result<()> {
    Cluster::run("flood", async |space| {
        let image = space.push_guest("command").await?.image;
        space.morph("cmd", &command(&image, &["flood", "100"], json!({ "backoffLimit": 0 }))).await?;
        assert_eq!(ended(space, "cmd").await?.0, 0);
        // The kubelet puts a log of 10 MiB aside, at any line: what it still has must be whole and end with
        // the last one. It may begin in the middle of a line.
        let pod = space.pods("cmd").await?.pop().context("no pod")?.metadata;
        let log = Node::end_of_log(&pod.uid.context("no uid")?, "morph")?;
        let number = |line: &str| line.split(' ').next().and_then(|word| word.parse::<u64>().ok());
        let numbers: Vec<_> = log.lines().skip(1).map(number).collect();
        assert!(numbers.len() > 1_000, "{} lines", numbers.len());
        let first = 1_000_000 - numbers.len() as u64;
        assert_eq!(numbers.iter().zip(first..).find(|(found, wanted)| **found != Some(*wanted)), None);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_has_finished_is_not_run_again_and_a_change_runs_once_more() -> Result<()> {
    Cluster::run("once", async |space| {
        let image = space.push_guest("command").await?.image;
        space.morph("cmd", &command(&image, &["exit", "0"], json!({ "backoffLimit": 0 }))).await?;
        space.ready("cmd").await?;
        let first = jobs(space, "cmd").await?;
        assert_eq!(first.len(), 1);
        // Every write to the Morph is a reconcile.
        for count in 0..10 {
            space.kubectl(&["annotate", "--overwrite", "morph/cmd", &format!("look=n{count}")])?;
        }
        space.morph("cmd", &command(&image, &["exit", "0"], json!({ "backoffLimit": 5 }))).await?;
        space.ready("cmd").await?;
        let again = jobs(space, "cmd").await?;
        assert_eq!(uids(&again), uids(&first), "the same Job, not another");

        space.morph("cmd", &command(&image, &["exit", "0", "more"], json!({ "backoffLimit": 0 }))).await?;
        until(60, "another Job has succeeded", async || {
            let jobs = jobs(space, "cmd").await?;
            let done = jobs.len() == 1
                && uids(&jobs) != uids(&first)
                && jobs[0].status.as_ref().and_then(|s| s.succeeded) == Some(1);
            Ok(if done { Ok(()) } else { Err(uids(&jobs)) })
        })
        .await?;
        space.ready("cmd").await?;
        Ok(())
    })
    .await
}

fn uids(jobs: &[Job]) -> Vec<String> {
    jobs.iter().filter_map(|job| job.metadata.uid.clone()).collect()
}

#[tokio::test]
async fn deadline_and_backoff_limit_hold() -> Result<()> {
    Cluster::run("limits", async |space| {
        let image = space.push_guest("command").await?.image;
        space.morph("late", &command(&image, &["loop"], json!({ "activeDeadlineSeconds": 3 }))).await?;
        space.morph("fails", &command(&image, &["exit", "1"], json!({ "backoffLimit": 1 }))).await?;
        space.condition("late", ConditionType::Ready, "False", Some(Reason::CommandFailed)).await?;
        space.condition("fails", ConditionType::Ready, "False", Some(Reason::CommandFailed)).await?;
        let job = jobs(space, "fails").await?.pop().context("no job")?;
        assert_eq!(job.status.and_then(|s| s.failed), Some(2), "one try and one more");
        let job = jobs(space, "late").await?.pop().context("no job")?;
        let conditions = job.status.and_then(|s| s.conditions).unwrap_or_default();
        assert!(conditions.iter().any(|c| c.reason.as_deref() == Some("DeadlineExceeded")), "{conditions:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_suspended_command_waits_and_goes_on_when_it_may() -> Result<()> {
    Cluster::run("suspend", async |space| {
        let image = space.push_guest("command").await?.image;
        space.morph("cmd", &command(&image, &["exit", "0"], json!({ "suspend": true }))).await?;
        let reason = Some(Reason::CommandSuspended);
        space.condition("cmd", ConditionType::Available, "False", reason).await?;
        assert!(space.pods("cmd").await?.is_empty());
        space.morph("cmd", &command(&image, &["exit", "0"], json!({ "suspend": false }))).await?;
        space.ready("cmd").await?;
        assert!(kubectl(&["get", "morph", "cmd", "-n", &space.name])?.contains("True"));
        Ok(())
    })
    .await
}
