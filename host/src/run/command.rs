//! Runs a command: one instance, one call of `wasi:cli/run`. Told to stop it ends at once, wherever it is,
//! since a guest has no signals that it could handle.

use super::failure;
use crate::store::{State, Stores};
use crate::{Outcome, Stop, code};
use morph_component::Preview;
use std::future::poll_fn;
use wasmtime::Store;
use wasmtime::component::InstancePre;
use wasmtime_wasi::{p2, p3};

pub(super) async fn run(
    instance: &InstancePre<State>,
    preview: Preview,
    stores: &Stores,
    stop: &Stop,
) -> Outcome {
    let mut store = match stores.fresh() {
        Ok(store) => store,
        Err(error) => return Outcome::because(code::GRANT_REFUSED, format!("{error:#}")),
    };
    let meter = store.data().meter.clone();
    let called = tokio::select! {
        // In this order, so that a guest that has ended is not called stopped.
        biased;
        called = meter.measured(call(instance, preview, &mut store)) => called,
        () = stop.stopped() => {
            return Outcome::because(code::STOPPED, "the command was told to stop before its end");
        }
    };
    match called {
        Ok(Ok(())) => Outcome::exited(0),
        Ok(Err(())) => failure::exited(1, &store),
        Err(error) => failure::outcome(&error, &store),
    }
}

async fn call(
    instance: &InstancePre<State>,
    preview: Preview,
    store: &mut Store<State>,
) -> wasmtime::Result<Result<(), ()>> {
    match preview {
        Preview::P2 => {
            let command = p2::bindings::CommandPre::new(instance.clone())?;
            let command = command.instantiate_async(&mut *store).await?;
            command.wasi_cli_run().call_run(store).await
        }
        Preview::P3 => {
            let command = p3::bindings::CommandPre::new(instance.clone())?;
            let command = command.instantiate_async(&mut *store).await?;
            let called = store.run_concurrent(async |accessor| {
                let result = command.wasi_cli_run().call_run(accessor).await;
                // What the guest left running (a stream to standard output, say) belongs to the run.
                poll_fn(|cx| accessor.poll_no_interesting_tasks(cx)).await;
                result
            });
            called.await?
        }
    }
}
