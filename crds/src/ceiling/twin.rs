//! The questions of the vocabulary in Rust. Each gives the values that are above the policy, as the CEL
//! beside its name in `vocabulary.rs` does.

use crate::bounds::{CONCURRENCY_DEFAULT, CPU_PER_CALL_MILLIS_DEFAULT, EGRESS_CONCURRENCY_DEFAULT};
use crate::{
    Access, Capabilities, Cidr, Connect, FilesystemCeiling, HostCeiling, HttpCeiling, HttpEgress, HttpRule,
    Limits, MorphPolicySpec, MorphSpec, MorphType, Part, Quantity, Scheme, Sockets, SocketsCeiling, Volume,
    VolumeKind,
};
use ipnet::IpNet;

/// The host's default of `limits.memory`, as people write it.
pub(super) const MEMORY_DEFAULT: &str = "128Mi";
/// The host's default of `limits.outputBytesPerSecond`, as people write it.
pub(super) const OUTPUT_DEFAULT: &str = "4Mi";

/// What a question is asked of.
pub(super) struct Asked<'a> {
    pub(super) policy: &'a MorphPolicySpec,
    spec: &'a MorphSpec,
    part: Part<'a>,
}

impl<'a> Asked<'a> {
    /// The Morph's own component, with which what is the whole's is asked, and then each plug.
    pub(super) fn parts(policy: &'a MorphPolicySpec, spec: &'a MorphSpec) -> Vec<Self> {
        spec.parts().map(|part| Self { policy, spec, part }).collect()
    }

    /// The part's field, a plug's with its name: admission has no index.
    pub(super) fn at(&self) -> String {
        match self.part.index {
            None => "spec".to_owned(),
            Some(_) => format!("spec.plugs[{}]", self.part.name),
        }
    }

    fn http(&self) -> Option<(&'a HttpCeiling, &'a HttpEgress)> {
        let ceiling = self.policy.capabilities.as_ref()?.http.as_ref()?;
        Some((ceiling, self.part.capabilities?.http.as_ref()?))
    }

    fn sockets(&self) -> Option<(&'a SocketsCeiling, &'a Sockets)> {
        let ceiling = self.policy.capabilities.as_ref()?.sockets.as_ref()?;
        Some((ceiling, self.part.capabilities?.sockets.as_ref()?))
    }

    fn filesystem(&self) -> Option<&'a FilesystemCeiling> {
        self.policy.capabilities.as_ref()?.filesystem.as_ref()
    }

    /// Rules of `capabilities.http` that `above` has something to say of.
    fn rules(&self, above: impl Fn(&HttpCeiling, &HttpRule) -> Option<String>) -> Vec<String> {
        let Some((ceiling, http)) = self.http() else { return Vec::new() };
        http.allow.iter().filter_map(|rule| above(ceiling, rule)).collect()
    }

    /// The same of `capabilities.sockets.connect`.
    fn connects(&self, above: impl Fn(&SocketsCeiling, &Connect) -> Option<String>) -> Vec<String> {
        let Some((ceiling, sockets)) = self.sockets() else { return Vec::new() };
        sockets.connect.iter().filter_map(|connect| above(ceiling, connect)).collect()
    }

    fn limits(&self) -> Limits {
        self.spec.limits.clone().unwrap_or_default()
    }

    fn most(&self) -> Limits {
        self.policy.limits.clone().unwrap_or_default()
    }
}

/// Those of `asked` that aren't among `allowed`, with commas between them.
fn beyond<T: PartialEq + Copy>(asked: &[T], allowed: &[T], text: impl Fn(T) -> String) -> Option<String> {
    let beyond: Vec<_> = asked.iter().filter(|one| !allowed.contains(one)).map(|one| text(*one)).collect();
    (!beyond.is_empty()).then(|| beyond.join(","))
}

/// Whether a ceiling's host stands for a host or a pattern.
fn covers(ceiling: &str, host: &str) -> bool {
    let below = ceiling.strip_prefix('*').filter(|suffix| suffix.starts_with('.'));
    ceiling == "*" || ceiling == host || below.is_some_and(|suffix| host.ends_with(suffix))
}

