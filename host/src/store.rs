//! What each instance of a guest has: its store with limits, clock, streams and rights, fresh every time.

use crate::cap::http::Outgoing;
use crate::cpu::Meter;
use crate::denial::Denials;
use crate::egress::client::Egress;
use crate::egress::resolve::Resolver;
use crate::limits::{
    COMPONENT_HANDLES_MAX, CPU_PER_CALL_MILLIS_DEFAULT, FIELDS_BYTES_MAX, HOST_COPY_BYTES_MAX, Limiter,
};
use crate::stdio::{Output, Streams};
use crate::ticker::{Ticker, Ticking};
use crate::{Engine, OnDenial, Run, Task, cap};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Ticks that a guest runs before it yields.
const TICKS_PER_TURN: u64 = 1;

/// Makes the stores of one run.
pub(crate) struct Stores {
    engine: Engine,
    task: Arc<Task>,
    streams: Streams,
    ticker: Ticker,
    denials: Denials,
    buckets: cap::keyvalue::Buckets,
    outgoing: Outgoing,
    sockets: Option<Arc<cap::sockets::Sockets>>,
}

/// The host's part of a store.
pub(crate) struct State {
    task: Arc<Task>,
    stderr: Output,
    buckets: cap::keyvalue::Buckets,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outgoing: Outgoing,
    denials: Denials,
    pub(crate) sockets: Option<Arc<cap::sockets::Sockets>>,
    table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) meter: Meter,
    /// While the guest is at work.
    ticking: Option<Ticking>,
}

impl Stores {
    pub(crate) fn new(
        engine: Engine,
        task: Arc<Task>,
        streams: Streams,
        ticker: Ticker,
        denied: Option<OnDenial>,
    ) -> Self {
        let denials = Denials::new(streams.stderr.clone(), denied);
        let buckets = cap::keyvalue::Buckets::new(&task.grants);
        let egress = |grant| Egress::new(grant, &task, &Resolver::default(), denials.clone());
        let outgoing = Outgoing(task.grants.http.as_ref().map(egress).map(Arc::new));
        let sockets = cap::sockets::Sockets::new(&task, Resolver::default(), denials.clone());
        Self { engine, task, streams, ticker, denials, buckets, outgoing, sockets }
    }

    /// A store with nothing in it.
    pub(crate) fn fresh(&self) -> wasmtime::Result<Store<State>> {
        let mut wasi = WasiCtxBuilder::new();
        cap::cli::give(&mut wasi, &self.task, &self.streams);
        cap::random::give(&mut wasi, &self.task);
        cap::clocks::give(&mut wasi, &self.task);
        cap::filesystem::give(&mut wasi, &self.task)?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(COMPONENT_HANDLES_MAX);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_BYTES_MAX);
        let meter = Meter::new(self.cpu_per_call());
        let state = State {
            task: self.task.clone(),
            stderr: self.streams.stderr.clone(),
            buckets: self.buckets.clone(),
            wasi: wasi.build(),
            http,
            outgoing: self.outgoing.clone(),
            denials: self.denials.clone(),
            sockets: self.sockets.clone(),
            table,
            limiter: Limiter::new(&self.task.limits),
            meter: meter.clone(),
            ticking: Some(self.ticker.ticking()),
        };
        let mut store = Store::new(&self.engine.inner, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOST_COPY_BYTES_MAX);
        store.set_max_component_handles(COMPONENT_HANDLES_MAX);
        store.set_epoch_deadline(TICKS_PER_TURN);
        store.epoch_deadline_callback(move |_| {
            meter.check()?;
            Ok(UpdateDeadline::Yield(TICKS_PER_TURN))
        });
        Ok(store)
    }

    /// Makes a store that has rested ready for the next call: with time of its own, and nothing told against
    /// it of the last.
    pub(crate) fn again(&self, store: &mut Store<State>) {
        let state = store.data_mut();
        state.meter.restart();
        state.limiter.forget();
        state.ticking = Some(self.ticker.ticking());
        store.set_epoch_deadline(TICKS_PER_TURN);
    }

    /// Processor time that one call may have: none is measured for a Command whose Morph doesn't say.
    fn cpu_per_call(&self) -> Option<Duration> {
        let default = match self.task.run {
            Run::Command => None,
            Run::Server(_) => Some(CPU_PER_CALL_MILLIS_DEFAULT),
        };
        let millis = self.task.limits.cpu_per_call_millis.or(default);
        millis.map(|millis| Duration::from_millis(millis.into()))
    }
}

impl State {
    /// Nothing runs in this store until [`Stores::again`].
    pub(crate) fn rest(&mut self) {
        self.ticking = None;
    }

    pub(crate) fn task(&self) -> &Task {
        &self.task
    }

    pub(crate) fn keyvalue(&mut self) -> cap::keyvalue::Keyvalue<'_> {
        cap::keyvalue::Keyvalue { buckets: &self.buckets, denials: &self.denials, table: &mut self.table }
    }

    pub(crate) fn logging(&mut self) -> cap::logging::Log<'_> {
        cap::logging::Log { component: &self.task.program, output: &self.stderr }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}
