//! P10: a storm. Many pods in the node's network, some at a time, until all run; then all are killed and
//! removed; then nothing of them may be left.

use super::{Bench, Stage, turns};
use crate::node::Up;
use crate::pod::{Network, Runtime, Work};
use crate::report::{Asked, Report};
use crate::target::Target;
use crate::unit::Unit::{Count, Millis};
use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use std::time::Instant;

const PODS: usize = 200;

/// Pods that are made or removed at once: what a kubelet does with them on a small node.
const AT_ONCE: usize = 16;

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let pods = bench.pods(PODS);
    let stage = Stage::new(bench).await?;
    stage.compiled(Work::Idle).await?;
    let sides =
        turns(bench, &Runtime::ALL_AND_NONE, async |runtime, _| one(&stage, runtime, pods).await).await?;
    stage.node.end().await?;
    let asked = [
        Asked::new("to all running and down again", Millis, vec![Target::times_less("peer", 5.0)]),
        Asked::new("to all running", Millis, Vec::new()),
        Asked::new("down again", Millis, Vec::new()),
        Asked::new("processes, cgroups and mounts left over", Count, vec![Target::AtMost { value: 0.0 }]),
    ];
    let work = format!("{pods} pods in the node's network through CRI, {AT_ONCE} at a time");
    Ok(Report::new("P10", work, &asked, &sides))
}

async fn one(stage: &Stage, runtime: Runtime, pods: usize) -> Result<Vec<f64>> {
    let node = &stage.node;
    let before = node.remains()?;
    let begun = Instant::now();
    let up = |_| async move { node.up(&stage.pod(runtime, Network::Node, Work::Idle)).await };
    let ups: Vec<Up> = stream::iter(0..pods).map(up).buffer_unordered(AT_ONCE).try_collect().await?;
    let running = Instant::now();
    let down = |up: Up| async move { node.down(&up).await };
    stream::iter(ups).map(down).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let ended = Instant::now();
    // Servers may linger a while for the next pod. Who is there after that is counted.
    let gone =
        node.until("every process of the pods gone", async || Ok(node.processes(runtime)?.is_empty())).await;
    let processes = if gone.is_ok() { 0 } else { node.processes(runtime)?.len() };
    let left = node.remains()?.saturating_sub(before) + processes;
    let millis = |took: std::time::Duration| took.as_secs_f64() * 1e3;
    Ok(vec![millis(ended - begun), millis(running - begun), millis(ended - running), left as f64])
}