fn among(hosts: &[HostCeiling], host: &str) -> bool {
    hosts.iter().any(|ceiling| covers(ceiling.as_str(), host))
}

/// A network, read as strictly as the API server does: no leading zeros, no IPv4 in IPv6's clothes.
fn network(text: &str) -> Option<IpNet> {
    let (_, bits) = text.split_once('/')?;
    if bits.len() > 1 && bits.starts_with('0') {
        return None;
    }
    match text.parse::<IpNet>().ok()? {
        IpNet::V4(net) => (net.to_string() == text).then_some(IpNet::V4(net)),
        IpNet::V6(net) => net.addr().to_ipv4_mapped().is_none().then_some(IpNet::V6(net)),
    }
}

fn within(networks: &[Cidr], cidr: &str) -> bool {
    let Some(inner) = network(cidr) else { return false };
    networks.iter().filter_map(|outer| network(outer.as_str())).any(|outer| outer.contains(&inner.trunc()))
}

fn outside(networks: &[Cidr], asked: &[Cidr]) -> Option<String> {
    let outside: Vec<_> = asked.iter().map(Cidr::as_str).filter(|cidr| !within(networks, cidr)).collect();
    (!outside.is_empty()).then(|| outside.join(","))
}

/// Whether a quantity is more than another; what can't be read is.
fn exceeds(asked: &Quantity, most: &Quantity) -> bool {
    match (asked.milli(), most.milli()) {
        (Ok(asked), Ok(most)) => asked > most,
        _ => true,
    }
}

pub(super) fn image(asked: &Asked<'_>) -> Vec<String> {
    let image = asked.part.image;
    let begins = |prefix: &str| {
        let rest = image.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with(['/', ':', '@']))
    };
    let within = asked.policy.images.prefixes.iter().any(|prefix| begins(prefix.as_str()));
    if within { Vec::new() } else { vec![image.to_owned()] }
}

pub(super) fn kinds(asked: &Asked<'_>) -> Vec<String> {
    let Some(has) = asked.part.capabilities else { return Vec::new() };
    let none = crate::CapabilityCeiling::default();
    let may = asked.policy.capabilities.as_ref().unwrap_or(&none);
    // Taken apart by name, so that a new kind doesn't compile until it is here.
    let Capabilities { http, filesystem, sockets, keyvalue, logging } = has;
    let all = [
        ("http", http.is_some(), may.http.is_some()),
        ("filesystem", !filesystem.is_empty(), may.filesystem.is_some()),
        ("sockets", sockets.is_some(), may.sockets.is_some()),
        ("keyvalue", !keyvalue.is_empty(), may.keyvalue.is_some()),
        ("logging", logging.is_some(), may.logging.is_some()),
    ];
    all.into_iter().filter(|(_, asks, may)| *asks && !may).map(|(kind, ..)| kind.to_owned()).collect()
}

pub(super) fn http_host(asked: &Asked<'_>) -> Vec<String> {
    asked.rules(|may, rule| (!among(&may.hosts, rule.host.as_str())).then(|| rule.host.to_string()))
}

pub(super) fn http_ports(asked: &Asked<'_>) -> Vec<String> {
    asked.rules(|may, rule| {
        let ports = beyond(&rule.ports, &may.ports, |port| port.to_string())?;
        Some(format!("{}:{ports}", rule.host))
    })
}

pub(super) fn http_methods(asked: &Asked<'_>) -> Vec<String> {
    asked.rules(|may, rule| {
        let methods = beyond(&rule.methods, &may.methods, |method| method.as_str().to_owned())?;
        Some(format!("{} {methods}", rule.host))
    })
}

pub(super) fn http_scheme(asked: &Asked<'_>) -> Vec<String> {
    let plain = |rule: &HttpRule| rule.scheme != Scheme::Https;
    asked.rules(|may, rule| (plain(rule) && !may.allow_plain_http).then(|| rule.host.to_string()))
}

pub(super) fn http_addresses(asked: &Asked<'_>) -> Vec<String> {
    asked.rules(|may, rule| {
        let outside = outside(&may.addresses, &rule.addresses)?;
        Some(format!("{} to {outside}", rule.host))
    })
}

