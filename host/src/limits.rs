//! What a guest may use up: each limit a constant with its unit and its reason, the words for a guest that
//! ran into one, and the limiter of memories and tables. Bulk operations on memory don't yield: they are
//! bounded by the memory that there is, and their time counts as processor time like any other.

use wasmtime::ResourceLimiter;

/// Linear memory of one instance where the Morph sets none, in bytes. Interpreters of scripting languages
/// start with some 30 MiB; an ordinary program takes less than 2.
pub const MEMORY_BYTES_DEFAULT: u64 = 128 << 20;

/// Linear memory of one instance at most, in bytes: all that 32 bits can address.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// Connections open at once, eight times the requests worked on at once; past it, new ones wait in the
/// kernel's queue. Idle ones cost some 10 KiB.
pub(crate) const CONNECTIONS_MAX: usize = 1024;

/// Bytes of a request's head. Browsers and proxies stay below 16 KiB.
pub(crate) const REQUEST_HEAD_BYTES_MAX: usize = 64 << 10;

/// Requests that a server works on at once, where its Morph says no less; past it, the answer is 503. Each
/// takes an instance and a stack, of which the engine keeps twice as many.
pub const CONCURRENT_REQUESTS_MAX: usize = 128;

/// How long a guest may take to begin its answer where the Morph doesn't say, in milliseconds: as long as
/// most proxies wait. The body may then take as long as its client takes part.
pub const REQUEST_TIMEOUT_MILLIS_DEFAULT: u32 = 60_000;

/// A request's body where the Morph doesn't say, in bytes. Bodies are streamed and cost the host nothing; a
/// guest that collects one must have room for it, and its memory is twice this by default.
pub const REQUEST_BODY_BYTES_DEFAULT: u64 = 64 << 20;

/// Processor time of one request where the Morph doesn't say, in milliseconds. An interpreter starts within
/// 300; who computes for longer than this keeps others waiting. A Command has no limit of its own: it may be
/// there to compute.
pub const CPU_PER_CALL_MILLIS_DEFAULT: u32 = 10_000;

/// Standard output and standard error together where the Morph doesn't say, in bytes a second. The kubelet
/// looks every 10 seconds whether a log is to be rotated: a pod's log can grow by 40 MiB meanwhile.
pub const OUTPUT_BYTES_PER_SECOND_DEFAULT: u64 = 4 << 20;

/// How long a guest may go on after its answer has been sent whole, in seconds: for what it does late, such
/// as a line in a file.
pub const AFTER_ANSWER_SECONDS_MAX: u64 = 30;

/// Requests that an instance answers where instances are kept, one after the other; then a fresh one takes
/// its place, and what the guest has leaked is gone. So many that the start of one is little beside them.
pub const REQUESTS_PER_INSTANCE_MAX: u32 = 1000;

/// How long a kept instance may wait for its next request, in seconds. Long enough between the requests of a
/// browser or a scraper; then its memory is somebody else's.
pub const KEPT_SECONDS_MAX: u64 = 10;

/// How long an instance waits until its answer has been sent, to be kept, in seconds. What its guest left
/// open of the answer ends with the instance, never with the next request.
pub(crate) const SENT_SECONDS_MAX: u64 = 1;

/// Elements of one table. The largest seen, of an interpreter, has some 10,000.
pub const TABLE_ELEMENTS_MAX: usize = 65_536;

/// Core instances of one component: a Rust component has 4, a composition of nine such parts 36.
pub const CORE_INSTANCES_MAX: u32 = 64;

/// Memories of one component: one for each of nine parts, and as many again.
pub const MEMORIES_MAX: u32 = 16;

/// Tables of one component: each core instance may bring one.
pub const TABLES_MAX: u32 = 64;

/// Handles that one instance may hold at once, files and streams among them.
pub const COMPONENT_HANDLES_MAX: usize = 10_000;

/// Bytes that one call of the host may copy out of the guest. Writes of streams are at most 4 KiB to
/// 1 MiB; an environment or a header list is smaller.
pub const HOST_COPY_BYTES_MAX: usize = 16 << 20;

/// Sockets that the guests of a pod have made and not dropped yet, all its instances together: a client with
/// a pool has some tens, and each takes a descriptor and buffers of the kernel. Half of what a process may
/// open where the node sets no more, so that the server and its own requests keep theirs.
pub const SOCKETS_MAX: usize = 512;

/// Bytes of one call for random numbers; whoever needs more calls again.
pub const RANDOM_BYTES_MAX: u64 = 1 << 20;

/// Headers or trailers that a guest makes, in bytes as they lie in memory: each field counts some 70 bytes
/// beside its name and value. Proxies take 8 to 16 KiB on the wire.
pub const FIELDS_BYTES_MAX: usize = 128 << 10;

/// One value of `wasi:config/store` that comes from a ConfigMap or Secret, in bytes. A whole ConfigMap has
/// 1 MiB at most; there may be 64 values, and a guest may ask for all at once.
pub const CONFIG_VALUE_BYTES_MAX: usize = 64 << 10;

