//! The vocabulary of the ceiling: for each field of a Morph that a policy has a word for, the question in CEL
//! and its twin in Rust. A test walks the schema: a field that is neither here nor in `tests/free.rs`, where
//! the reason stands why no policy needs a word for it, fails it.

use super::twin::{self, Asked};

/// What an entry's CEL is asked of, as `p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Each part: `p.at` is its field, `p.image`, `p.capabilities`, `p.config` and `p.env` are its own.
    Parts,
    /// Each part that has this capability, where the policy has a word for it: `p.it` is the capability.
    Kind(&'static str),
    /// The whole spec, once: `p.it`.
    Whole,
}

/// A number of the policy that the finding shows.
#[derive(Clone, Copy)]
pub(super) struct Most {
    /// As a text in CEL.
    pub(super) cel: &'static str,
    /// The same in Rust.
    pub(super) twin: fn(&Asked<'_>) -> String,
}

/// One question.
pub(super) struct Entry {
    /// The variable of the admission policy.
    pub(super) name: &'static str,
    /// What it is asked of.
    pub(super) over: Over,
    /// The field, below the part's.
    pub(super) field: &'static str,
    /// CEL: the list of the values, as texts, that are above the policy.
    pub(super) values: &'static str,
    /// What to say of them.
    pub(super) rule: &'static str,
    /// The number that they are above, if there is one.
    pub(super) most: Option<Most>,
    /// The same list in Rust.
    pub(super) twin: fn(&Asked<'_>) -> Vec<String>,
}

/// Kinds of capabilities that a policy has words for; the flag tells those that are lists. What isn't here is
/// refused, whatever the policy says.
pub(super) const KINDS: [(&str, bool); 5] =
    [("http", false), ("filesystem", true), ("sockets", false), ("keyvalue", true), ("logging", false)];

/// Variables of the admission policy that entries share: what the policy says, taken apart once.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("httpHosts", "params.spec.capabilities.http.hosts"),
    ("httpSuffixes", "variables.httpHosts.filter(h, h.startsWith('*.')).map(h, h.substring(1))"),
    (
        "httpNetworks",
        concat!(
            "(has(params.spec.capabilities.http.addresses) ? params.spec.capabilities.http.addresses : [])",
            ".filter(c, isCIDR(c)).map(c, cidr(c))"
        ),
    ),
    (
        "credentials",
        "has(params.spec.capabilities.http.credentials) ? params.spec.capabilities.http.credentials : []",
    ),
    (
        "socketHosts",
        "has(params.spec.capabilities.sockets.hosts) ? params.spec.capabilities.sockets.hosts : []",
    ),
    ("socketSuffixes", "variables.socketHosts.filter(h, h.startsWith('*.')).map(h, h.substring(1))"),
    (
        "socketNetworks",
        concat!(
            "(has(params.spec.capabilities.sockets.cidrs) ? params.spec.capabilities.sockets.cidrs : [])",
            ".filter(c, isCIDR(c)).map(c, cidr(c))"
        ),
    ),
    (
        "socketPorts",
        "has(params.spec.capabilities.sockets.ports) ? params.spec.capabilities.sockets.ports : []",
    ),
    (
        "listenPorts",
        "has(params.spec.capabilities.sockets.listen) ? params.spec.capabilities.sockets.listen : []",
    ),
    (
        "lookups",
        "has(params.spec.capabilities.sockets.lookup) ? params.spec.capabilities.sockets.lookup : []",
    ),
    ("lookupSuffixes", "variables.lookups.filter(h, h.startsWith('*.')).map(h, h.substring(1))"),
    (
        "volumeKinds",
        concat!(
            "has(params.spec.capabilities) && has(params.spec.capabilities.filesystem) ",
            "? params.spec.capabilities.filesystem.volumes : []"
        ),
    ),
    ("accounts", "has(params.spec.serviceAccounts) ? params.spec.serviceAccounts : []"),
    (
        "memory",
        concat!(
            "has(params.spec.limits) && has(params.spec.limits.memory) ",
            "? string(params.spec.limits.memory) : '128Mi'"
        ),
    ),
    (
        "cpu",
        concat!(
            "has(params.spec.limits) && has(params.spec.limits.cpuPerCallMillis) ",
            "? params.spec.limits.cpuPerCallMillis : 10000"
        ),
    ),
    (
        "output",
        concat!(
            "has(params.spec.limits) && has(params.spec.limits.outputBytesPerSecond) ",
            "? string(params.spec.limits.outputBytesPerSecond) : '4Mi'"
        ),
    ),
];

const CONCURRENCY: Most =
    Most { cel: "string(params.spec.maxConcurrency)", twin: |a| a.policy.max_concurrency.to_string() };
const REPLICAS: Most =
    Most { cel: "string(params.spec.maxReplicas)", twin: |a| a.policy.max_replicas.to_string() };

/// The questions, in the order in which findings are told.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        name: "image",
        over: Over::Parts,
        field: ".image",
        values: concat!(
            "[p.image].filter(i, !params.spec.images.prefixes.exists(x, i == x || (i.startsWith(x) && ",
            "(x.endsWith('/') || i.substring(x.size(), x.size() + 1) in ['/', ':', '@']))))"
        ),
        rule: "begins with none of images.prefixes",
        most: None,
        twin: twin::image,
    },
    Entry {
        name: "unknownKinds",
        over: Over::Parts,
        field: ".capabilities",
        values: concat!(
            "variables.words.filter(k, k in p.capabilities && !(k in variables.kinds) && ",
            "!(k in variables.lists && p.capabilities[k].size() == 0)) + ",
            "p.capabilities.filter(k, !(k in variables.words))"
        ),
        rule: "has no word in capabilities",
        most: None,
        twin: twin::kinds,
    },
    Entry {
        name: "httpHost",
        over: Over::Kind("http"),
        field: ".capabilities.http.allow[].host",
        values: concat!(
            "p.it.allow.filter(r, !('*' in variables.httpHosts || r.host in variables.httpHosts || ",
            "variables.httpSuffixes.exists(s, r.host.endsWith(s)))).map(r, r.host)"
        ),
        rule: "not in capabilities.http.hosts",
        most: None,
        twin: twin::http_host,
    },
    Entry {
        name: "httpPort",
        over: Over::Kind("http"),
        field: ".capabilities.http.allow[].ports",
        values: concat!(
            "p.it.allow.filter(r, r.ports.exists(q, !(q in params.spec.capabilities.http.ports))).map(r, ",
            "r.host + ':' + r.ports.filter(q, !(q in params.spec.capabilities.http.ports))",
            ".map(q, string(q)).join(','))"
        ),
        rule: "not in capabilities.http.ports",
        most: None,
        twin: twin::http_ports,
    },
    Entry {
        name: "httpMethod",
        over: Over::Kind("http"),
        field: ".capabilities.http.allow[].methods",
        values: concat!(
            "p.it.allow.filter(r, r.methods.exists(m, !(m in params.spec.capabilities.http.methods)))",
            ".map(r, ",
            "r.host + ' ' + r.methods.filter(m, !(m in params.spec.capabilities.http.methods)).join(','))"
        ),
        rule: "not in capabilities.http.methods",
        most: None,
        twin: twin::http_methods,
    },
    Entry {
        name: "httpScheme",
        over: Over::Kind("http"),
        field: ".capabilities.http.allow[].scheme",
        values: concat!(
            "p.it.allow.filter(r, r.scheme != 'HTTPS' && !params.spec.capabilities.http.allowPlainHTTP)",
            ".map(r, r.host)"
        ),
        rule: "capabilities.http.allowPlainHTTP is not true",
        most: None,
        twin: twin::http_scheme,
    },
    Entry {
        name: "httpAddress",
        over: Over::Kind("http"),
        field: ".capabilities.http.allow[].addresses",
        values: concat!(
            "p.it.allow.filter(r, has(r.addresses)).map(r, {'h': r.host, 'a': dyn(r.addresses.filter(a, ",
            "!(isCIDR(a) && variables.httpNetworks.exists(n, n.containsCIDR(a)))))})",
            ".filter(x, x.a.size() > 0).map(x, x.h + ' to ' + x.a.join(','))"
        ),
        rule: "not within capabilities.http.addresses",
        most: None,
        twin: twin::http_addresses,
    },
    Entry {
        name: "credential",
        over: Over::Kind("http"),
        field: ".capabilities.http.allow[].credential",
        values: concat!(
            "p.it.allow.filter(r, has(r.credential) && !variables.credentials.exists(c, ",
            "c.secret == r.credential.secretKeyRef.name && (r.host in c.hosts || c.hosts.exists(x, ",
            "x.startsWith('*.') && r.host.endsWith(x.substring(1))))))",
            ".map(r, r.credential.secretKeyRef.name + ' to ' + r.host)"
        ),
        rule: "not in capabilities.http.credentials",
        most: None,
        twin: twin::http_credential,
    },
    Entry {
        name: "caBundle",
        over: Over::Kind("http"),
        field: ".capabilities.http.caBundle",
        values: concat!(
            "has(p.it.caBundle) && !params.spec.capabilities.http.caBundle ",
            "? [p.it.caBundle.configMapKeyRef.name] : []"
        ),
        rule: "capabilities.http.caBundle is not true",
        most: None,
        twin: twin::ca_bundle,
    },
    Entry {
        name: "egressConcurrency",
        over: Over::Kind("http"),
        field: ".capabilities.http.limits.maxConcurrency",
        values: concat!(
            "[has(p.it.limits) && has(p.it.limits.maxConcurrency) ? p.it.limits.maxConcurrency : 32]",
            ".filter(n, n > params.spec.maxConcurrency).map(n, string(n))"
        ),
        rule: "above maxConcurrency",
        most: Some(CONCURRENCY),
        twin: twin::egress_concurrency,
    },
    Entry {
        name: "access",
        over: Over::Kind("filesystem"),
        field: ".capabilities.filesystem[].access",
        values: concat!(
            "p.it.filter(f, f.access != 'ReadOnly' && ",
            "params.spec.capabilities.filesystem.access != 'ReadWrite')",
            ".map(f, f.path)"
        ),
        rule: "above capabilities.filesystem.access",
        most: Some(Most { cel: "params.spec.capabilities.filesystem.access", twin: twin::access_most }),
        twin: twin::access,
    },
    Entry {
        name: "socketHost",
        over: Over::Kind("sockets"),
        field: ".capabilities.sockets.connect[].host",
        values: concat!(
            "(has(p.it.connect) ? p.it.connect : [])",
            ".filter(c, has(c.host) && !('*' in variables.socketHosts || ",
            "c.host in variables.socketHosts || variables.socketSuffixes.exists(s, c.host.endsWith(s))))",
            ".map(c, c.host)"
        ),
        rule: "not in capabilities.sockets.hosts",
        most: None,
        twin: twin::socket_host,
    },
    Entry {
        name: "socketCidr",
        over: Over::Kind("sockets"),
        field: ".capabilities.sockets.connect[].cidr",
        values: concat!(
            "(has(p.it.connect) ? p.it.connect : []).filter(c, has(c.cidr) && !(isCIDR(c.cidr) && ",
            "variables.socketNetworks.exists(n, n.containsCIDR(c.cidr)))).map(c, c.cidr)"
        ),
        rule: "not within capabilities.sockets.cidrs",
        most: None,
        twin: twin::socket_cidr,
    },
    Entry {
        name: "socketPort",
        over: Over::Kind("sockets"),
        field: ".capabilities.sockets.connect[].ports",
        values: concat!(
            "(has(p.it.connect) ? p.it.connect : [])",
            ".filter(c, c.ports.exists(q, !(q in variables.socketPorts)))",
            ".map(c, (has(c.host) ? c.host : c.cidr) + ':' + ",
            "c.ports.filter(q, !(q in variables.socketPorts)).map(q, string(q)).join(','))"
        ),
        rule: "not in capabilities.sockets.ports",
        most: None,
        twin: twin::socket_ports,
    },
    Entry {
        name: "socketProtocol",
        over: Over::Kind("sockets"),
        field: ".capabilities.sockets.connect[].protocol",
        values: concat!(
            "(has(p.it.connect) ? p.it.connect : [])",
            ".filter(c, !(c.protocol in params.spec.capabilities.sockets.protocols))",
            ".map(c, c.protocol + ' to ' + (has(c.host) ? c.host : c.cidr))"
        ),
        rule: "not in capabilities.sockets.protocols",
        most: None,
        twin: twin::socket_protocol,
    },
    Entry {
        name: "socketAddress",
        over: Over::Kind("sockets"),
        field: ".capabilities.sockets.connect[].addresses",
        values: concat!(
            "(has(p.it.connect) ? p.it.connect : []).filter(c, has(c.addresses))",
            ".map(c, {'h': has(c.host) ? c.host : c.cidr, 'a': dyn(c.addresses.filter(a, ",
            "!(isCIDR(a) && variables.socketNetworks.exists(n, n.containsCIDR(a)))))})",
            ".filter(x, x.a.size() > 0).map(x, x.h + ' to ' + x.a.join(','))"
        ),
        rule: "not within capabilities.sockets.cidrs",
        most: None,
        twin: twin::socket_addresses,
    },
    Entry {
        name: "listenPort",
        over: Over::Kind("sockets"),
        field: ".capabilities.sockets.listen[].port",
        values: concat!(
            "(has(p.it.listen) ? p.it.listen : []).filter(l, !(l.port in variables.listenPorts))",
            ".map(l, string(l.port))"
        ),
        rule: "not in capabilities.sockets.listen",
        most: None,
        twin: twin::listen_port,
    },
    Entry {
        name: "listenProtocol",
        over: Over::Kind("sockets"),
        field: ".capabilities.sockets.listen[].protocol",
        values: concat!(
            "(has(p.it.listen) ? p.it.listen : [])",
            ".filter(l, !(l.protocol in params.spec.capabilities.sockets.protocols))",
            ".map(l, l.protocol + ' port ' + string(l.port))"
        ),
        rule: "not in capabilities.sockets.protocols",
        most: None,
        twin: twin::listen_protocol,
    },
    Entry {
        name: "lookup",
        over: Over::Kind("sockets"),
        field: ".capabilities.sockets.lookup[]",
        values: concat!(
            "(has(p.it.lookup) ? p.it.lookup : []).filter(h, !('*' in variables.lookups || ",
            "h in variables.lookups || variables.lookupSuffixes.exists(s, h.endsWith(s))))"
        ),
        rule: "not in capabilities.sockets.lookup",
        most: None,
        twin: twin::lookup,
    },
    Entry {
        name: "bucket",
        over: Over::Kind("keyvalue"),
        field: ".capabilities.keyvalue[].memory.maxBytes",
        values: concat!(
            "p.it.filter(b, quantity(string(b.memory.maxBytes))",
            ".compareTo(quantity(string(params.spec.capabilities.keyvalue.maxBytes))) > 0)",
            ".map(b, b.bucket + ' ' + string(b.memory.maxBytes))"
        ),
        rule: "above capabilities.keyvalue.maxBytes",
        most: Some(Most {
            cel: "string(params.spec.capabilities.keyvalue.maxBytes)",
            twin: twin::bucket_most,
        }),
        twin: twin::bucket,
    },
    Entry {
        name: "secretInConfig",
        over: Over::Parts,
        field: ".config[].valueFrom.secretKeyRef",
        values: concat!(
            "params.spec.secretsInGuests ? [] : p.config.filter(e, has(e.valueFrom) && ",
            "has(e.valueFrom.secretKeyRef)).map(e, e.key + ' from ' + e.valueFrom.secretKeyRef.name)"
        ),
        rule: "secretsInGuests is not true",
        most: None,
        twin: twin::secret_in_config,
    },
    Entry {
        name: "secretInEnv",
        over: Over::Parts,
        field: ".env[].valueFrom.secretKeyRef",
        values: concat!(
            "params.spec.secretsInGuests ? [] : p.env.filter(e, has(e.valueFrom) && ",
            "has(e.valueFrom.secretKeyRef)).map(e, e.name + ' from ' + e.valueFrom.secretKeyRef.name)"
        ),
        rule: "secretsInGuests is not true",
        most: None,
        twin: twin::secret_in_env,
    },
    Entry {
        name: "secretInEnvFrom",
        over: Over::Whole,
        field: ".envFrom[].secretRef",
        values: concat!(
            "params.spec.secretsInGuests || !has(p.it.envFrom) ? [] : ",
            "p.it.envFrom.filter(e, has(e.secretRef)).map(e, e.secretRef.name)"
        ),
        rule: "secretsInGuests is not true",
        most: None,
        twin: twin::secret_in_env_from,
    },
    Entry {
        name: "secretInVolume",
        over: Over::Whole,
        field: ".volumes[].secret",
        values: concat!(
            "params.spec.secretsInGuests || !has(p.it.volumes) ? [] : ",
            "p.it.volumes.filter(v, has(v.secret) || ",
            "(has(v.projected) && v.projected.sources.exists(s, has(s.secret)))).map(v, v.name)"
        ),
        rule: "secretsInGuests is not true",
        most: None,
        twin: twin::secret_in_volume,
    },
    Entry {
        name: "volume",
        over: Over::Whole,
        field: ".volumes[]",
        values: concat!(
            "(has(p.it.volumes) ? p.it.volumes : []).filter(v, ![",
            "(has(v.emptyDir) ? ['EmptyDir'] : []) + (has(v.configMap) ? ['ConfigMap'] : []) + ",
            "(has(v.secret) ? ['Secret'] : []) + (has(v.downwardAPI) ? ['DownwardAPI'] : []) + ",
            "(has(v.persistentVolumeClaim) ? ['PersistentVolumeClaim'] : []) + ",
            "(has(v.projected) ? v.projected.sources.map(s, has(s.configMap) ? 'ConfigMap' : ",
            "has(s.secret) ? 'Secret' : has(s.downwardAPI) ? 'DownwardAPI' : '') : [])",
            "].exists(l, l.size() > 0 && l.all(k, k in variables.volumeKinds))).map(v, v.name)"
        ),
        rule: "its kind is not in capabilities.filesystem.volumes",
        most: None,
        twin: twin::volume,
    },
    Entry {
        name: "account",
        over: Over::Whole,
        field: ".template.serviceAccountName",
        values: concat!(
            "has(p.it.template) && has(p.it.template.serviceAccountName) ",
            "? [p.it.template.serviceAccountName].filter(a, !(a in variables.accounts)) : []"
        ),
        rule: "not in serviceAccounts",
        most: None,
        twin: twin::account,
    },
    Entry {
        name: "replicas",
        over: Over::Whole,
        field: ".replicas",
        values: "[p.it.replicas].filter(n, n > params.spec.maxReplicas).map(n, string(n))",
        rule: "above maxReplicas",
        most: Some(REPLICAS),
        twin: twin::replicas,
    },
    Entry {
        name: "parallelism",
        over: Over::Whole,
        field: ".run.parallelism",
        values: concat!(
            "has(p.it.run) && has(p.it.run.parallelism) ",
            "? [p.it.run.parallelism].filter(n, n > params.spec.maxReplicas).map(n, string(n)) : []"
        ),
        rule: "above maxReplicas",
        most: Some(REPLICAS),
        twin: twin::parallelism,
    },
    Entry {
        name: "serveConcurrency",
        over: Over::Whole,
        field: ".http.maxConcurrency",
        values: concat!(
            "p.it.type == 'Command' ? [] : ",
            "[has(p.it.http) && has(p.it.http.maxConcurrency) ? p.it.http.maxConcurrency : 128]",
            ".filter(n, n > params.spec.maxConcurrency).map(n, string(n))"
        ),
        rule: "above maxConcurrency",
        most: Some(CONCURRENCY),
        twin: twin::serve_concurrency,
    },
    Entry {
        name: "egressConcurrencyOfAll",
        over: Over::Whole,
        field: ".plugs[].capabilities.http.limits.maxConcurrency",
        values: concat!(
            "[variables.parts.filter(x, has(x.capabilities.http)).map(x, int(",
            "has(x.capabilities.http.limits) && has(x.capabilities.http.limits.maxConcurrency) ",
            "? x.capabilities.http.limits.maxConcurrency : 32))]",
            ".filter(l, l.size() > 1 && l.sum() > params.spec.maxConcurrency)",
            ".map(l, string(l.sum()) + ' of ' + string(l.size()) + ' parts together')"
        ),
        rule: "above maxConcurrency",
        most: Some(CONCURRENCY),
        twin: twin::egress_concurrency_of_all,
    },
    Entry {
        name: "memoryLimit",
        over: Over::Whole,
        field: ".limits.memory",
        values: concat!(
            "[has(p.it.limits) && has(p.it.limits.memory) ? string(p.it.limits.memory) : '128Mi']",
            ".filter(m, quantity(m).compareTo(quantity(variables.memory)) > 0)"
        ),
        rule: "above limits.memory",
        most: Some(Most { cel: "variables.memory", twin: twin::memory_most }),
        twin: twin::memory,
    },
    Entry {
        name: "cpuLimit",
        over: Over::Whole,
        field: ".limits.cpuPerCallMillis",
        values: concat!(
            "[has(p.it.limits) && has(p.it.limits.cpuPerCallMillis) ? p.it.limits.cpuPerCallMillis : 10000]",
            ".filter(n, n > variables.cpu).map(n, string(n))"
        ),
        rule: "above limits.cpuPerCallMillis",
        most: Some(Most { cel: "string(variables.cpu)", twin: twin::cpu_most }),
        twin: twin::cpu,
    },
    Entry {
        name: "outputLimit",
        over: Over::Whole,
        field: ".limits.outputBytesPerSecond",
        values: concat!(
            "[has(p.it.limits) && has(p.it.limits.outputBytesPerSecond) ",
            "? string(p.it.limits.outputBytesPerSecond) : '4Mi']",
            ".filter(m, quantity(m).compareTo(quantity(variables.output)) > 0)"
        ),
        rule: "above limits.outputBytesPerSecond",
        most: Some(Most { cel: "variables.output", twin: twin::output_most }),
        twin: twin::output,
    },
];
