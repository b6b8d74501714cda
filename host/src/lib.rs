//! How a granted component runs: engines, limits, one file for each capability, command and server.
//! No containerd, no Kubernetes; the only crate that knows wasmtime.

mod cap;
mod compile;
mod cpu;
mod denial;
mod egress;
mod engine;
mod files;
mod limits;
mod linker;
mod often;
mod outcome;
mod program;
mod run;
mod stdio;
mod stop;
mod store;
mod task;
mod ticker;
mod words;

pub use compile::{CompileError, compile};
pub use denial::{DENIAL_DETAIL_BYTES_MAX, DENIALS_APART_MAX, Denial, OnDenial};
pub use egress::load_system_roots;
pub use engine::{Engine, EngineError, EngineKind, engine, engine_hash, running_engine};
pub use limits::{
    AFTER_ANSWER_SECONDS_MAX, COMPONENT_HANDLES_MAX, CONCURRENT_REQUESTS_MAX, CONFIG_VALUE_BYTES_MAX,
    CORE_INSTANCES_MAX, CPU_PER_CALL_MILLIS_DEFAULT, FIELDS_BYTES_MAX, HOST_COPY_BYTES_MAX, KEPT_SECONDS_MAX,
    KEYVALUE_ANSWER_BYTES_MAX, KEYVALUE_ENTRY_BYTES, KEYVALUE_KEY_BYTES_MAX, KEYVALUE_PAGE_KEYS_MAX,
    LOG_CONTEXT_BYTES_MAX, LOG_MESSAGE_BYTES_MAX, MEMORIES_MAX, MEMORY_BYTES_DEFAULT, MEMORY_BYTES_MAX,
    OUTPUT_BYTES_PER_SECOND_DEFAULT, RANDOM_BYTES_MAX, REQUEST_BODY_BYTES_DEFAULT,
    REQUEST_TIMEOUT_MILLIS_DEFAULT, REQUESTS_PER_INSTANCE_MAX, SOCKETS_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX,
};
pub use morph_grant::Reuse;
pub use outcome::{Outcome, code};
pub use program::{LoadError, Program};
pub use run::run;
pub use stdio::Stdio;
pub use stop::{Stop, Stopper, stop};
pub use task::{Http, Plug, Preopen, Requests, Run, Task};
pub use words::one_line;
