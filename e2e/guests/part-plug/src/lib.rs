//! The plug of a composition: does for the main component what it is asked for.

wit_bindgen::generate!({ path: "../part/wit", world: "plug" });

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
