//! The peer: wasmtime in a shim of containerd-shim-wasm, as that library's documentation and the shims made
//! from it show it: wasmtime's own settings, an instance for each request, components compiled once for an
//! image and a shim and kept in containerd's content store. It grants nothing and seals nothing itself; it is
//! here to be measured.

mod guest;

use anyhow::{Result, bail};
use containerd_shim_wasm::sandbox::Sandbox;
use containerd_shim_wasm::sandbox::context::{RuntimeContext, Source, WasmLayer};
use containerd_shim_wasm::shim::{Cli as _, Compiler, Shim};
use std::hash::Hash;
use tokio::signal::unix::{SignalKind, signal};
use wasmtime::Engine;

struct Peer;

#[derive(Default)]
struct Guest(Engine);

struct Cranelift(Engine);

impl Shim for Peer {
    type Sandbox = Guest;

    fn name() -> &'static str {
        "peer"
    }

    async fn compiler() -> Option<impl Compiler> {
        Some(Cranelift(Engine::default()))
    }
}

impl Compiler for Cranelift {
    fn cache_key(&self) -> impl Hash {
        HashOf(self.0.clone())
    }

    async fn compile(&self, layers: &[WasmLayer]) -> Result<Vec<Option<Vec<u8>>>> {
        layers.iter().map(|layer| Ok(Some(self.0.precompile_component(&layer.layer)?))).collect()
    }
}

/// What compiled code fits.
struct HashOf(Engine);

impl Hash for HashOf {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.precompile_compatibility_hash().hash(state);
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
        let (engine, args) = (self.0.clone(), context.args().to_vec());
        let code = layer.layer.clone();
        // A runtime of its own with all processors, whatever this is called on.
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(async {
                // The first process of a pid namespace dies of no signal that it doesn't ask for.
                let mut told = signal(SignalKind::terminate())?;
                tokio::select! {
                    ended = guest::run(&engine, &code, &args) => ended,
                    _ = told.recv() => Ok(128 + SignalKind::terminate().as_raw_value()),
                }
            })
        });
        ended.join().map_err(|_| anyhow::anyhow!("the guest's thread panicked"))?
    }
}

fn main() {
    Peer::run(None);
}
