//! P1: a pod in the node's network, through CRI: image present, code cached. Beside a pod that is there
//! already, and as the first one of its namespace. What containerd takes for itself stands beside it.

use super::{Bench, Stage, turns};
use crate::pod::{Network, Runtime, Work};
use crate::report::{Asked, Report};
use crate::target::Target;
use crate::unit::Unit::Millis;
use anyhow::Result;

const WORK: &str = "RunPodSandbox, CreateContainer, StartContainer in the node's network";

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let stage = Stage::new(bench).await?;
    stage.compiled(Work::Idle).await?;
    let residents = stage.residents(Network::Node, Work::Idle).await;
    let beside = turns(bench, &Runtime::ALL_AND_NONE, async |runtime, _| {
        let up = stage.node.up(&stage.pod(runtime, Network::Node, Work::Idle)).await?;
        stage.node.down(&up).await?;
        Ok(up.millis())
    })
    .await?;
    let first = turns(bench, &Runtime::ALL_AND_NONE, async |runtime, turn| {
        let mut pod = stage.pod(runtime, Network::Node, Work::Idle);
        pod.namespace = format!("first-{}", turn.round);
        let up = stage.node.up(&pod).await?;
        stage.node.down(&up).await?;
        Ok(up.millis())
    })
    .await?;
    drop(residents);
    stage.node.end().await?;
    let targets = vec![
        Target::AtMost { value: 12.0 },
        Target::times_less("peer", 9.0),
        Target::more_than(Runtime::Null.name(), 12.0),
    ];
    let asked = [
        Asked::new("all three calls, beside another pod", Millis, targets),
        Asked::new("RunPodSandbox", Millis, Vec::new()),
        Asked::new("CreateContainer", Millis, Vec::new()),
        Asked::new("StartContainer", Millis, Vec::new()),
    ];
    let asked_first = [Asked::new("all three calls, first pod of its namespace", Millis, Vec::new())];
    Ok(Report::new("P1", WORK.into(), &asked, &beside).and(Report::new(
        "P1",
        WORK.into(),
        &asked_first,
        &first,
    )))
}
