//! What a spec grants over HTTP.

use super::limits::bytes;
use crate::morph::plan::files::Files;
use morph_crds::HttpEgress;
use morph_crds::bounds::{
    EGRESS_CONCURRENCY_DEFAULT, EGRESS_REQUEST_BYTES_DEFAULT, EGRESS_RESPONSE_BYTES_DEFAULT,
    EGRESS_TIMEOUT_MILLIS_DEFAULT,
};
use morph_grant::{Credential, HttpGrant, HttpLimits, HttpRule, HttpScheme};

/// By host, else in the spec's order: of two rules that allow a request, the first one's credential is sent.
pub(super) fn grant(http: &HttpEgress, files: &Files) -> HttpGrant {
    let mut allow: Vec<_> = http.allow.iter().map(|one| rule(one, files)).collect();
    allow.sort_by(|a, b| a.host.cmp(&b.host));
    HttpGrant {
        allow,
        ca_bundle: http.ca_bundle.as_ref().map(|bundle| files.ca(&bundle.config_map_key_ref)),
        limits: limits(http.limits.as_ref()),
    }
}

/// One rule; the order within its lists means nothing.
pub(crate) fn rule(rule: &morph_crds::HttpRule, files: &Files) -> HttpRule {
    let credential = rule.credential.as_ref().map(|credential| Credential {
        header: credential.header.clone(),
        prefix: credential.prefix.clone().unwrap_or_default(),
        file: files.credential(&credential.secret_key_ref),
        plain_http: credential.allow_plain_http == Some(true),
    });
    HttpRule {
        host: rule.host.to_string(),
        ports: sorted(&rule.ports, |port| *port),
        methods: sorted(&rule.methods, |method| method.as_str().to_owned()),
        path_prefixes: sorted(&rule.path_prefixes, ToString::to_string),
        scheme: match rule.scheme {
            morph_crds::Scheme::Https => HttpScheme::Https,
            morph_crds::Scheme::Http => HttpScheme::Http,
        },
        addresses: sorted(&rule.addresses, ToString::to_string),
        credential,
    }
}

fn limits(asked: Option<&morph_crds::HttpLimits>) -> HttpLimits {
    let asked = asked.cloned().unwrap_or_default();
    let (request, response) = (asked.request_bytes_max.as_ref(), asked.response_bytes_max.as_ref());
    HttpLimits {
        concurrency: asked.max_concurrency.unwrap_or(EGRESS_CONCURRENCY_DEFAULT),
        timeout_millis: asked.timeout_millis.unwrap_or(EGRESS_TIMEOUT_MILLIS_DEFAULT),
        request_bytes: request.map_or(EGRESS_REQUEST_BYTES_DEFAULT, bytes),
        response_bytes: response.map_or(EGRESS_RESPONSE_BYTES_DEFAULT, bytes),
    }
}

/// A list as the document has it: in order, and each item once.
pub(super) fn sorted<T, U: Ord>(list: &[T], item: impl Fn(&T) -> U) -> Vec<U> {
    let mut list: Vec<U> = list.iter().map(item).collect();
    list.sort();
    list.dedup();
    list
}
