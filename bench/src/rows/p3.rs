//! P3: memory of idle HTTP pods, all processes that belong to them: many in one namespace, and one in each
//! of some.

use super::{Bench, Stage, turns};
use crate::node::{Node, Up};
use crate::pod::{Network, Runtime, Work};
use crate::process::{private_kibibytes, pss_kibibytes, settled_kibibytes};
use crate::report::{Asked, Report};
use crate::rows::listening;
use crate::target::Target;
use crate::unit::Unit::Mebibytes;
use anyhow::Result;
use std::collections::BTreeSet;

const PODS: usize = 100;
const NAMESPACES: usize = 20;
const KIBIBYTES: f64 = 1024.0;

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let (pods, namespaces) = (bench.pods(PODS), bench.pods(NAMESPACES));
    let stage = Stage::new(bench).await?;
    stage.compiled(Work::Serve).await?;
    let one = turns(bench, &Runtime::ALL, async |runtime, _| {
        let ups = make(&stage, runtime, pods, |_| "bench".into()).await?;
        let each = each(&stage.node, runtime, pods).await?;
        take_down(&stage.node, runtime, &ups).await?;
        Ok(vec![each])
    })
    .await?;
    let many = turns(bench, &Runtime::ALL, async |runtime, turn| {
        let namespace = |index| format!("bench-{}-{index}", turn.round);
        let ups = make(&stage, runtime, namespaces, namespace).await?;
        let each = each(&stage.node, runtime, namespaces).await?;
        let private = private_kibibytes(&own(&stage.node, runtime, &ups).await?)? as f64;
        take_down(&stage.node, runtime, &ups).await?;
        Ok(vec![each, private / KIBIBYTES / namespaces as f64])
    })
    .await?;
    stage.node.end().await?;
    let work =
        format!("memory of an idle HTTP pod, proportional set size; {pods} pods, {namespaces} namespaces");
    let asked_one = [Asked::new("a pod among many of one namespace", Mebibytes, vec![at_most(0.8)])];
    let asked_many = [
        Asked::new("a pod that is the only one of its namespace", Mebibytes, vec![at_most(4.0)]),
        Asked::new("of it, private to the shim's own processes", Mebibytes, vec![at_most(3.0)]),
    ];
    Ok(Report::new("P3", work.clone(), &asked_one, &one).and(Report::new("P3", work, &asked_many, &many)))
}

fn at_most(value: f64) -> Target {
    Target::AtMost { value }
}

/// Makes pods and waits until each listens.
async fn make(
    stage: &Stage,
    runtime: Runtime,
    count: usize,
    namespace: impl Fn(usize) -> String,
) -> Result<Vec<Up>> {
    let mut ups = Vec::new();
    for index in 0..count {
        let mut pod = stage.pod(runtime, Network::Bridge, Work::Serve);
        pod.namespace = namespace(index);
        let up = stage.node.up(&pod).await?;
        listening(&stage.node, &up).await?;
        ups.push(up);
    }
    Ok(ups)
}

async fn each(node: &Node, runtime: Runtime, pods: usize) -> Result<f64> {
    let kibibytes = settled_kibibytes(|| pss_kibibytes(&node.processes(runtime)?)).await?;
    Ok(kibibytes as f64 / KIBIBYTES / pods as f64)
}

/// A runtime's processes but for the containers' own.
async fn own(node: &Node, runtime: Runtime, ups: &[Up]) -> Result<BTreeSet<i32>> {
    let mut own = node.processes(runtime)?;
    for up in ups {
        own.remove(&node.pid(&up.container).await?);
    }
    Ok(own)
}

/// Takes pods down and waits until nothing of the runtime is there: servers linger, and the next turn must
/// not count those of this one.
async fn take_down(node: &Node, runtime: Runtime, ups: &[Up]) -> Result<()> {
    for up in ups {
        node.down(up).await?;
    }
    node.until("every process of the pods gone", async || Ok(node.processes(runtime)?.is_empty())).await
}
