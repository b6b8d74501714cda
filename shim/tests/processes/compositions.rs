//! Compositions on their way to code: their parts go to the compile child, which composes, and the code is
//! kept by the digests of plan and parts.

use super::compile_child::compiled_by_child;
use super::support::{PATIENCE, SHIM, command, options, run, spec, zygote};
use morph_component::{Host, MAIN, Part, Plan, Shapes, World, inspect, plan};
use morph_grant::{Digest, Grants, composed_digest};
use morph_host::{EngineKind, Plug, Task};
use morph_shim::cache::{Cache, Error};
use morph_shim::compile::parts::Writer;
use std::io;
use std::path::Path;

const P2: EngineKind = EngineKind::P2;

/// A component that says what number it is asked for.
fn clock(number: u32) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m (func (export "now") (result i32) i32.const {number}))
            (core instance $i (instantiate $m))
            (func $now (result u32) (canon lift (core func $i "now")))
            (instance $time (export "now" (func $now)))
            (export "acme:a/time@1.0.0" (instance $time)))"#
    );
    wat::parse_str(text).expect("component")
}

/// A command that fails unless the plug says seven, which it takes for this type.
fn main_with(result: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "acme:a/time@1.0.0" (instance $time (export "now" (func (result {result})))))
            (core func $now (canon lower (func $time "now")))
            (core module $m
                (import "a" "now" (func $now (result i32)))
                (func (export "run") (result i32) call $now i32.const 7 i32.ne))
            (core instance $i (instantiate $m (with "a" (instance (export "now" (func $now))))))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.3" (instance $r)))"#
    );
    wat::parse_str(text).expect("component")
}

/// The main component and its plug, with their plan.
struct Composition {
    plan: Plan,
    parts: [Vec<u8>; 2],
}

impl Composition {
    fn new(main: Vec<u8>, plug: Vec<u8>) -> Self {
        // By names alone: what is said of types is the compile child's here.
        let by_names = |bytes: &[u8]| World { shapes: Shapes::default(), ..inspect(bytes).expect("a part") };
        let (of_main, of_plug) = (by_names(&main), by_names(&plug));
        let (main_part, plug_part) =
            (Part { name: MAIN, world: &of_main }, Part { name: "clock", world: &of_plug });
        let plan = plan(main_part, &[plug_part], &[], |_, _| Host::Unknown).expect("plan");
        Self { plan, parts: [main, plug] }
    }

    fn seven() -> Self {
        Self::new(main_with("u32"), clock(7))
    }

    fn contents(&self) -> [Digest; 2] {
        self.parts.each_ref().map(|part| Digest::of(part))
    }

    fn digest(&self) -> Digest {
        composed_digest(&self.plan, &self.contents())
    }

    fn written(&self) -> Vec<u8> {
        let mut writer = Writer::begin(&self.plan, &self.contents(), 0).expect("writer");
        self.parts.iter().for_each(|part| writer.add(part));
        writer.done()
    }

    fn task(&self) -> Task {
        let plug =
            Plug { name: "clock".into(), env: Vec::new(), preopens: Vec::new(), grants: Grants::default() };
        Task { plugs: vec![plug], labels: self.plan.labels().collect(), ..command(&[]) }
    }
}

#[test]
fn each_engine_gives_code_for_parts() {
    for kind in ["p2", "p3", "p2-baseline", "p3-baseline"] {
        let (status, code, words) = compiled_by_child(kind, &Composition::seven().written());
        assert_eq!((status, words.as_str()), (Some(0), ""), "{kind}");
        assert!(code.starts_with(b"\x7fELF"), "{kind}");
    }
}

#[test]
fn parts_that_cannot_be_composed_are_refused_with_words() {
    let (status, code, words) =
        compiled_by_child("p2", &Composition::new(main_with("s32"), clock(7)).written());
    assert_eq!(status, Some(3), "{words}");
    assert!(code.is_empty());
    assert!(words.contains("main imports acme:a/time@1.0.0, and what clock exports"), "{words}");
}

#[test]
fn parts_of_other_bytes_are_nobodys_and_no_verdict_on_the_component() {
    let mut bytes = Composition::seven().written();
    *bytes.last_mut().expect("a byte") ^= 1;
    let (status, code, words) = compiled_by_child("p2", &bytes);
    assert_eq!(status, Some(1), "{words}");
    assert!(code.is_empty());
    assert!(words.contains("part clock of a composition has other bytes"), "{words}");
}

async fn code(cache: &Cache, digest: &Digest, bytes: Vec<u8>) -> Result<morph_shim::cache::Code, Error> {
    cache.code(digest, P2, async { Ok::<_, io::Error>(bytes) }).await
}

async fn cache(directory: &Path, baseline_first: bool) -> Cache {
    let options = options(directory.join("cache"), baseline_first);
    Cache::open(options, Path::new(SHIM)).await.expect("cache")
}

#[tokio::test]
async fn a_composition_runs_and_its_parts_call_each_other() {
    let (directory, zygote) = (tempfile::tempdir().expect("directory"), zygote().await);
    let cache = cache(directory.path(), false).await;
    for (number, wanted) in [(7, 0), (8, 1)] {
        let composition = Composition::new(main_with("u32"), clock(number));
        let code = code(&cache, &composition.digest(), composition.written()).await.expect("code");
        let ended = run(&zygote, spec(code.file, P2, composition.task())).await;
        assert_eq!(ended.code, wanted, "{ended:?}");
    }
}

#[tokio::test]
async fn code_of_a_composition_is_kept_by_its_plan_and_parts_and_found_without_them() {
    let directory = tempfile::tempdir().expect("directory");
    let cache = cache(directory.path(), false).await;
    let seven = Composition::seven();
    code(&cache, &seven.digest(), seven.written()).await.expect("code");
    let never = async { Err::<Vec<u8>, _>(io::Error::other("nobody asks for the bytes")) };
    cache.code(&seven.digest(), P2, never).await.expect("code");
    let mut planned_otherwise = Composition::seven();
    planned_otherwise.plan.parts[1].name = "watch".into();
    for other in [Composition::new(main_with("u32"), clock(8)), planned_otherwise] {
        let never = async { Err::<Vec<u8>, _>(io::Error::other("it is read")) };
        let error = cache.code(&other.digest(), P2, never).await.expect_err("other code");
        assert!(matches!(error, Error::Read { .. }), "{error}");
    }
}

#[tokio::test]
async fn parts_of_another_composition_are_not_compiled() {
    let directory = tempfile::tempdir().expect("directory");
    let cache = cache(directory.path(), false).await;
    let (seven, eight) = (Composition::seven(), Composition::new(main_with("u32"), clock(8)));
    let mut tampered = seven.written();
    *tampered.last_mut().expect("a byte") ^= 1;
    for bytes in [eight.written(), tampered, seven.parts[0].clone()] {
        let error = code(&cache, &seven.digest(), bytes).await.expect_err("others");
        assert!(matches!(error, Error::OtherBytes { .. }), "{error}");
    }
}

#[tokio::test]
async fn better_code_of_a_composition_is_made_of_the_parts_that_were_kept() {
    let directory = tempfile::tempdir().expect("directory");
    let cache = cache(directory.path(), true).await;
    let seven = Composition::seven();
    let first = code(&cache, &seven.digest(), seven.written()).await.expect("code");
    assert_eq!(first.engine, EngineKind::P2Baseline);
    let begun = std::time::Instant::now();
    loop {
        let never = async { Err::<Vec<u8>, _>(io::Error::other("nobody asks for the bytes")) };
        if cache.code(&seven.digest(), P2, never).await.expect("code").engine == P2 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "no better code");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
