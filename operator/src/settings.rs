//! What the operator is told at its start, by flag or environment: parsed and checked once. It does nothing.

mod commands;

pub use commands::{KeysAction, KeysSettings, NodeSettings};

use crate::morph::{DNS_NAMESPACE, DNS_PORT, Dns, Fence};
use clap::{ArgAction, Args, Parser, ValueEnum};
use morph_oci::{ClientConfig, HostPattern, IpNet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The operator of Morphs: turns each into pods, once its imports are found to be granted.
#[derive(Debug, Clone, Parser)]
#[command(name = "morph-operator", version, about, long_about = None)]
pub struct Settings {
    /// The namespace that the operator runs in: its Lease is there.
    #[arg(long, env = "MORPH_NAMESPACE", default_value = "morph-system", value_parser = label)]
    pub namespace: String,

    /// The name of this replica in the Lease: the pod's.
    #[arg(long, env = "MORPH_IDENTITY", value_parser = subdomain)]
    pub identity: String,

    /// Where Prometheus finds /metrics.
    #[arg(long, env = "MORPH_METRICS_ADDR", default_value = "[::]:8080")]
    pub metrics_addr: SocketAddr,

    /// Where the kubelet finds /livez and /readyz.
    #[arg(long, env = "MORPH_HEALTH_ADDR", default_value = "[::]:8081")]
    pub health_addr: SocketAddr,

    /// The directory in which the Secret with the keys that sign grants is mounted.
    #[arg(long, env = "MORPH_SIGNING_KEYS", default_value = "/etc/morph/signing-keys",
        value_parser = absolute)]
    pub signing_keys: PathBuf,

    /// Where nodes' agents report denials.
    #[arg(long, env = "MORPH_DENIALS_ADDR", default_value = "[::]:8443")]
    pub denials_addr: SocketAddr,

    /// The namespace of the nodes' agents: public keys are published there.
    #[arg(long, env = "MORPH_NODE_NAMESPACE", default_value = "morph-node", value_parser = label)]
    pub node_namespace: String,

    /// How many Morphs are looked at at once.
    #[arg(long, env = "MORPH_WORKERS", default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,

    /// Seconds between two looks at a Morph that nothing happens to.
    #[arg(long, env = "MORPH_RESYNC_SECONDS", default_value_t = 600,
        value_parser = clap::value_parser!(u32).range(30..=86_400))]
    pub resync_seconds: u32,

    /// Seconds between two sweeps of objects that lost their Morph.
    #[arg(long, env = "MORPH_SWEEP_SECONDS", default_value_t = 120,
        value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub sweep_seconds: u32,

    /// Whom registries are asked as, and which of them.
    #[command(flatten)]
    pub registry: RegistrySettings,

    /// Which NetworkPolicies Morphs get.
    #[command(flatten)]
    pub network: NetworkSettings,

    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogSettings,
}

/// What is logged, and how.
#[derive(Debug, Clone, Args)]
pub struct LogSettings {
    /// How log lines look.
    #[arg(long = "log-format", env = "MORPH_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    pub format: LogFormat,

    /// What is logged, in the syntax of tracing's EnvFilter.
    #[arg(long = "log", env = "MORPH_LOG", default_value = "info")]
    pub filter: String,
}

/// Whom registries are asked as, and which of them.
#[derive(Debug, Clone, Args)]
pub struct RegistrySettings {
    /// Registries that are asked without TLS: host or host:port, as in references; separated by commas.
    #[arg(long = "registry-plain-http", env = "MORPH_REGISTRY_PLAIN_HTTP", value_delimiter = ',',
        value_parser = registry)]
    pub plain_http: Vec<String>,

    /// Networks that registries may be in though they aren't public, as CIDR; separated by commas.
    #[arg(long = "registry-allow-private", env = "MORPH_REGISTRY_ALLOW_PRIVATE", value_delimiter = ',')]
    pub allow_private: Vec<IpNet>,

    /// Other hosts that a registry may redirect to or name as its token realm: host, host:port or *.suffix;
    /// separated by commas.
    #[arg(long = "registry-allow-hosts", env = "MORPH_REGISTRY_ALLOW_HOSTS", value_delimiter = ',')]
    pub allow_hosts: Vec<HostPattern>,

    /// A Docker config file with credentials, read anew each time that one is wanted.
    #[arg(long, env = "MORPH_DOCKER_CONFIG", value_parser = absolute)]
    pub docker_config: Option<PathBuf>,
}

