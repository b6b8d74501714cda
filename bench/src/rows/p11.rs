//! P11: what an idle server costs: a pod whose container has ended and which nobody has removed yet.

use super::{Bench, Stage, turns};
use crate::pod::{Network, Runtime, Work};
use crate::process::{pss_kibibytes, settled_kibibytes, wakes, woken};
use crate::report::{Asked, Report};
use crate::target::Target;
use crate::unit::Unit::{Mebibytes, PerSecond};
use anyhow::Result;
use std::time::{Duration, Instant};

/// How long wake-ups are counted, in seconds.
const WATCH_SECONDS: u64 = 10;

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let stage = Stage::new(bench).await?;
    let node = &stage.node;
    let sides = turns(bench, &Runtime::ALL, async |runtime, _| {
        let up = node.up(&stage.pod(runtime, Network::Node, Work::End)).await?;
        node.ended(&up.container).await?;
        let processes = || node.processes(runtime);
        let kibibytes = settled_kibibytes(|| pss_kibibytes(&processes()?)).await?;
        let (before, begun) = (wakes(&processes()?)?, Instant::now());
        tokio::time::sleep(Duration::from_secs(WATCH_SECONDS)).await;
        let woken = woken(&before, &wakes(&processes()?)?) as f64 / begun.elapsed().as_secs_f64();
        node.down(&up).await?;
        node.until("every process of the pod gone", async || Ok(processes()?.is_empty())).await?;
        Ok(vec![kibibytes as f64 / 1024.0, woken])
    })
    .await?;
    stage.node.end().await?;
    let asked = [
        Asked::new("memory of all its processes", Mebibytes, vec![Target::AtMost { value: 15.0 }]),
        Asked::new("wake-ups", PerSecond, vec![Target::AtMost { value: 1.0 }]),
    ];
    Ok(Report::new("P11", "one pod that has ended: server, zygote, sandbox".into(), &asked, &sides))
}