/// A key of `wasi:keyvalue`, in bytes: as long as most stores take.
pub const KEYVALUE_KEY_BYTES_MAX: usize = 1024;

/// What an entry of `wasi:keyvalue` takes in memory beside its key and value, in bytes: it stands in a hash
/// table and in a tree, and its key in both. Counted, or else empty values would cost nothing.
pub const KEYVALUE_ENTRY_BYTES: u64 = 256;

/// Keys of one page of `wasi:keyvalue/store`'s `list-keys`: with the longest keys, a page takes 1 MiB.
pub const KEYVALUE_PAGE_KEYS_MAX: usize = 1000;

/// What one answer of `wasi:keyvalue/batch` may hold, in bytes: a guest can ask for one large value a
/// thousand times in one call.
pub const KEYVALUE_ANSWER_BYTES_MAX: u64 = 16 << 20;

/// The message of one call of `wasi:logging`, in bytes as it stands in the log. With its context it stays
/// below the 16 KiB at which containerd takes a line apart.
pub const LOG_MESSAGE_BYTES_MAX: usize = 12 << 10;

/// The context of one call of `wasi:logging`, in bytes as it stands in the log.
pub const LOG_CONTEXT_BYTES_MAX: usize = 1024;

/// A limit that a guest ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Hit {
    /// Linear memory.
    #[error("limits.memory: the guest wanted {wanted_bytes} bytes of memory, {max_bytes} are allowed")]
    Memory {
        /// What there would have been in all, in bytes.
        wanted_bytes: u64,
        /// What there may be, in bytes.
        max_bytes: u64,
    },
    /// Elements of a table.
    #[error(
        "limit tableElements: the guest wanted a table of {wanted} elements, {TABLE_ELEMENTS_MAX} are allowed"
    )]
    Table {
        /// What the table would have had.
        wanted: usize,
    },
    /// Processor time of a call.
    #[error(
        "limits.cpuPerCallMillis: the guest computed for more than the {max_millis} ms that one call may"
    )]
    Cpu {
        /// What a call may have, in milliseconds.
        max_millis: u64,
    },
    /// Handles of its own and those that the host keeps for it.
    #[error("limit handles: the guest wanted more than the {COMPONENT_HANDLES_MAX} that it may hold at once")]
    Handles,
    /// One call's data.
    #[error(
        "limit hostCopyBytes: the guest handed more than {HOST_COPY_BYTES_MAX} bytes to one call of the host"
    )]
    HostCopy,
    /// One call for random numbers.
    #[error("limit randomBytes: the guest wanted more than {RANDOM_BYTES_MAX} random bytes in one call")]
    Random,
    /// Headers or trailers of the guest's own.
    #[error("limit fieldsBytes: the guest wanted headers of more than {FIELDS_BYTES_MAX} bytes")]
    Fields,
    /// All guests of this process together.
    #[error("limit instances: all places for instances in this process are taken")]
    Instances,
}

/// Limits one store and remembers the last refusal: wasm sees no more than a failed `grow`, and what it
/// does then (mostly it traps) must be told with the right reason.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes: u64,
    memory_bytes_max: u64,
    growing_bytes: u64,
    hit: Option<Hit>,
}

impl Limiter {
    pub(crate) fn new(limits: &morph_grant::Limits) -> Self {
        let memory_bytes_max = limits.memory_bytes.unwrap_or(MEMORY_BYTES_DEFAULT).min(MEMORY_BYTES_MAX);
        Self { memory_bytes: 0, memory_bytes_max, growing_bytes: 0, hit: None }
    }

    /// Forgets what was refused; what there is stays counted.
    pub(crate) fn forget(&mut self) {
        self.hit = None;
    }

    /// The last limit that was hit.
    pub(crate) fn hit(&self) -> Option<Hit> {
        self.hit
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let own_maximum = maximum.filter(|maximum| (*maximum as u64) < MEMORY_BYTES_MAX);
        if own_maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false); // the module's own: no limit of ours
        }
        self.growing_bytes = (desired as u64).saturating_sub(current as u64);
        let wanted_bytes = self.memory_bytes.saturating_add(self.growing_bytes);
        if wanted_bytes > self.memory_bytes_max {
            self.growing_bytes = 0;
            self.hit = Some(Hit::Memory { wanted_bytes, max_bytes: self.memory_bytes_max });
            return Ok(false);
        }
        self.memory_bytes = wanted_bytes;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory_bytes = self.memory_bytes.saturating_sub(self.growing_bytes);
        self.growing_bytes = 0;
        Ok(())
    }

    fn table_growing(&mut self, _: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let own_maximum = maximum.filter(|maximum| *maximum < TABLE_ELEMENTS_MAX);
        if own_maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false); // as with memories
        }
        if desired > TABLE_ELEMENTS_MAX {
            self.hit = Some(Hit::Table { wanted: desired });
        }
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}

#[cfg(test)]
mod tests;
