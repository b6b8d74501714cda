//! The least YAML that would grant what a component imports and hasn't got. Words for people: hosts, ports
//! and names are placeholders in capitals, which the schema refuses, so that nothing of it is granted unread.

use crate::Grants;
use crate::interfaces::{Capability, Lookup, Need, lookup};
use morph_component::InterfaceId;
use std::collections::BTreeSet;

/// What to write into a Morph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suggestion {
    /// The YAML, from `spec:` on; empty where nothing has to be added.
    pub yaml: String,
    /// What can't be said by adding: a right to be given back, an interface that nothing grants, one that
    /// answers with nothing. A sentence each.
    pub notes: Vec<String>,
}

/// The least that `grants` lacks for these imports.
#[must_use]
pub fn suggest(imports: &[InterfaceId], grants: &Grants) -> Suggestion {
    let mut wanted = Wanted::default();
    let mut notes = Vec::new();
    for id in imports {
        let Lookup::Known(row) = lookup(id) else {
            notes.push(format!("{id}: nothing grants this; build the component without it"));
            continue;
        };
        match row.need {
            Need::Types => {}
            Need::Ambient(right) if grants.withheld.contains(&right) => {
                notes.push(format!("{id}: remove {right:?} from spec.withhold"));
            }
            Need::Ambient(_) => {}
            Need::Grant(capability) if !capability.is_in(grants) => wanted.add(capability, row.interface),
            Need::EmptyWithout(capability) if !capability.is_in(grants) => {
                notes.push(format!(
                    "{id}: answers with nothing; spec.{} would change that",
                    fields(capability)
                ));
            }
            Need::Grant(_) | Need::EmptyWithout(_) => {}
            Need::Ungrantable => {
                notes.push(format!("{id}: nothing grants this; build the component without it"));
            }
        }
    }
    Suggestion { yaml: wanted.yaml(), notes }
}

fn fields(capability: Capability) -> &'static str {
    match capability {
        Capability::Environment => "args, .env or .envFrom",
        other => other.field(),
    }
}

#[derive(Default)]
struct Wanted {
    capabilities: BTreeSet<Capability>,
    /// Interfaces of sockets: which of them says what to ask for.
    sockets: BTreeSet<&'static str>,
}

impl Wanted {
    fn add(&mut self, capability: Capability, interface: &'static str) {
        self.capabilities.insert(capability);
        if capability == Capability::Sockets {
            self.sockets.insert(interface);
        }
    }

    fn yaml(&self) -> String {
        let mut lines = Vec::new();
        if self.capabilities.contains(&Capability::Config) {
            lines.extend(["  config:", "  - { key: KEY, value: VALUE }"].map(str::to_owned));
        }
        let capabilities: Vec<String> =
            self.capabilities.iter().flat_map(|one| self.capability(*one)).collect();
        if !capabilities.is_empty() {
            lines.push("  capabilities:".to_owned());
            lines.extend(capabilities.into_iter().map(|line| format!("    {line}")));
        }
        if lines.is_empty() { String::new() } else { format!("spec:\n{}\n", lines.join("\n")) }
    }

    /// The lines below `capabilities`; none for what stands elsewhere.
    fn capability(&self, capability: Capability) -> Vec<String> {
        let lines: &[&str] = match capability {
            Capability::Http => &["http:", "  allow:", "  - { host: HOST, pathPrefixes: [/] }"],
            Capability::Sockets => return self.sockets(),
            Capability::Keyvalue => &["keyvalue:", "- { bucket: BUCKET, memory: { maxBytes: 1Mi } }"],
            Capability::Logging => &["logging: {}"],
            Capability::Filesystem | Capability::Config | Capability::Environment => &[],
        };
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    /// A look-up alone connects to nobody; in 0.3 one interface makes sockets of both kinds.
    fn sockets(&self) -> Vec<String> {
        let has = |name: &str| self.sockets.contains(name);
        let mut lines = vec!["sockets:".to_owned()];
        let (tcp, udp) = (has("wasi:sockets/tcp-create-socket"), has("wasi:sockets/udp-create-socket"));
        if tcp || udp || has("wasi:sockets/types") {
            lines.push("  connect:".to_owned());
        }
        if tcp || has("wasi:sockets/types") {
            lines.push("  - { host: HOST, ports: [PORT] }".to_owned());
        }
        if udp {
            lines.push("  - { host: HOST, ports: [PORT], protocol: UDP }".to_owned());
        }
        if lines.len() == 1 {
            lines.push("  lookup: [HOST]".to_owned());
        }
        lines
    }
}

#[cfg(test)]
mod tests;
