//! The peer: Morph's host in a shim of containerd-shim-wasm, as its documentation shows it. It grants nothing
//! and seals nothing itself; it is here to be measured. Components are compiled as the library offers it:
//! once for an image and a shim, kept in containerd's content store.

use anyhow::{Context as _, Result, bail};
use containerd_shim_wasm::sandbox::Sandbox;
use containerd_shim_wasm::sandbox::context::{RuntimeContext, Source, WasmLayer};
use containerd_shim_wasm::shim::{Cli as _, Compiler, Shim};
use morph_component::Kind;
use morph_host::{EngineKind, Http, Program, Requests, Run, Stdio, Task};
use std::fs::File;
use std::io::Write as _;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::PathBuf;

struct Peer;

#[derive(Default)]
struct Guest;

struct Cranelift;

impl Shim for Peer {
    type Sandbox = Guest;

    fn name() -> &'static str {
        "peer"
    }

    async fn compiler() -> Option<impl Compiler> {
        Some(Cranelift)
    }
}

impl Compiler for Cranelift {
    fn cache_key(&self) -> impl std::hash::Hash {
        morph_host::engine_hash(EngineKind::P2).unwrap_or_default()
    }

    async fn compile(&self, layers: &[WasmLayer]) -> Result<Vec<Option<Vec<u8>>>> {
        layers.iter().map(|layer| Ok(Some(morph_host::compile(&layer.layer, EngineKind::P2)?))).collect()
    }
}

impl Sandbox for Guest {
    async fn can_handle(&self, _: &impl RuntimeContext) -> Result<()> {
        Ok(())
    }

    async fn run_wasi(&self, context: &impl RuntimeContext) -> Result<i32> {
        let Source::Oci([layer]) = context.entrypoint().source else {
            bail!("wants an image with one component");
        };
        if !layer.precompiled {
            bail!("wants a compiled component");
        }
        let code = memory_file(&layer.layer)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", code.as_raw_fd()));
        let program = Program::load(&morph_host::engine(EngineKind::P2)?, &path)?;
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
        let args = context.args().iter().skip(1).cloned().collect();
        let task = Task { args, ..Task::ungranted("guest", run) };
        let (_stopper, stop) = morph_host::stop();
        let outcome = morph_host::run(program, task, Stdio::inherit()?, stop, |_| {}, None).await;
        Ok(outcome.code.into())
    }
}

/// The library hands code over as bytes; the host maps files.
fn memory_file(bytes: &[u8]) -> Result<File> {
    // SAFETY: the name is a C string, and nobody else has the descriptor that the call answers.
    let descriptor = unsafe {
        let descriptor = libc::memfd_create(c"code".as_ptr(), libc::MFD_CLOEXEC);
        if descriptor < 0 {
            return Err(std::io::Error::last_os_error()).context("memfd_create");
        }
        OwnedFd::from_raw_fd(descriptor)
    };
    let mut file = File::from(descriptor);
    file.write_all(bytes)?;
    Ok(file)
}

fn main() {
    Peer::run(None);
}
