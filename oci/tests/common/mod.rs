//! What the tests of the client share: a client that may reach loopback, and a component.
#![allow(dead_code, reason = "each test binary uses its part")]

use morph_oci::{Client, ClientConfig, PinnedImage, Reference};
use morph_testkit::registry::Registry;

/// A client that may reach this machine and nothing else that isn't public.
pub(crate) fn config() -> ClientConfig {
    ClientConfig { allow_private: vec!["127.0.0.0/8".parse().unwrap()], ..ClientConfig::default() }
}

pub(crate) fn client() -> Client {
    Client::new(config()).unwrap()
}

/// A component; different names make different ones.
pub(crate) fn component(name: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (import "wasi:cli/stdout@0.2.0" (instance))
            (import "acme:{name}/thing@1.0.0" (instance))
            (instance $run)
            (export "wasi:cli/run@0.2.0" (instance $run)))"#
    ))
    .unwrap()
}

/// `REGISTRY/acme/hello:TAG`, or `…@DIGEST`.
pub(crate) fn reference(registry: &Registry, name: &str) -> Reference {
    let separator = if name.contains(':') { '@' } else { ':' };
    format!("{}/acme/hello{separator}{name}", registry.authority()).parse().unwrap()
}

pub(crate) fn pinned(registry: &Registry, digest: &str) -> PinnedImage {
    reference(registry, digest).to_string().parse().unwrap()
}

/// A message with all of its causes, which must never repeat what the server said.
pub(crate) fn message(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    assert!(!text.contains(morph_testkit::registry::CHATTER), "{text}");
    text
}
