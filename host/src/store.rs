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
use morph_component::PARTS_MAX;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::random::WasiRandomCtx;
use wasmtime_wasi::sockets::WasiSocketsCtxView;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

/// Ticks that a guest runs before it yields.
const TICKS_PER_TURN: u64 = 1;

/// Index of what no part has: behind interfaces that all parts share, which only define types.
pub(crate) const NOBODY: usize = PARTS_MAX;

/// Makes the stores of one run.
pub(crate) struct Stores {
    engine: Engine,
    task: Arc<Task>,
    streams: Streams,
    ticker: Ticker,
    parts: Vec<Rights>,
    nobody: Rights,
}

/// What the stores of a run share of one part's rights.
#[derive(Clone)]
struct Rights {
    task: Arc<Task>,
    buckets: cap::keyvalue::Buckets,
    outgoing: Outgoing,
    denials: Denials,
    sockets: Option<Arc<cap::sockets::Sockets>>,
}

/// What a store has of one part's rights.
struct Part {
    rights: Rights,
    wasi: WasiCtx,
    http: WasiHttpCtx,
}

/// The host's part of a store.
pub(crate) struct State {
    /// The main component first, as in the composition's plan.
    parts: Vec<Part>,
    /// Where there are several.
    nobody: Option<Part>,
    stderr: Output,
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
        let rights = |task: Arc<Task>| {
            let denials = Denials::new(streams.stderr.clone(), denied.clone());
            let egress = |grant| Egress::new(grant, &task, &Resolver::default(), denials.clone());
            let outgoing = Outgoing(task.grants.http.as_ref().map(egress).map(Arc::new));
            let sockets = cap::sockets::Sockets::new(&task, Resolver::default(), denials.clone());
            Rights { buckets: cap::keyvalue::Buckets::new(&task.grants), outgoing, denials, sockets, task }
        };
        let plugs = task.plugs.iter().map(|plug| Arc::new(task.of_plug(plug)));
        let parts = [Arc::clone(&task)].into_iter().chain(plugs).map(rights).collect();
        let nobody = rights(Arc::new(Task::ungranted(String::new(), task.run.clone())));
        Self { engine, task, streams, ticker, parts, nobody }
    }

    fn part(&self, rights: &Rights) -> wasmtime::Result<Part> {
        let mut wasi = WasiCtxBuilder::new();
        cap::cli::give(&mut wasi, &rights.task, &self.streams);
        cap::random::give(&mut wasi, &rights.task);
        cap::clocks::give(&mut wasi, &rights.task);
        cap::filesystem::give(&mut wasi, &rights.task)?;
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_BYTES_MAX);
        Ok(Part { rights: rights.clone(), wasi: wasi.build(), http })
    }

    /// A store with nothing in it.
    pub(crate) fn fresh(&self) -> wasmtime::Result<Store<State>> {
        let parts =
            self.parts.iter().map(|rights| self.part(rights)).collect::<wasmtime::Result<Vec<_>>>()?;
        let nobody = (parts.len() > 1).then(|| self.part(&self.nobody)).transpose()?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(COMPONENT_HANDLES_MAX);
        let meter = Meter::new(self.cpu_per_call());
        let state = State {
            parts,
            nobody,
            stderr: self.streams.stderr.clone(),
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

    /// A part's own, and what all parts share. The linker names no part that there isn't.
    fn part(&mut self, index: usize) -> (&mut Part, &mut ResourceTable) {
        let nobody = self.nobody.as_mut().filter(|_| index == NOBODY);
        (nobody.unwrap_or_else(|| &mut self.parts[index]), &mut self.table)
    }

    pub(crate) fn cli<const PART: usize>(&mut self) -> WasiCliCtxView<'_> {
        let (part, table) = self.part(PART);
        WasiCliCtxView { ctx: part.wasi.cli(), table }
    }

    pub(crate) fn clocks<const PART: usize>(&mut self) -> WasiClocksCtxView<'_> {
        let (part, table) = self.part(PART);
        WasiClocksCtxView { ctx: part.wasi.clocks(), table }
    }

    pub(crate) fn filesystem<const PART: usize>(&mut self) -> WasiFilesystemCtxView<'_> {
        let (part, table) = self.part(PART);
        WasiFilesystemCtxView { ctx: part.wasi.filesystem(), table }
    }

    pub(crate) fn random<const PART: usize>(&mut self) -> &mut WasiRandomCtx {
        self.part(PART).0.wasi.random()
    }

    pub(crate) fn sockets<const PART: usize>(&mut self) -> WasiSocketsCtxView<'_> {
        let (part, table) = self.part(PART);
        WasiSocketsCtxView { ctx: part.wasi.sockets(), table }
    }

    pub(crate) fn http<const PART: usize>(&mut self) -> WasiHttpCtxView<'_> {
        let (part, table) = self.part(PART);
        WasiHttpCtxView { hooks: &mut part.rights.outgoing, table, ctx: &mut part.http }
    }

    pub(crate) fn config<const PART: usize>(&mut self) -> cap::config::Config<'_> {
        cap::config::Config(&self.part(PART).0.rights.task)
    }

    pub(crate) fn keyvalue<const PART: usize>(&mut self) -> cap::keyvalue::Keyvalue<'_> {
        let (Part { rights, .. }, table) = self.part(PART);
        cap::keyvalue::Keyvalue { buckets: &rights.buckets, denials: &rights.denials, table }
    }

    pub(crate) fn logging<const PART: usize>(&mut self) -> cap::logging::Log<'_> {
        let output = &self.stderr;
        let part = if PART == NOBODY { self.nobody.as_ref() } else { self.parts.get(PART) };
        let component = part.map_or("", |part| part.rights.task.program.as_str());
        cap::logging::Log { component, output }
    }

    pub(crate) fn sockets_of(&mut self, part: usize) -> Option<Arc<cap::sockets::Sockets>> {
        self.part(part).0.rights.sockets.clone()
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (part, table) = self.part(0);
        WasiCtxView { ctx: &mut part.wasi, table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.http::<0>()
    }
}
