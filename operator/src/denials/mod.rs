//! Denials on their last way: nodes' agents report what was refused to guests, and each new kind of it
//! becomes an Event on the Morph. Who reports, and of which pod, is asked of the API server: nodes have no
//! right over Morphs or Events.

pub mod judge;
pub mod ledger;
pub mod receive;
pub mod serve;
pub mod tls;
pub mod tokens;

/// The audience of the agents' tokens: one that is meant for the API server, or anybody else, isn't taken.
pub const AUDIENCE: &str = "morph-operator";

/// Where reports are sent to: a JSON array of them.
pub const PATH: &str = "/v1/denials";

/// Most reports in one request.
pub const REPORTS_MAX: usize = 64;

/// Largest request, in bytes: that many reports, with brackets and commas.
pub const BODY_BYTES_MAX: usize = REPORTS_MAX * (morph_grant::denial::REPORT_BYTES_MAX + 1) + 2;

/// Name of the Service in front of the operator, and with its namespace the name in its certificate.
pub const SERVICE: &str = "morph-operator";

/// Name of the Service's port.
pub const PORT_NAME: &str = "denials";

/// Name of the agents' ServiceAccount, in the namespace of the nodes' agents.
pub const AGENT_ACCOUNT: &str = "morph-node";

/// The name in the operator's certificate.
#[must_use]
pub fn server_name(namespace: &str) -> String {
    format!("{SERVICE}.{namespace}.svc")
}