pub(super) fn http_credential(asked: &Asked<'_>) -> Vec<String> {
    asked.rules(|may, rule| {
        let secret = &rule.credential.as_ref()?.secret_key_ref.name;
        let mut credentials = may.credentials.iter().filter(|credential| credential.secret == *secret);
        let goes = credentials.any(|c| c.hosts.iter().any(|host| covers(host.as_str(), rule.host.as_str())));
        (!goes).then(|| format!("{secret} to {}", rule.host))
    })
}

pub(super) fn ca_bundle(asked: &Asked<'_>) -> Vec<String> {
    let bundle = asked.http().filter(|(may, _)| !may.ca_bundle).and_then(|(_, http)| http.ca_bundle.as_ref());
    bundle.map(|bundle| bundle.config_map_key_ref.name.clone()).into_iter().collect()
}

pub(super) fn egress_concurrency(asked: &Asked<'_>) -> Vec<String> {
    let Some((_, http)) = asked.http() else { return Vec::new() };
    above(concurrency_of(http), asked.policy.max_concurrency)
}

/// On the node each part has its own places: a pod's requests are those of all its parts together.
pub(super) fn egress_concurrency_of_all(asked: &Asked<'_>) -> Vec<String> {
    let asking = asked.spec.parts().filter_map(|part| part.capabilities?.http.as_ref());
    let each: Vec<_> = asking.map(|http| u64::from(concurrency_of(http))).collect();
    let all: u64 = each.iter().sum();
    let beyond = each.len() > 1 && all > u64::from(asked.policy.max_concurrency);
    beyond.then(|| format!("{all} of {} parts together", each.len())).into_iter().collect()
}

fn concurrency_of(http: &HttpEgress) -> u32 {
    let own = http.limits.as_ref().and_then(|limits| limits.max_concurrency);
    own.unwrap_or(EGRESS_CONCURRENCY_DEFAULT)
}

fn above<T: PartialOrd + ToString>(asked: T, most: T) -> Vec<String> {
    if asked > most { vec![asked.to_string()] } else { Vec::new() }
}

pub(super) fn access(asked: &Asked<'_>) -> Vec<String> {
    let Some(may) = asked.filesystem() else { return Vec::new() };
    let all = asked.part.capabilities.map_or(&[][..], |capabilities| &capabilities.filesystem);
    all.iter().filter(|one| one.access > may.access).map(|one| one.path.clone()).collect()
}

pub(super) fn access_most(asked: &Asked<'_>) -> String {
    match asked.filesystem().map(|may| may.access).unwrap_or_default() {
        Access::ReadOnly => "ReadOnly".to_owned(),
        Access::ReadWrite => "ReadWrite".to_owned(),
    }
}

/// Host or network of a peer.
fn peer(connect: &Connect) -> &str {
    let host = connect.host.as_ref().map(crate::HostPattern::as_str);
    host.or(connect.cidr.as_ref().map(Cidr::as_str)).unwrap_or_default()
}

fn protocol_of(protocol: crate::Protocol) -> &'static str {
    match protocol {
        crate::Protocol::Tcp => "TCP",
        crate::Protocol::Udp => "UDP",
    }
}

pub(super) fn socket_host(asked: &Asked<'_>) -> Vec<String> {
    asked.connects(|may, connect| {
        let host = connect.host.as_ref()?;
        (!among(&may.hosts, host.as_str())).then(|| host.to_string())
    })
}

pub(super) fn socket_cidr(asked: &Asked<'_>) -> Vec<String> {
    asked.connects(|may, connect| {
        let cidr = connect.cidr.as_ref()?;
        (!within(&may.cidrs, cidr.as_str())).then(|| cidr.to_string())
    })
}

pub(super) fn socket_ports(asked: &Asked<'_>) -> Vec<String> {
    asked.connects(|may, connect| {
        let ports = beyond(&connect.ports, &may.ports, |port| port.to_string())?;
        Some(format!("{}:{ports}", peer(connect)))
    })
}

pub(super) fn socket_protocol(asked: &Asked<'_>) -> Vec<String> {
    asked.connects(|may, connect| {
        let word = protocol_of(connect.protocol);
        (!may.protocols.contains(&connect.protocol)).then(|| format!("{word} to {}", peer(connect)))
    })
}

