//! P6: from the shim's Create to a worker that listens, without containerd in between; the code is cached
//! and the sandbox is there.

use super::{Bench, Stage};
use crate::pod::Work;
use crate::report::{Asked, MORPH, Report};
use crate::rounds;
use crate::shim::Shim;
use crate::target::Target;
use crate::unit::Unit::Millis;
use anyhow::Result;

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let stage = Stage::new(bench).await?;
    stage.compiled(Work::Serve).await?;
    let shim = Shim::start(&stage.node, "p6").await?;
    let outcomes = rounds::run(1, bench.repetitions, async |turn| {
        let started = shim.serve(&format!("p6-{}", turn.round), &stage.server).await?;
        let millis = |took: std::time::Duration| took.as_secs_f64() * 1e3;
        Ok(vec![millis(started.start), millis(started.create), millis(started.create + started.start)])
    })
    .await?;
    shim.end().await?;
    stage.node.end().await?;
    let asked = [
        Asked::new("Start to listening", Millis, vec![Target::AtMost { value: 5.0 }]),
        Asked::new("Create", Millis, Vec::new()),
        Asked::new("Create to listening", Millis, Vec::new()),
    ];
    let sides: Vec<_> = [MORPH].into_iter().zip(outcomes).collect();
    Ok(Report::new("P6", "a worker, from the task's calls to listening".into(), &asked, &sides))
}
