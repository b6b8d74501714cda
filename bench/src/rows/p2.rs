//! P2: a pod with a network of its own, through CRI, to its first answer; beside what the bridge plugin takes
//! by itself, and what containerd takes with it.

use super::{ANSWER_SECONDS_MAX, Bench, Stage};
use crate::load::first_answer;
use crate::pod::{Network, PORT, Runtime, Work};
use crate::report::{Asked, Report};
use crate::rounds;
use crate::target::Target;
use crate::unit::Unit::Millis;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::time::Instant;

/// The side that is no runtime.
const CNI: &str = "cni alone";

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let stage = Stage::new(bench).await?;
    stage.compiled(Work::Serve).await?;
    let residents = stage.residents(Network::Bridge, Work::Serve).await;
    let sides: Vec<Option<Runtime>> = Runtime::ALL_AND_NONE.map(Some).into_iter().chain([None]).collect();
    let outcomes = rounds::run(sides.len(), bench.repetitions, async |turn| match sides[turn.side] {
        Some(runtime) => one(&stage, runtime).await,
        None => Ok(vec![stage.node.cni()?.as_secs_f64() * 1e3]),
    })
    .await?;
    drop(residents);
    stage.node.end().await?;
    let names = sides.iter().map(|side| side.map_or(CNI, Runtime::name));
    let sides: Vec<_> = names.zip(outcomes).collect();
    let targets = vec![Target::more_than(CNI, 12.0), Target::more_than(Runtime::Null.name(), 12.0)];
    let asked = [Asked::new("RunPodSandbox to the first 200", Millis, targets)];
    Ok(Report::new("P2", "a pod with bridge CNI, to its first answer".into(), &asked, &sides))
}

async fn one(stage: &Stage, runtime: Runtime) -> Result<Vec<f64>> {
    let pod = stage.pod(runtime, Network::Bridge, Work::Serve);
    let config = stage.node.sandbox_config(&pod)?;
    let begun = Instant::now();
    let id = stage.node.empty(&config, runtime).await?;
    let server = SocketAddr::new(stage.node.cri.address(&id).await?, PORT);
    let up = stage.node.fill(&pod, &config, id, begun.elapsed()).await?;
    let took = match runtime {
        // Nobody answers.
        Runtime::Null => begun.elapsed(),
        _ => {
            let answered = first_answer(server, begun, ANSWER_SECONDS_MAX).await;
            answered.with_context(|| stage.node.logs())?
        }
    };
    stage.node.down(&up).await?;
    Ok(vec![took.as_secs_f64() * 1e3])
}
