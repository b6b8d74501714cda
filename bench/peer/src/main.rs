//! The peer: Morph's host in a shim of containerd-shim-wasm, as its documentation shows it. It grants nothing
//! and seals nothing itself; it is here to be measured. Its container's root holds compiled code, so that
//! neither compiling nor a content store is in the figures.

use anyhow::{Context as _, Result, bail};
use containerd_shim_wasm::sandbox::Sandbox;
use containerd_shim_wasm::sandbox::context::{RuntimeContext, Source};
use containerd_shim_wasm::shim::{Cli as _, Shim};
use morph_component::Kind;
use morph_host::{EngineKind, Http, Program, Requests, Run, Stdio, Task};
use std::fs;
use std::net::Ipv6Addr;

struct Peer;

#[derive(Default)]
struct Guest;

impl Shim for Peer {
    type Sandbox = Guest;

    fn name() -> &'static str {
        "peer"
    }
}

impl Sandbox for Guest {
    async fn can_handle(&self, _: &impl RuntimeContext) -> Result<()> {
        Ok(())
    }

    async fn run_wasi(&self, context: &impl RuntimeContext) -> Result<i32> {
        let Source::File(code) = context.entrypoint().source else {
            bail!("wants a container whose root holds compiled code");
        };
        let program = Program::load(&morph_host::engine(EngineKind::P2)?, &code)?;
        let run = match program.world().run()?.kind {
            Kind::Command => Run::Command,
            Kind::Server => Run::Server(Http {
                address: Ipv6Addr::UNSPECIFIED.into(),
                port: 8080,
                lame_duck_seconds: 3,
                grace_period_seconds: 30,
                requests: Requests::default(),
            }),
        };
        let task = Task {
            program: "guest".to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            preopens: Vec::new(),
            grants: morph_grant::Grants::default(),
            limits: morph_grant::Limits::default(),
            run,
        };
        let (_stopper, stop) = morph_host::stop();
        let outcome = morph_host::run(program, task, Stdio::inherit()?, stop, |_| {}, None).await;
        Ok(outcome.code.into())
    }
}

/// `containerd-shim-peer-v1 compile COMPONENT CODE`, before anything is measured.
fn compile(component: &str, code: &str) -> Result<()> {
    let bytes = fs::read(component).with_context(|| component.to_owned())?;
    fs::write(code, morph_host::compile(&bytes, EngineKind::P2)?).with_context(|| code.to_owned())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "compile", component, code] => compile(component, code),
        _ => {
            Peer::run(None);
            Ok(())
        }
    }
}
