//! The plug of a composition: does for the main component what it is asked for, and hands over what it has.

wit_bindgen::generate!({
    path: "../part/wit",
    world: "acme:parts/plug",
    with: {
        "wasi:clocks/wall-clock@0.2.12": wasip2::clocks::wall_clock,
        "wasi:filesystem/types@0.2.12": wasip2::filesystem::types,
        "wasi:io/error@0.2.12": wasip2::io::error,
        "wasi:io/poll@0.2.12": wasip2::io::poll,
        "wasi:io/streams@0.2.12": wasip2::io::streams,
    },
});

use wasip2::filesystem::types::Descriptor;
use wasip2::io::poll::Pollable;

struct Plug;

export!(Plug);

impl exports::acme::parts::work::Guest for Plug {
    fn act(words: Vec<String>) -> Result<String, String> {
        guest_part::act(&words)
    }

    fn count(start: u32) -> u32 {
        start.wrapping_add(1)
    }

    fn echo(text: String) -> String {
        text
    }
}

impl exports::acme::parts::handles::Guest for Plug {
    fn directory() -> Option<Descriptor> {
        guest_part::directory()
    }

    fn within(directory: &Descriptor, words: Vec<String>) -> Result<String, String> {
        guest_part::within(directory, &words)
    }

    fn soon() -> Pollable {
        guest_part::soon()
    }
}