pub(super) fn socket_addresses(asked: &Asked<'_>) -> Vec<String> {
    asked.connects(|may, connect| {
        let outside = outside(&may.cidrs, &connect.addresses)?;
        Some(format!("{} to {outside}", peer(connect)))
    })
}

pub(super) fn listen_port(asked: &Asked<'_>) -> Vec<String> {
    let Some((may, sockets)) = asked.sockets() else { return Vec::new() };
    let ports = sockets.listen.iter().map(|listen| listen.port);
    ports.filter(|port| !may.listen.contains(port)).map(|port| port.to_string()).collect()
}

pub(super) fn listen_protocol(asked: &Asked<'_>) -> Vec<String> {
    let Some((may, sockets)) = asked.sockets() else { return Vec::new() };
    let beyond = sockets.listen.iter().filter(|listen| !may.protocols.contains(&listen.protocol));
    beyond.map(|listen| format!("{} port {}", protocol_of(listen.protocol), listen.port)).collect()
}

pub(super) fn lookup(asked: &Asked<'_>) -> Vec<String> {
    let Some((may, sockets)) = asked.sockets() else { return Vec::new() };
    let beyond = sockets.lookup.iter().filter(|host| !among(&may.lookup, host.as_str()));
    beyond.map(ToString::to_string).collect()
}

fn bucket_ceiling(asked: &Asked<'_>) -> Option<Quantity> {
    Some(asked.policy.capabilities.as_ref()?.keyvalue.as_ref()?.max_bytes.clone())
}

pub(super) fn bucket(asked: &Asked<'_>) -> Vec<String> {
    let Some(most) = bucket_ceiling(asked) else { return Vec::new() };
    let all = asked.part.capabilities.map_or(&[][..], |capabilities| &capabilities.keyvalue);
    let large = all.iter().filter(|bucket| exceeds(&bucket.memory.max_bytes, &most));
    large.map(|bucket| format!("{} {}", bucket.bucket, bucket.memory.max_bytes)).collect()
}

pub(super) fn bucket_most(asked: &Asked<'_>) -> String {
    bucket_ceiling(asked).unwrap_or_default().to_string()
}

/// What `list` holds, unless Secrets may reach guests.
fn secrets(asked: &Asked<'_>, list: impl Iterator<Item = String>) -> Vec<String> {
    if asked.policy.secrets_in_guests { Vec::new() } else { list.collect() }
}

pub(super) fn secret_in_config(asked: &Asked<'_>) -> Vec<String> {
    let named = asked.part.config.iter().filter_map(|entry| {
        let secret = entry.value_from.as_ref()?.secret_key_ref.as_ref()?;
        Some(format!("{} from {}", entry.key, secret.name))
    });
    secrets(asked, named)
}

pub(super) fn secret_in_env(asked: &Asked<'_>) -> Vec<String> {
    let named = asked.part.env.iter().filter_map(|var| {
        let secret = var.value_from.as_ref()?.secret_key_ref.as_ref()?;
        Some(format!("{} from {}", var.name, secret.name))
    });
    secrets(asked, named)
}

pub(super) fn secret_in_env_from(asked: &Asked<'_>) -> Vec<String> {
    let named = asked.spec.env_from.iter().filter_map(|from| Some(from.secret_ref.as_ref()?.name.clone()));
    secrets(asked, named)
}

pub(super) fn secret_in_volume(asked: &Asked<'_>) -> Vec<String> {
    let holds = |volume: &&Volume| {
        let sources = volume.projected.iter().flat_map(|projected| &projected.sources);
        volume.secret.is_some() || sources.into_iter().any(|source| source.secret.is_some())
    };
    secrets(asked, asked.spec.volumes.iter().filter(holds).map(|volume| volume.name.clone()))
}

