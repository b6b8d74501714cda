//! P7: a call from one part of a composition to another, each with rights of its own, beside the same call
//! over loopback HTTP; and what it takes to compose two parts and to compile what comes out.

use super::Bench;
use crate::composition::{Composition, Ready};
use crate::loopback::Loopback;
use crate::report::{Asked, MORPH, Report};
use crate::rounds::{self, Outcome};
use crate::samples::Samples;
use crate::target::Target;
use crate::unit::Unit::{Micros, Millis, Nanos};
use anyhow::{Context, Result};
use morph_host::EngineKind;
use std::sync::Arc;
use std::time::Instant;

/// Batches of a turn. Each takes about a millisecond and the median counts: what interrupts one is none of
/// the call's own.
const BATCHES: u32 = 100;

/// Calls with a number in a batch.
const COUNT_CALLS: u32 = 200_000;

/// Calls with a text in a batch.
const ECHO_CALLS: u32 = 2_000;

/// Requests in a batch.
const HTTP_CALLS: u32 = 20;

/// How often a turn composes; the median counts.
const COMPOSITIONS: u32 = 20;

/// Size of the text, in bytes.
const TEXT_BYTES: usize = 4096;

/// Nanoseconds of a call with a number on the engine of 0.2.
const COUNT_NANOS_MAX_P2: f64 = 3.5;

/// The same on the engine of 0.3, which keeps books of its tasks.
const COUNT_NANOS_MAX_P3: f64 = 8.0;

/// Microseconds of a call with the text, there and back.
const ECHO_MICROS_MAX: f64 = 0.35;

/// Milliseconds to compose two parts of 400 KB.
const COMPOSE_MILLIS_MAX: f64 = 8.0;

/// Time to compile the whole over that of its parts.
const COMPILE_SHARE_MAX: f64 = 1.3;

/// The native server and client.
const HTTP: &str = "loopback HTTP";

/// The parts, each by itself.
const PARTS: &str = "parts one by one";

pub(super) async fn run(bench: &Bench) -> Result<Report> {
    let guest = |name| bench.programs.guest(name);
    let composition = Arc::new(Composition::new(guest("call-main")?, guest("call-plug")?)?);
    let calls = calls(bench, &composition).await?;
    let composed = composing(bench, &composition).await?;
    Ok(calls.and(composed).and(compiling(bench, &composition).await?))
}

/// Calls on both engines and over HTTP, in turn.
async fn calls(bench: &Bench, composition: &Composition) -> Result<Report> {
    let engines = [composition.ready(EngineKind::P2).await?, composition.ready(EngineKind::P3).await?];
    let mut loopback = Loopback::start().await?;
    let outcomes = rounds::run(3, bench.repetitions, async |turn| match engines.get(turn.side) {
        Some(engine) => of_parts(engine).await,
        None => over_http(&mut loopback).await,
    })
    .await?;
    let [main, plug] = composition.sizes().map(|bytes| bytes / 1000);
    let work = format!("calls between two parts with different grants, {main} and {plug} KB");
    let report = |engine: usize, asked: [Asked; 2]| {
        let sides = [(MORPH, outcomes[engine].clone()), (HTTP, outcomes[2].clone())];
        Report::new("P7", work.clone(), &asked, &sides)
    };
    let at_most = |value| vec![Target::AtMost { value }];
    let of_p2 = [
        Asked::new("u32, 0.2 engine", Nanos, at_most(COUNT_NANOS_MAX_P2)),
        Asked::new("4 KiB of text there and back, 0.2 engine", Micros, at_most(ECHO_MICROS_MAX)),
    ];
    let of_p3 = [
        Asked::new("u32, 0.3 engine", Nanos, at_most(COUNT_NANOS_MAX_P3)),
        Asked::new("4 KiB of text there and back, 0.3 engine", Micros, at_most(ECHO_MICROS_MAX)),
    ];
    Ok(report(0, of_p2).and(report(1, of_p3)))
}

async fn of_parts(ready: &Ready) -> Result<Vec<f64>> {
    let count = ready.nanos("count", (BATCHES, COUNT_CALLS), &[]).await?;
    let echo = ready.nanos("echo", (BATCHES, ECHO_CALLS), &[&TEXT_BYTES.to_string()]).await?;
    Ok(vec![count, echo / 1e3])
}

async fn over_http(loopback: &mut Loopback) -> Result<Vec<f64>> {
    let count = loopback.count((BATCHES, HTTP_CALLS)).await?;
    Ok(vec![count, loopback.echo((BATCHES, HTTP_CALLS), TEXT_BYTES).await? / 1e3])
}

async fn composing(bench: &Bench, composition: &Arc<Composition>) -> Result<Report> {
    let outcomes = rounds::run(1, bench.repetitions, async |_| {
        let (mut composed, mut read) = (Vec::new(), Vec::new());
        for _ in 0..COMPOSITIONS {
            composed.push(millis(composition, Composition::again).await?);
            read.push(millis(composition, Composition::read_again).await?);
        }
        let median = |took| Samples::new(took).map(|samples| samples.median());
        let medians: Option<Vec<_>> = [composed, read].into_iter().map(median).collect();
        medians.context("nothing was composed")
    })
    .await?;
    let asked = [
        Asked::new("composing the two", Millis, vec![Target::AtMost { value: COMPOSE_MILLIS_MAX }]),
        Asked::new("reading and planning them before, once for each component", Millis, Vec::new()),
    ];
    Ok(report(&asked, [MORPH].into_iter().zip(outcomes)))
}

/// The whole and its parts, in turn, by the optimizing compiler.
async fn compiling(bench: &Bench, composition: &Arc<Composition>) -> Result<Report> {
    let whole = |composition: &Composition| composition.compile(EngineKind::P2).map(drop);
    let parts = |composition: &Composition| composition.compile_parts(EngineKind::P2);
    let outcomes = rounds::run(2, bench.repetitions, async |turn| {
        Ok(vec![match turn.side {
            0 => millis(composition, whole).await?,
            _ => millis(composition, parts).await?,
        }])
    })
    .await?;
    let targets = vec![Target::share_of(PARTS, COMPILE_SHARE_MAX)];
    let asked = [Asked::new("compiling them as one, 0.2 engine", Millis, targets)];
    Ok(report(&asked, [MORPH, PARTS].into_iter().zip(outcomes)))
}

fn report(asked: &[Asked], sides: impl Iterator<Item = (&'static str, Outcome)>) -> Report {
    Report::new("P7", String::new(), asked, &sides.collect::<Vec<_>>())
}

/// Milliseconds of work that keeps a processor.
async fn millis(
    composition: &Arc<Composition>,
    work: impl FnOnce(&Composition) -> Result<()> + Send + 'static,
) -> Result<f64> {
    let composition = composition.clone();
    let worked = tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        work(&composition).map(|()| begun.elapsed().as_secs_f64() * 1e3)
    });
    worked.await?
}
