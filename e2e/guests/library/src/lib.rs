//! A component that exports an interface of its own and nothing that can be run.

wit_bindgen::generate!({ path: "wit", world: "library" });

struct Library;

export!(Library);

impl exports::acme::library::words::Guest for Library {
    fn reverse(text: String) -> String {
        text.chars().rev().collect()
    }
}
