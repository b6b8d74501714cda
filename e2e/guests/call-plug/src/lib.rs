//! The plug that benchmarks call.

wit_bindgen::generate!({ path: "../call/wit", world: "plug" });

struct Plug;

export!(Plug);

impl exports::acme::calls::work::Guest for Plug {
    fn count(start: u32) -> u32 {
        start.wrapping_add(1)
    }

    fn echo(text: String) -> String {
        text
    }

    fn rights() -> String {
        guest_call::rights()
    }

    fn parsed(expression: String) -> Result<String, String> {
        guest_call::parsed(&expression)
    }
}