/// Which NetworkPolicies Morphs get.
#[derive(Debug, Clone, Args)]
pub struct NetworkSettings {
    /// Whether each Morph gets a NetworkPolicy.
    #[arg(long, env = "MORPH_NETWORK_POLICY", default_value_t = true, action = ArgAction::Set)]
    pub network_policy: bool,

    /// The namespace of the cluster's DNS.
    #[arg(long, env = "MORPH_DNS_NAMESPACE", default_value = DNS_NAMESPACE, value_parser = label)]
    pub dns_namespace: String,

    /// Labels of its pods, KEY=VALUE; separated by commas.
    #[arg(long, env = "MORPH_DNS_LABELS", value_delimiter = ',', value_parser = key_value,
        default_value = DNS_LABELS)]
    pub dns_labels: Vec<(String, String)>,

    /// Networks in which it answers besides, as CIDR (a cache on the nodes); separated by commas.
    #[arg(long, env = "MORPH_DNS_ADDRESSES", value_delimiter = ',')]
    pub dns_addresses: Vec<IpNet>,

    /// The port of its pods, UDP and TCP.
    #[arg(long, env = "MORPH_DNS_PORT", default_value_t = DNS_PORT,
        value_parser = clap::value_parser!(u16).range(1..))]
    pub dns_port: u16,
}

/// [`DNS_LABEL`], as the flag spells it.
const DNS_LABELS: &str = "k8s-app=kube-dns";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Words, for people.
    Text,
}

impl Settings {
    /// Time between two looks at a Morph that nothing happens to.
    #[must_use]
    pub fn resync(&self) -> Duration {
        Duration::from_secs(u64::from(self.resync_seconds))
    }

    /// Time between two sweeps.
    #[must_use]
    pub fn sweep(&self) -> Duration {
        Duration::from_secs(u64::from(self.sweep_seconds))
    }
}

impl RegistrySettings {
    /// As the registry client takes it.
    #[must_use]
    pub fn client(&self) -> ClientConfig {
        ClientConfig {
            docker_config: self.docker_config.clone(),
            plain_http: self.plain_http.clone(),
            allow_private: self.allow_private.clone(),
            allow_hosts: self.allow_hosts.clone(),
        }
    }
}

impl NetworkSettings {
    /// What NetworkPolicies have to know; none where Morphs get none.
    #[must_use]
    pub fn fence(&self) -> Option<Fence> {
        self.network_policy.then(|| Fence {
            dns: Dns {
                namespace: self.dns_namespace.clone(),
                labels: self.dns_labels.iter().cloned().collect(),
                addresses: self.dns_addresses.clone(),
                port: self.dns_port,
            },
        })
    }
}

/// Longest DNS label, in characters (RFC 1123).
const LABEL_CHARS_MAX: usize = 63;

/// Longest DNS name, in characters (RFC 1123).
const SUBDOMAIN_CHARS_MAX: usize = 253;

fn label(text: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inside = text.chars().all(|c| word(c) || c == '-');
    if inside && text.len() <= LABEL_CHARS_MAX && text.starts_with(word) && text.ends_with(word) {
        return Ok(text.to_owned());
    }
    Err("must be at most 63 lower-case letters, digits and -, with a letter or digit at both ends".to_owned())
}

fn subdomain(text: &str) -> Result<String, String> {
    if text.len() > SUBDOMAIN_CHARS_MAX {
        return Err("must be at most 253 characters".to_owned());
    }
    text.split('.').try_for_each(|part| label(part).map(drop))?;
    Ok(text.to_owned())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be KEY=VALUE".to_owned()),
    }
}

/// A registry as references spell it; the reference parser is the judge.
fn registry(text: &str) -> Result<String, String> {
    let reference = format!("{text}/x:x").parse::<morph_oci::Reference>();
    match reference {
        Ok(reference) if reference.repository().registry() == text => Ok(text.to_owned()),
        _ => Err("must be a host with a dot, host:port, or localhost".to_owned()),
    }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("must be an absolute path".to_owned()) }
}

#[cfg(test)]
mod tests;
