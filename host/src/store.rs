//! What each instance of a guest has: its store with limits, clock, streams and rights, fresh every time.

use crate::cap::http::Outgoing;
use crate::cap::sockets::Places;
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
use morph_grant::{Ambient, Determinism};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::cli::WasiCliCtxView;
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::random::WasiRandomCtx;
use wasmtime_wasi::sockets::WasiSocketsCtxView;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

/// Ticks that a guest runs before it yields.
const TICKS_PER_TURN: u64 = 1;

/// Index of what no part has: behind interfaces that all parts share, which only define types.
pub(crate) const NOBODY: usize = usize::MAX;

/// What the shared clocks say: they are there for their types, and no part can ask them.
const NOBODYS_CLOCK_UNIX_MILLIS: i64 = 0;

/// Makes the stores of one run.
pub(crate) struct Stores {
    engine: Engine,
    task: Arc<Task>,
    streams: Streams,
    ticker: Ticker,
    parts: Vec<Rights>,
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
    /// The main component first, as in the composition's plan; of a composition, the last is nobody's.
    parts: Vec<Part>,
    is_composed: bool,
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
        let (places, is_composed) = (Places::default(), task.is_composed());
        let whole = Arc::clone(&task);
        let rights = |(index, task): (usize, Arc<Task>)| {
            let name = whole.part(index).map_or("", |(name, _)| name);
            let denials = Denials::new(streams.stderr.clone(), denied.clone(), is_composed.then_some(name));
            let egress = |grant| Egress::new(grant, &task, &Resolver::default(), denials.clone());
            let outgoing = Outgoing(task.grants.http.as_ref().map(egress).map(Arc::new));
            let sockets = cap::sockets::Sockets::new(&task, Resolver::default(), denials.clone(), &places);
            Rights { buckets: cap::keyvalue::Buckets::new(&task.grants), outgoing, denials, sockets, task }
        };
        let plugs = task.plugs.iter().map(|plug| Arc::new(task.of_plug(plug)));
        let nobody = is_composed.then(|| Arc::new(nobody(&task)));
        let parts =
            [Arc::clone(&task)].into_iter().chain(plugs).chain(nobody).enumerate().map(rights).collect();
        Self { engine, task, streams, ticker, parts }
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
        let parts = self.parts.iter().map(|rights| self.part(rights)).collect::<wasmtime::Result<_>>()?;
        let mut table = ResourceTable::new();
        table.set_max_capacity(COMPONENT_HANDLES_MAX);
        let meter = Meter::new(self.cpu_per_call());
        let state = State {
            parts,
            is_composed: self.task.is_composed(),
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

/// What no part has: no right, and nothing that is ambient either.
fn nobody(task: &Task) -> Task {
    let mut nobody = Task::ungranted(String::new(), task.run.clone());
    nobody.grants.withheld = Ambient::ALL.to_vec();
    nobody.grants.determinism = Some(Determinism {
        seed: None,
        clock_unix_millis: Some(NOBODYS_CLOCK_UNIX_MILLIS),
        clock_step_millis: None,
    });
    nobody
}

impl State {
    /// Nothing runs in this store until [`Stores::again`].
    pub(crate) fn rest(&mut self) {
        self.ticking = None;
    }

    /// Whether the guest is a composition, whose modules have names that the composer gave them.
    pub(crate) fn is_composed(&self) -> bool {
        self.is_composed
    }

    /// The handles of all parts: what one hands to another stays the same.
    pub(crate) fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }

    /// Where a part stands. There is always a first; past the last of a composition, all is nobody's.
    fn index(&self, part: usize) -> usize {
        part.min(self.parts.len() - 1)
    }

    /// A part's own, and what all parts share.
    fn part(&mut self, part: usize) -> (&mut Part, &mut ResourceTable) {
        let index = self.index(part);
        (&mut self.parts[index], &mut self.table)
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
        let Part { rights, .. } = &self.parts[self.index(PART)];
        cap::logging::Log { component: &rights.task.program, output: &self.stderr }
    }

    pub(crate) fn sockets_of(&mut self, part: usize) -> Option<Arc<cap::sockets::Sockets>> {
        self.part(part).0.rights.sockets.clone()
    }
}

#[cfg(test)]
mod tests;
