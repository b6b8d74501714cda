//! From the lines that a run's log has of what was refused to the YAML that would have granted it.
//! What stands
//! in them are the guest's words: nothing of it is more than a proposal.

use anyhow::Result;
use morph_crds::bounds::{PATH_PREFIXES_MAX, RULES_MAX};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Before each denial in a log; whatever a container runtime writes before that is passed over.
const MARK: &str = "denied by ";

/// Scheme, host and port.
type Origin = (String, String, u16);

/// Methods and paths.
type Asked = (BTreeSet<String>, BTreeSet<String>);

/// What was refused, in the fields that would grant it.
#[derive(Debug, Default)]
struct Wanted {
    /// By scheme, host and port: methods and paths.
    http: BTreeMap<Origin, Asked>,
    /// Address, port and protocol.
    connect: BTreeSet<(String, u16, &'static str)>,
    /// Port and protocol.
    listen: BTreeSet<(u16, &'static str)>,
    lookup: BTreeSet<String>,
    /// Denials that a rule more would not change, in the log's words.
    notes: BTreeSet<String>,
}

/// The YAML, with what it can't say as comments before it.
pub(super) fn suggest(log: &str) -> Result<String> {
    let mut wanted = Wanted::default();
    for line in log.lines() {
        if let Some((capability, rule, detail)) = parts(line)
            && wanted.add(capability, rule, detail).is_none()
        {
            wanted.notes.insert(format!("{capability} ({rule}): {detail}"));
        }
    }
    wanted.text()
}

/// Capability, rule and what was refused: `denied by CAPABILITY (RULE): WHAT`, perhaps counted.
fn parts(line: &str) -> Option<(&str, &str, &str)> {
    let (_, told) = line.split_once(MARK)?;
    let (capability, rest) = told.split_once(" (")?;
    let (rule, rest) = rest.split_once(')')?;
    let (_, detail) = rest.split_once(": ")?;
    Some((capability, rule, detail.trim_end()))
}

impl Wanted {
    /// None for what no rule more would change.
    fn add(&mut self, capability: &str, rule: &str, detail: &str) -> Option<()> {
        match (capability, rule) {
            ("capabilities.http", "host" | "scheme" | "port" | "method" | "path") => self.http(detail),
            ("capabilities.sockets", "lookup") => {
                let (host, _) = detail.split_once(": ")?;
                self.lookup.insert(host.to_owned());
                Some(())
            }
            ("capabilities.sockets", "connect" | "listen") => self.socket(detail),
            _ => None,
        }
    }

    /// `GET https://host/path: why`
    fn http(&mut self, detail: &str) -> Option<()> {
        let (method, rest) = detail.split_once(' ')?;
        let (scheme, rest) = rest.split_once("://")?;
        // A path has no space, but perhaps a colon.
        let url = rest.split_once(": ").map_or(rest, |(url, _)| url);
        let (authority, path) = url.find('/').map_or((url, "/"), |at| url.split_at(at));
        let default = match scheme {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, default),
        };
        if host.is_empty() {
            return None;
        }
        let rule = self.http.entry((scheme.to_uppercase(), host.to_owned(), port)).or_default();
        rule.0.insert(method.to_owned());
        rule.1.insert(path.to_owned());
        Some(())
    }

    /// `TCP ADDRESS: why`, `listen TCP ADDRESS: why`
    fn socket(&mut self, detail: &str) -> Option<()> {
        let words: Vec<&str> = detail.split(' ').collect();
        let (own, protocol, address) = match words.as_slice() {
            ["bind" | "listen", protocol, address, ..] => (true, protocol, address),
            [protocol, address, ..] => (false, protocol, address),
            _ => return None,
        };
        let address: SocketAddr = address.strip_suffix(':').unwrap_or(address).parse().ok()?;
        let protocol = ["TCP", "UDP"].into_iter().find(|known| known == protocol)?;
        if own {
            self.listen.insert((address.port(), protocol));
        } else {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            self.connect.insert((format!("{}/{bits}", address.ip()), address.port(), protocol));
        }
        Some(())
    }

    fn text(&self) -> Result<String> {
        let mut notes: Vec<String> =
            self.notes.iter().map(|note| format!("# a rule more would not change this: {note}\n")).collect();
        let mut capabilities = serde_json::Map::new();
        let allow = bounded(self.http.iter().map(rule).collect(), "http.allow", &mut notes);
        if !allow.is_empty() {
            capabilities.insert("http".to_owned(), json!({ "allow": allow }));
        }
        let sockets = self.sockets(&mut notes);
        if !sockets.is_empty() {
            capabilities.insert("sockets".to_owned(), Value::Object(sockets));
        }
        if capabilities.is_empty() {
            notes.push("# nothing was refused that a rule would grant\n".to_owned());
            return Ok(notes.concat());
        }
        let yaml = serde_norway::to_string(&json!({ "spec": { "capabilities": capabilities } }))?;
        Ok(format!("{}# What a guest tried: read it before you grant it.\n{yaml}", notes.concat()))
    }

    fn sockets(&self, notes: &mut Vec<String>) -> serde_json::Map<String, Value> {
        let connect = self
            .connect
            .iter()
            .map(|(cidr, port, protocol)| json!({ "cidr": cidr, "ports": [port], "protocol": protocol }));
        let listen = self.listen.iter().map(|(port, protocol)| json!({ "port": port, "protocol": protocol }));
        let lists = [
            ("connect", connect.collect::<Vec<_>>()),
            ("listen", listen.collect()),
            ("lookup", self.lookup.iter().map(|host| json!(host)).collect()),
        ];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        lists.map(|(name, list)| (name.to_owned(), json!(bounded(list, name, notes)))).collect()
    }
}

/// One rule of HTTP. Of more paths than a rule may have, all is proposed, which is said by what it is.
fn rule(((scheme, host, port), (methods, paths)): (&Origin, &Asked)) -> Value {
    let few = paths.len() <= PATH_PREFIXES_MAX as usize;
    let prefixes = if few { json!(paths) } else { json!(["/"]) };
    json!({ "host": host, "ports": [port], "methods": methods, "pathPrefixes": prefixes, "scheme": scheme })
}

/// As many as the schema takes; the rest is counted.
fn bounded(mut list: Vec<Value>, name: &str, notes: &mut Vec<String>) -> Vec<Value> {
    let max = RULES_MAX as usize;
    if list.len() > max {
        notes.push(format!("# {name}: {} more than a Morph may have\n", list.len() - max));
        list.truncate(max);
    }
    list
}

#[cfg(test)]
mod tests;
