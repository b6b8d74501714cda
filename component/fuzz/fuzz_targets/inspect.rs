//! Any bytes are answered: no panic, no endless work, and a world that can be asked for its type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use morph_component::{Kind, inspect};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(world) = inspect(bytes) {
        for wanted in [None, Some(Kind::Command), Some(Kind::Server)] {
            drop(world.run_as(wanted));
        }
    }
});
