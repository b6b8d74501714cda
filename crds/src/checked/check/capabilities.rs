//! The twins of the rules of capabilities and configuration, of any part.

use super::{Findings, is_one};
use crate::bounds::{BODY_BYTES, BUCKET_BYTES};
use crate::checked::rules::*;
use crate::{Capabilities, ConfigEntry, Connect, HttpEgress, HttpRule, Part, Scheme, Sockets};

/// Ends of the names of hosts of the cluster.
const CLUSTER_SUFFIXES: [&str; 2] = [".svc", ".svc.cluster.local"];

pub(super) fn check(part: &Part<'_>, found: &mut Findings) {
    for (index, entry) in part.config.iter().enumerate() {
        check_config(entry, &format!("{}.config[{index}]", part.at()), found);
    }
    let Some(Capabilities { http, sockets, keyvalue, .. }) = part.capabilities else { return };
    let field = format!("{}.capabilities", part.at());
    if let Some(http) = http {
        check_http(http, &format!("{field}.http"), found);
    }
    if let Some(sockets) = sockets {
        check_sockets(sockets, &format!("{field}.sockets"), found);
    }
    for (index, bucket) in keyvalue.iter().enumerate() {
        let field = format!("{field}.keyvalue[{index}].memory.maxBytes");
        found.within(Some(&bucket.memory.max_bytes), BUCKET_BYTES, field, BUCKET_RANGE);
    }
}

fn check_config(entry: &ConfigEntry, field: &str, found: &mut Findings) {
    found.unless(is_one([entry.value.is_some(), entry.value_from.is_some()]), field, VALUE_AND_SOURCE);
    if let Some(from) = &entry.value_from {
        let one = is_one([from.config_map_key_ref.is_some(), from.secret_key_ref.is_some()]);
        found.unless(one, format!("{field}.valueFrom"), ONE_CONFIG_SOURCE);
    }
}

fn check_http(http: &HttpEgress, field: &str, found: &mut Findings) {
    for (index, rule) in http.allow.iter().enumerate() {
        check_rule(rule, &format!("{field}.allow[{index}]"), found);
    }
    if let Some(limits) = &http.limits {
        for (quantity, name) in
            [(&limits.request_bytes_max, "requestBytesMax"), (&limits.response_bytes_max, "responseBytesMax")]
        {
            let field = format!("{field}.limits.{name}");
            found.within(quantity.as_ref(), BODY_BYTES, field, BODY_RANGE);
        }
    }
}

fn check_rule(rule: &HttpRule, field: &str, found: &mut Findings) {
    let Some(credential) = &rule.credential else { return };
    let own = CLUSTER_SUFFIXES.iter().any(|suffix| rule.host.as_str().ends_with(suffix));
    let sealed = rule.scheme == Scheme::Https || (credential.allow_plain_http == Some(true) && own);
    found.unless(sealed, format!("{field}.credential"), PLAIN_CREDENTIAL);
    let header = credential.header.to_ascii_lowercase();
    let free = !HOST_HEADERS.contains(&header.as_str());
    found.unless(free, format!("{field}.credential.header"), HOST_HEADER);
}

fn check_sockets(sockets: &Sockets, field: &str, found: &mut Findings) {
    let any = !(sockets.connect.is_empty() && sockets.listen.is_empty() && sockets.lookup.is_empty());
    found.unless(any, field, SOCKETS_EMPTY);
    for (index, connect) in sockets.connect.iter().enumerate() {
        let Connect { host, cidr, addresses, .. } = connect;
        let field = format!("{field}.connect[{index}]");
        found.unless(is_one([host.is_some(), cidr.is_some()]), &field, ONE_PEER);
        found.unless(host.is_some() || addresses.is_empty(), &field, ADDRESSES_OF_CIDR);
    }
}
