//! P5: the first start of a component on a node: from CreateContainer to the first answer, when nobody has
//! compiled it yet. The pod's sandbox is there already, so that no network is measured.

use super::{ANSWER_SECONDS_MAX, Bench, Stage, turns};
use crate::load::first_answer;
use crate::pod::{Image, Network, PORT, Pod, Runtime, Work};
use crate::report::{Asked, MORPH, Report};
use crate::rounds::{self, Outcome, Turn};
use crate::target::Target;
use crate::unit::Unit::{Count, Millis};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What Morph's servers write when they have compiled something.
const COMPILED: &str = "compiled";

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let stage = Stage::new(bench).await?;
    let residents = stage.residents(Network::Bridge, Work::Serve).await;
    let small = bench.programs.guest("hello-large")?;
    let large = bench.programs.guest("javascript")?;
    let small_times = first_starts(bench, &stage, &small).await?;
    let large_times = first_starts(bench, &stage, &large).await?;
    let twice =
        rounds::run(1, bench.repetitions, async |turn| two_at_once(&stage, &small, turn).await).await?;
    drop(residents);
    stage.node.end().await?;
    let work = format!(
        "CreateContainer to the first answer, never compiled: Rust, {} KB; JavaScript, {} KB",
        small.len() / 1000,
        large.len() / 1000
    );
    let asked_small = [Asked::new("Rust component", Millis, vec![Target::share_of("peer", 0.45)])];
    let asked_large = [Asked::new("JavaScript component", Millis, vec![Target::AtMost { value: 3_000.0 }])];
    let asked_twice =
        [Asked::new("compilations for two pods at once", Count, vec![Target::AtMost { value: 1.0 }])];
    let twice: Vec<(&str, Outcome)> = [MORPH].into_iter().zip(twice).collect();
    let report = |asked: &[Asked], sides: &[(&str, Outcome)]| Report::new("P5", work.clone(), asked, sides);
    Ok(report(&asked_small, &small_times)
        .and(report(&asked_large, &large_times))
        .and(report(&asked_twice, &twice)))
}

async fn first_starts(
    bench: &Bench,
    stage: &Stage,
    component: &[u8],
) -> Result<Vec<(&'static str, Outcome)>> {
    turns(bench, &Runtime::ALL, async |runtime, turn| {
        if runtime == Runtime::Runc {
            anyhow::bail!("it runs no component");
        }
        let image = stage.fresh(component, runtime.name(), turn)?;
        let mut pod = stage.pod(runtime, Network::Bridge, Work::Serve);
        pod.component = &image;
        let (id, server) = sandbox(stage, &pod).await?;
        let took = fill(stage, &pod, id, server).await?;
        Ok(vec![took.as_secs_f64() * 1e3])
    })
    .await
}

/// How many compilations two pods of one component cost that start at the same moment.
async fn two_at_once(stage: &Stage, component: &[u8], turn: Turn) -> Result<Vec<f64>> {
    let image = stage.fresh(component, "twice", turn)?;
    let compiled = || stage.node.server_logs().lines().filter(|line| is_compilation(line)).count();
    let before = compiled();
    let mut pods = [(); 2].map(|()| stage.pod(Runtime::Morph, Network::Bridge, Work::Serve));
    for pod in &mut pods {
        pod.component = &image;
    }
    let [(one, first), (two, second)] = [sandbox(stage, &pods[0]).await?, sandbox(stage, &pods[1]).await?];
    tokio::try_join!(fill(stage, &pods[0], one, first), fill(stage, &pods[1], two, second))?;
    Ok(vec![(compiled() - before) as f64])
}

fn is_compilation(line: &str) -> bool {
    line.split_whitespace().any(|word| word == COMPILED)
}

async fn sandbox(stage: &Stage, pod: &Pod<'_>) -> Result<(String, SocketAddr)> {
    let config = stage.node.sandbox_config(pod)?;
    let id = stage.node.empty(&config, pod.runtime).await?;
    let server = SocketAddr::new(stage.node.cri.address(&id).await?, PORT);
    Ok((id, server))
}

/// Fills a sandbox, waits for the first answer and takes the pod down.
async fn fill(stage: &Stage, pod: &Pod<'_>, id: String, server: SocketAddr) -> Result<Duration> {
    let config = stage.node.sandbox_config(pod)?;
    let begun = Instant::now();
    let up = stage.node.fill(pod, &config, id, Duration::ZERO).await?;
    let answered = first_answer(server, begun, ANSWER_SECONDS_MAX).await;
    let took = answered.with_context(|| stage.node.logs())?;
    stage.node.down(&up).await?;
    Ok(took)
}

impl Stage {
    /// The component with a section that nobody reads, so that it is one that no cache knows.
    fn fresh(&self, component: &[u8], side: &str, turn: Turn) -> Result<Image> {
        let mark = format!("{side}-{}-{}", component.len(), turn.round);
        self.node.component(&format!("fresh-{mark}"), &marked(component, mark.as_bytes()))
    }
}

/// Adds a custom section.
fn marked(component: &[u8], mark: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"bench";
    let length = 1 + NAME.len() + mark.len();
    let mut bytes = component.to_vec();
    // Both lengths fit in one byte of LEB128.
    debug_assert!(length < 128, "a mark is short");
    bytes.extend([0, length as u8, NAME.len() as u8]);
    bytes.extend_from_slice(NAME);
    bytes.extend_from_slice(mark);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_component_has_other_bytes_and_one_more_section() {
        let empty = b"\0asm\x0d\0\x01\0";
        let marked = marked(empty, b"m-1");
        assert_eq!(&marked[..8], empty);
        assert_eq!(&marked[8..], b"\x00\x09\x05benchm-1");
    }

    #[test]
    fn a_compilation_is_a_word_of_a_servers_log() {
        assert!(is_compilation("2026-01-01T00:00:00Z  INFO compiled key=a component=b ms=1"));
        assert!(!is_compilation("INFO precompiled nothing"));
    }
}
