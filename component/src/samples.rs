//! Components for tests: made from WIT by wit-component, or from text by wat. In tests alone.

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

/// The interfaces that worlds of the samples use, without their content: only ids matter here.
const PACKAGES: &str = r#"
package test:sample;

package wasi:cli@0.2.3 { interface run { run: func() -> result; } interface stdout { write: func(); } }
package wasi:cli@0.3.0 { interface run { run: async func() -> result; } interface stdout { write: func(); } }
package wasi:cli@0.3.0-rc-1 { interface run { run: func() -> result; } }
package wasi:http@0.2.3 {
    interface incoming-handler { handle: func(); }
    interface outgoing-handler { handle: func(); }
}
package wasi:http@0.3.0 { interface handler { handle: async func(); } }
package wasi:filesystem@0.2.3 {
    interface types { resource descriptor; }
    interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
}
package acme:clock@0.1.0 { interface now { now: func() -> u64; } }
package acme:run { interface run { run: func(); } }
"#;

/// A real component with a world of these items.
pub(crate) fn component(items: &str) -> Vec<u8> {
    component_of("", items)
}

/// The same, where the items may name interfaces of further packages.
pub(crate) fn component_of(packages: &str, items: &str) -> Vec<u8> {
    of_wit(&format!("{PACKAGES}\n{packages}\nworld sample {{\n{items}\n}}\n"))
}

/// The same, where the items may name interfaces of these packages alone.
pub(crate) fn component_instead(packages: &str, items: &str) -> Vec<u8> {
    of_wit(&format!("package test:sample;\n{packages}\nworld sample {{\n{items}\n}}\n"))
}

#[allow(clippy::unwrap_used)]
fn of_wit(wit: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("sample.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("sample")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// A component from its text.
#[allow(clippy::unwrap_used)]
pub(crate) fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A Command that prints.
pub(crate) fn command() -> Vec<u8> {
    component("import wasi:cli/stdout@0.2.3; export wasi:cli/run@0.2.3;")
}

/// A Server that calls others.
pub(crate) fn server() -> Vec<u8> {
    component(
        "import wasi:http/outgoing-handler@0.2.3; import wasi:filesystem/preopens@0.2.3; \
         export wasi:http/incoming-handler@0.2.3;",
    )
}
