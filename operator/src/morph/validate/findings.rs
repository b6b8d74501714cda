//! What the schema can't say: that a suffix is a public one, that an address, a network or a time is none or
//! has another spelling, that a rule stands there twice, that one rule leads round another. Pure.

use super::super::composition;
use super::super::plan::files::Files;
use super::super::plan::grant::{http, sockets, unix_millis};
use core::net::{IpAddr, Ipv6Addr};
use morph_crds::{Capabilities, Cidr, FieldError, HttpEgress, MorphSpec, Part, Sockets};
use morph_oci::IpNet;
use std::collections::BTreeMap;

/// Everything of this kind that is wrong with a spec.
#[must_use]
pub fn findings(spec: &MorphSpec) -> Vec<FieldError> {
    let mut found = Findings::default();
    if let Some(clock) = spec.determinism.as_ref().and_then(|determinism| determinism.clock.as_deref()) {
        let exists = unix_millis(clock).is_some();
        found.unless(exists, "spec.determinism.clock", || format!("\"{clock}\" is no time that there is"));
    }
    let files = Files::of(spec);
    for part in spec.parts() {
        check_part(&part, &files, &mut found);
    }
    found.0.extend(composition::interfaces(spec).filter_map(Result::err));
    found.0
}

/// What one part asks for; rules of one part say nothing of another's.
fn check_part(part: &Part<'_>, files: &Files, found: &mut Findings) {
    let Some(Capabilities { http, sockets, .. }) = part.capabilities else { return };
    let allow = format!("{}.capabilities.http.allow", part.at());
    let field = format!("{}.capabilities.sockets", part.at());
    if let Some(http) = http {
        check_http(http, &allow, files, found);
    }
    if let Some(sockets) = sockets {
        check_sockets(sockets, &field, found);
    }
    if let (Some(http), Some(sockets)) = (http, sockets) {
        check_round((http, &allow), (sockets, &field), files, found);
    }
}

#[derive(Default)]
struct Findings(Vec<FieldError>);

impl Findings {
    fn unless(&mut self, holds: bool, field: impl Into<String>, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push(FieldError { field: field.into(), message: message() });
        }
    }

    fn host(&mut self, host: &str, field: &str) {
        if let Some(suffix) = host.strip_prefix("*.") {
            self.unless(psl::suffix_str(suffix) != Some(suffix), field, || {
                format!("below {suffix} everybody may have a name; name a domain of somebody's, or one host")
            });
        } else if morph_grant::is_address(host) {
            let canonical = canonical_address(host);
            self.unless(canonical.as_deref() == Some(host), field, || other_spelling("address", canonical));
        }
    }

    fn network(&mut self, network: &Cidr, field: &str) {
        let canonical = canonical_network(network.as_str());
        let same = canonical.as_deref() == Some(network.as_str());
        self.unless(same, field, || other_spelling("network", canonical));
    }

    fn networks(&mut self, networks: &[Cidr], field: &str) {
        for (index, network) in networks.iter().enumerate() {
            self.network(network, &format!("{field}.addresses[{index}]"));
        }
    }

    /// Refuses each item that one before it equals.
    fn once<T: Ord>(&mut self, items: impl Iterator<Item = T>, field: &str) {
        let mut seen = BTreeMap::new();
        for (index, item) in items.enumerate() {
            let first = *seen.entry(item).or_insert(index);
            self.unless(first == index, format!("{field}[{index}]"), || {
                format!("says the same as {field}[{first}]; remove one")
            });
        }
    }
}

fn other_spelling(what: &str, canonical: Option<String>) -> String {
    match canonical {
        Some(text) => format!("must be written {text}"),
        None => format!("is no {what}"),
    }
}

/// The one spelling of a host that is an address. An IPv4 address within IPv6 is an IPv4 address.
fn canonical_address(host: &str) -> Option<String> {
    let Some(inside) = host.strip_prefix('[') else {
        return host.parse::<core::net::Ipv4Addr>().ok().map(|address| address.to_string());
    };
    let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
    Some(match address.to_ipv4_mapped() {
        Some(mapped) => mapped.to_string(),
        None => format!("[{address}]"),
    })
}

/// The one spelling of a network: no bits beyond its length, no IPv4 within IPv6.
fn canonical_network(text: &str) -> Option<String> {
    let network = text.parse::<IpNet>().ok()?.trunc();
    let mapped = match network.addr() {
        IpAddr::V6(address) if network.prefix_len() >= MAPPED_BITS => address.to_ipv4_mapped(),
        _ => None,
    };
    Some(match mapped {
        Some(address) => format!("{address}/{}", network.prefix_len() - MAPPED_BITS),
        None => network.to_string(),
    })
}

/// Bits before the IPv4 address within an IPv6 one.
const MAPPED_BITS: u8 = 96;

fn check_http(http: &HttpEgress, field: &str, files: &Files, found: &mut Findings) {
    for (index, rule) in http.allow.iter().enumerate() {
        found.host(rule.host.as_str(), &format!("{field}[{index}].host"));
        found.networks(&rule.addresses, &format!("{field}[{index}]"));
    }
    // Whatever else two such rules say, nobody could tell which of them is meant.
    let same = http.allow.iter().map(|rule| {
        let rule = http::rule(rule, files);
        let scheme = rule.scheme == morph_grant::HttpScheme::Https;
        (rule.host, rule.ports, rule.methods, rule.path_prefixes, scheme)
    });
    found.once(same, field);
}

fn check_sockets(sockets: &Sockets, at: &str, found: &mut Findings) {
    for (index, connect) in sockets.connect.iter().enumerate() {
        let field = format!("{at}.connect[{index}]");
        if let Some(host) = &connect.host {
            found.host(host.as_str(), &format!("{field}.host"));
        }
        if let Some(network) = &connect.cidr {
            found.network(network, &format!("{field}.cidr"));
        }
        found.networks(&connect.addresses, &field);
    }
    for (index, name) in sockets.lookup.iter().enumerate() {
        found.host(name.as_str(), &format!("{at}.lookup[{index}]"));
    }
    let connect = sockets.connect.iter().map(|connect| {
        let peer = (connect.host.as_ref(), connect.cidr.as_ref());
        (peer, connect.protocol, self::sockets::connect(connect).map(|rule| rule.ports))
    });
    found.once(connect, &format!("{at}.connect"));
    let listen = sockets.listen.iter().map(|listen| (listen.port, listen.protocol));
    found.once(listen, &format!("{at}.listen"));
}

/// Each with its field.
fn check_round(
    (http, allow_at): (&HttpEgress, &str),
    (sockets, sockets_at): (&Sockets, &str),
    files: &Files,
    found: &mut Findings,
) {
    for (index, connect) in sockets.connect.iter().enumerate() {
        let Some(connect) = self::sockets::connect(connect) else { continue };
        let guarded = http.allow.iter().map(|rule| http::rule(rule, files));
        let round = guarded.enumerate().find(|(_, rule)| morph_grant::walks_round(&connect, rule));
        let Some((allow, rule)) = round else { continue };
        found.unless(false, format!("{sockets_at}.connect[{index}]"), || {
            format!(
                "would lead round {allow_at}[{allow}], which says how {} may be asked on a port that both \
                 have; leave one of them that port, or that host",
                rule.host
            )
        });
    }
}

#[cfg(test)]
mod tests;