/// Kinds of a volume; nothing stands for one that this version doesn't know.
fn kinds_of(volume: &Volume) -> Vec<Option<VolumeKind>> {
    // Taken apart by name, so that a new kind doesn't compile until it is here.
    let Volume { name: _, empty_dir, config_map, secret, projected, downward_api, persistent_volume_claim } =
        volume;
    let own = [
        (empty_dir.is_some(), VolumeKind::EmptyDir),
        (config_map.is_some(), VolumeKind::ConfigMap),
        (secret.is_some(), VolumeKind::Secret),
        (downward_api.is_some(), VolumeKind::DownwardApi),
        (persistent_volume_claim.is_some(), VolumeKind::PersistentVolumeClaim),
    ];
    let own = own.into_iter().filter(|(has, _)| *has).map(|(_, kind)| Some(kind));
    let sources = projected.iter().flat_map(|projected| &projected.sources).map(|source| {
        let kinds = [
            (source.config_map.is_some(), VolumeKind::ConfigMap),
            (source.secret.is_some(), VolumeKind::Secret),
            (source.downward_api.is_some(), VolumeKind::DownwardApi),
        ];
        kinds.into_iter().find(|(has, _)| *has).map(|(_, kind)| kind)
    });
    own.chain(sources).collect()
}

pub(super) fn volume(asked: &Asked<'_>) -> Vec<String> {
    let may = asked.filesystem().map_or(&[][..], |may| &may.volumes);
    let allowed = |volume: &Volume| {
        let kinds = kinds_of(volume);
        !kinds.is_empty() && kinds.iter().all(|kind| kind.is_some_and(|kind| may.contains(&kind)))
    };
    asked.spec.volumes.iter().filter(|one| !allowed(one)).map(|one| one.name.clone()).collect()
}

pub(super) fn account(asked: &Asked<'_>) -> Vec<String> {
    let named = asked.spec.template.as_ref().and_then(|template| template.service_account_name.clone());
    let allowed = |name: &String| asked.policy.service_accounts.iter().any(|may| may.as_str() == name);
    named.filter(|name| !allowed(name)).into_iter().collect()
}

pub(super) fn replicas(asked: &Asked<'_>) -> Vec<String> {
    above(asked.spec.replicas, asked.policy.max_replicas)
}

pub(super) fn parallelism(asked: &Asked<'_>) -> Vec<String> {
    let parallelism = asked.spec.run.as_ref().and_then(|run| run.parallelism);
    parallelism.map_or_else(Vec::new, |count| above(count, asked.policy.max_replicas))
}

pub(super) fn serve_concurrency(asked: &Asked<'_>) -> Vec<String> {
    if asked.spec.type_ == MorphType::Command {
        return Vec::new();
    }
    let own = asked.spec.http.as_ref().and_then(|http| http.max_concurrency);
    above(own.unwrap_or(CONCURRENCY_DEFAULT), asked.policy.max_concurrency)
}

fn or(quantity: Option<Quantity>, default: &str) -> Quantity {
    quantity.unwrap_or_else(|| Quantity::from(default))
}

fn above_quantity(asked: Option<Quantity>, most: Option<Quantity>, default: &str) -> Vec<String> {
    let asked = or(asked, default);
    if exceeds(&asked, &or(most, default)) { vec![asked.to_string()] } else { Vec::new() }
}

pub(super) fn memory(asked: &Asked<'_>) -> Vec<String> {
    above_quantity(asked.limits().memory, asked.most().memory, MEMORY_DEFAULT)
}

pub(super) fn memory_most(asked: &Asked<'_>) -> String {
    or(asked.most().memory, MEMORY_DEFAULT).to_string()
}

fn cpu_ceiling(asked: &Asked<'_>) -> u32 {
    asked.most().cpu_per_call_millis.unwrap_or(CPU_PER_CALL_MILLIS_DEFAULT)
}

pub(super) fn cpu(asked: &Asked<'_>) -> Vec<String> {
    above(asked.limits().cpu_per_call_millis.unwrap_or(CPU_PER_CALL_MILLIS_DEFAULT), cpu_ceiling(asked))
}

pub(super) fn cpu_most(asked: &Asked<'_>) -> String {
    cpu_ceiling(asked).to_string()
}

pub(super) fn output(asked: &Asked<'_>) -> Vec<String> {
    let (asked, most) = (asked.limits().output_bytes_per_second, asked.most().output_bytes_per_second);
    above_quantity(asked, most, OUTPUT_DEFAULT)
}

pub(super) fn output_most(asked: &Asked<'_>) -> String {
    or(asked.most().output_bytes_per_second, OUTPUT_DEFAULT).to_string()
}
