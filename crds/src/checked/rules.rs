//! CEL rules of the schema: what bounds can't say. Each has its twin in `check.rs`, with the same message;
//! a test runs all cases of the case table through both.

use super::shape;
use crate::PLUG_VARIABLE_PREFIX;
use serde_json::{Value, json};

fn rule(rule: &str, path: &str, message: &str) -> Value {
    let mut value = json!({ "rule": rule, "message": message, "reason": "FieldValueInvalid" });
    if let (false, Some(object)) = (path.is_empty(), value.as_object_mut()) {
        object.insert("fieldPath".to_owned(), json!(path));
    }
    value
}

pub(crate) const VOLUME_UNDECLARED: &str =
    "a filesystem grant names a volume that spec.volumes doesn't declare; declare it or correct the name";
pub(crate) const VOLUME_READ_ONLY: &str = "configMap, secret, projected and downwardAPI \
     volumes and claims with readOnly can only be read; \
     remove access: ReadWrite";
pub(crate) const PLUG_VOLUME_UNDECLARED: &str = "a filesystem grant of a plug names a volume that \
     spec.volumes doesn't declare; declare it or correct the name";
pub(crate) const PLUG_VOLUME_READ_ONLY: &str = "a filesystem grant of a plug asks to write to a volume that \
     can only be read: configMap, secret, projected, downwardAPI, a claim with readOnly; \
     remove access: ReadWrite";
pub(crate) const PATHS_OVERLAP: &str =
    "a path lies inside another grant's path; give each grant a directory of its own";
pub(crate) const RUN_OF_SERVER: &str = "run is for a Command: a Server runs always; remove run or the type";
pub(crate) const HTTP_OF_COMMAND: &str =
    "http is for a Server: a Command serves nothing; remove http or the type";
pub(crate) const PROBES_OF_COMMAND: &str =
    "probes are for a Server: a Command has no port; remove template.probes or the type";
pub(crate) const LAME_DUCK_TOO_LONG: &str = "http.lameDuckSeconds (default 3) must be less than \
     template.terminationGracePeriodSeconds (default 30), \
     or the pod is killed before it has drained";
pub(crate) const MEMORY_ABOVE_POD: &str = "limits.memory must be less than \
     resources.limits.memory: the pod also holds the host; \
     lower the first or raise the second";
pub(crate) const ZONE_WITHOUT_SCHEDULE: &str = "timeZone is for a schedule; add run.schedule or remove it";
pub(crate) const POLICY_WITHOUT_SCHEDULE: &str =
    "concurrencyPolicy is for a schedule; add run.schedule or remove it";
pub(crate) const ZONE_LOCAL: &str = "Local is no time zone of the IANA database; name one, such as Etc/UTC";
pub(crate) const VALUE_AND_SOURCE: &str = "exactly one of value and valueFrom; remove one or give one";
pub(crate) const ONE_ENV_SOURCE: &str = "exactly one of configMapKeyRef, secretKeyRef and fieldRef";
pub(crate) const ONE_ENV_FROM: &str = "exactly one of configMapRef and secretRef";
pub(crate) const ONE_VOLUME_SOURCE: &str =
    "exactly one of emptyDir, configMap, secret, projected, downwardAPI and persistentVolumeClaim";
pub(crate) const ONE_PROJECTED_SOURCE: &str = "exactly one of configMap, secret and downwardAPI";
pub(crate) const ONE_PROBE: &str = "exactly one of httpGet and tcpSocket";
pub(crate) const SUCCESS_THRESHOLD: &str =
    "successThreshold of startup and liveness is always 1; remove it or set 1";
pub(crate) const RESERVED_KEY: &str =
    "keys of hayride.dev and its sub-domains belong to the operator; choose another prefix";
pub(crate) const PLAIN_CREDENTIAL: &str = "a credential goes over HTTPS alone, but for a host of this \
     cluster (.svc or .svc.cluster.local) with credential.allowPlainHTTP: true; use scheme HTTPS";
pub(crate) const HOST_HEADER: &str =
    "this header is the host's own: it belongs to the connection, not to the request; name another";
pub(crate) const BODY_RANGE: &str = "a body may have at most 4Gi";
pub(crate) const SOCKETS_EMPTY: &str =
    "at least one of connect, listen and lookup; add one or remove sockets";
pub(crate) const SOCKETS_CEILING_EMPTY: &str =
    "at least one of hosts, cidrs, listen and lookup; add one or remove sockets";
pub(crate) const ONE_PEER: &str = "exactly one of host and cidr";
pub(crate) const ADDRESSES_OF_CIDR: &str =
    "addresses say where a host's name may lead; a cidr is itself a network: remove addresses";
pub(crate) const BUCKET_RANGE: &str = "maxBytes must be at least 1Ki and at most 1Gi";
pub(crate) const ONE_CONFIG_SOURCE: &str = "exactly one of configMapKeyRef and secretKeyRef";
pub(crate) const DETERMINISM_EMPTY: &str = "at least one of seed and clock; add one or remove determinism";
pub(crate) const STEP_WITHOUT_CLOCK: &str = "clockStepMillis moves a fixed clock; add determinism.clock";
pub(crate) const OUTPUT_RANGE: &str = "outputBytesPerSecond must be at least 1Ki and at most 1Gi";
pub(crate) const RESERVED_PART: &str =
    "main stands for the Morph's own component and host for the host; choose another name";
pub(crate) const RESERVED_VARIABLE: &str =
    "variables that begin with HAYRIDE_PLUG_ carry those of plugs to them; choose another name";
pub(crate) const LINKS_WITHOUT_PLUGS: &str =
    "links say which part answers an import, and there is no plug; add plugs or remove links";
pub(crate) const LINK_FROM_HOST: &str = "the host imports nothing; name main or a plug";
pub(crate) const LINK_TO_MAIN: &str = "main answers no import of a plug; name a plug, or host";
pub(crate) const LINK_TO_ITSELF: &str = "no part answers an import of its own; name another plug, or host";
/// CEL, at the root: status and log lines have the Morph's name for its own component.
pub(crate) const PLUGS_DIFFER: &str =
    "!has(self.spec.plugs) || self.spec.plugs.all(p, p.name != self.metadata.name)";
pub(crate) const PLUG_NAMED_AS_MORPH: &str =
    "the Morph's own name stands for its own component; choose another name for the plug";
pub(crate) const RESERVED_VOLUME: &str =
    "names that begin with hayride- belong to the operator; choose another";
/// Headers that belong to a connection, or say to whom a request goes and where it ends.
pub(crate) const HOST_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
pub(crate) const MEMORY_RANGE: &str = "memory must be at least 64Ki and at most 4Gi";
pub(crate) const REQUEST_ABOVE_LIMIT: &str = "a request is above its limit; lower it or raise the limit";

/// Rules of `spec`.
pub(crate) fn spec() -> Value {
    json!([
        rule("!has(self.run) || self.type != 'Server'", ".run", RUN_OF_SERVER),
        rule("!has(self.http) || self.type != 'Command'", ".http", HTTP_OF_COMMAND),
        rule(
            "!has(self.template) || !has(self.template.probes) || self.type != 'Command'",
            ".template.probes",
            PROBES_OF_COMMAND,
        ),
        rule(
            "(has(self.http) ? self.http.lameDuckSeconds : 3) < \
             (has(self.template) && has(self.template.terminationGracePeriodSeconds) ? \
             self.template.terminationGracePeriodSeconds : 30) || self.type == 'Command'",
            ".http",
            LAME_DUCK_TOO_LONG,
        ),
        rule(&declared("self"), ".capabilities.filesystem", VOLUME_UNDECLARED),
        rule(&writable("self"), ".capabilities.filesystem", VOLUME_READ_ONLY),
        rule(&of_plugs(&declared("p")), ".plugs", PLUG_VOLUME_UNDECLARED),
        rule(&of_plugs(&writable("p")), ".plugs", PLUG_VOLUME_READ_ONLY),
        rule(
            "!has(self.links) || self.links.size() == 0 || (has(self.plugs) && self.plugs.size() > 0)",
            ".links",
            LINKS_WITHOUT_PLUGS,
        ),
        rule(
            "!has(self.limits) || !has(self.limits.memory) || !has(self.resources) || \
             !has(self.resources.limits) || !has(self.resources.limits.memory) || \
             quantity(string(self.limits.memory)).isLessThan(quantity(string(self.resources.limits.memory)))",
            ".limits.memory",
            MEMORY_ABOVE_POD,
        ),
    ])
}

/// CEL: the volumes that a part's grants name are declared.
fn declared(part: &str) -> String {
    format!(
        "!has({part}.capabilities) || !has({part}.capabilities.filesystem) || \
         {part}.capabilities.filesystem.all(f, has(self.volumes) && \
         self.volumes.exists(v, v.name == f.volume))"
    )
}

/// CEL: the volumes that a part may write to can be written to.
fn writable(part: &str) -> String {
    format!(
        "!has({part}.capabilities) || !has({part}.capabilities.filesystem) || !has(self.volumes) || \
         {part}.capabilities.filesystem.all(f, f.access == 'ReadOnly' || \
         self.volumes.all(v, v.name != f.volume || has(v.emptyDir) || (has(v.persistentVolumeClaim) && \
         !(has(v.persistentVolumeClaim.readOnly) && v.persistentVolumeClaim.readOnly))))"
    )
}

/// CEL: it holds for each plug, as `p`. A rule that looks at volumes has to stand beside them, and can't name
/// the plug by its index.
fn of_plugs(rule: &str) -> String {
    format!("!has(self.plugs) || self.plugs.all(p, {rule})")
}

/// Rules of one plug.
pub(crate) fn plug() -> Value {
    json!([rule("!(self.name in ['main', 'host'])", ".name", RESERVED_PART)])
}

/// Rules of one link. Whether its parts are there, and import and export what it says, is the plan's.
pub(crate) fn link() -> Value {
    json!([
        rule("self.from != 'host'", ".from", LINK_FROM_HOST),
        rule("self.to != 'main'", ".to", LINK_TO_MAIN),
        rule("self.from != self.to", ".to", LINK_TO_ITSELF),
    ])
}

/// Rules of `spec.capabilities.filesystem`.
pub(crate) fn filesystem() -> Value {
    json!([rule(
        "self.all(a, self.all(b, a.path == b.path || (a.path != '/' && !b.path.startsWith(a.path + '/'))))",
        "",
        PATHS_OVERLAP,
    )])
}

/// Rules of `spec.run`.
pub(crate) fn run() -> Value {
    json!([
        rule("has(self.schedule) || !has(self.timeZone)", ".timeZone", ZONE_WITHOUT_SCHEDULE),
        rule(
            "has(self.schedule) || !has(self.concurrencyPolicy)",
            ".concurrencyPolicy",
            POLICY_WITHOUT_SCHEDULE
        ),
        rule("!has(self.timeZone) || self.timeZone.lowerAscii() != 'local'", ".timeZone", ZONE_LOCAL),
    ])
}

fn one_of(fields: &[&str], message: &str) -> Value {
    let present: Vec<_> = fields.iter().map(|field| format!("has(self.{field})")).collect();
    rule(&format!("[{}].filter(x, x).size() == 1", present.join(", ")), "", message)
}

/// The rule that a variable's name, or the beginning of several, isn't one of plugs' own.
fn unreserved(field: &str) -> Value {
    let rule_of = format!("!has(self.{field}) || !self.{field}.startsWith('{PLUG_VARIABLE_PREFIX}')");
    rule(&rule_of, &format!(".{field}"), RESERVED_VARIABLE)
}

/// Rules of one environment variable.
pub(crate) fn env_var() -> Value {
    json!([one_of(&["value", "valueFrom"], VALUE_AND_SOURCE), unreserved("name")])
}

/// Rules of one entry of the configuration.
pub(crate) fn config_entry() -> Value {
    json!([one_of(&["value", "valueFrom"], VALUE_AND_SOURCE)])
}

/// Rules of where one variable comes from.
pub(crate) fn env_var_source() -> Value {
    json!([one_of(&["configMapKeyRef", "secretKeyRef", "fieldRef"], ONE_ENV_SOURCE)])
}

/// Rules of one `envFrom`.
pub(crate) fn env_from() -> Value {
    json!([one_of(&["configMapRef", "secretRef"], ONE_ENV_FROM), unreserved("prefix")])
}

/// Rules of one volume.
pub(crate) fn volume() -> Value {
    let sources = ["emptyDir", "configMap", "secret", "projected", "downwardAPI", "persistentVolumeClaim"];
    let unreserved = "!self.name.startsWith('hayride-')";
    json!([one_of(&sources, ONE_VOLUME_SOURCE), rule(unreserved, ".name", RESERVED_VOLUME)])
}

/// Rules of one source of a projected volume.
pub(crate) fn projected_source() -> Value {
    json!([one_of(&["configMap", "secret", "downwardAPI"], ONE_PROJECTED_SOURCE)])
}

/// Rules of one probe.
pub(crate) fn probe() -> Value {
    json!([one_of(&["httpGet", "tcpSocket"], ONE_PROBE)])
}

/// Rules of the three probes together.
pub(crate) fn probes() -> Value {
    let rules = ["startup", "liveness"].map(|name| {
        rule(
            &format!(
                "!has(self.{name}) || !has(self.{name}.successThreshold) || self.{name}.successThreshold == 1"
            ),
            &format!(".{name}"),
            SUCCESS_THRESHOLD,
        )
    });
    json!(rules)
}

fn key_shape() -> Value {
    rule(&shape::QUALIFIED_KEY.keys_rule(), "", shape::QUALIFIED_KEY.message)
}

/// Rules of keys that only refer to labels: a node selector.
pub(crate) fn keys() -> Value {
    json!([key_shape()])
}

/// Rules of keys that pods are given: labels and annotations.
pub(crate) fn own_keys() -> Value {
    let unreserved = "self.all(k, !k.startsWith('hayride.dev/') && !k.contains('.hayride.dev/'))";
    json!([key_shape(), rule(unreserved, "", RESERVED_KEY)])
}

/// The rule that a quantity, where there is one, lies between two others.
fn range(field: &str, (least, most): (&str, &str), message: &str) -> Value {
    rule(
        &format!(
            "!has(self.{field}) || (quantity(string(self.{field})).compareTo(quantity('{least}')) >= 0 && \
             quantity(string(self.{field})).compareTo(quantity('{most}')) <= 0)"
        ),
        &format!(".{field}"),
        message,
    )
}

/// Rules of `spec.limits`.
pub(crate) fn limits() -> Value {
    json!([
        range("memory", ("64Ki", "4Gi"), MEMORY_RANGE),
        range("outputBytesPerSecond", ("1Ki", "1Gi"), OUTPUT_RANGE),
    ])
}

/// Rules of `spec.http`.
pub(crate) fn http() -> Value {
    json!([range("bodyBytesMax", ("0", "4Gi"), BODY_RANGE)])
}

/// Rules of one rule of `spec.capabilities.http`.
pub(crate) fn http_rule() -> Value {
    json!([rule(
        "self.scheme == 'HTTPS' || !has(self.credential) || (has(self.credential.allowPlainHTTP) && \
         self.credential.allowPlainHTTP && (self.host.endsWith('.svc') || \
         self.host.endsWith('.svc.cluster.local')))",
        ".credential",
        PLAIN_CREDENTIAL,
    )])
}

/// Rules of a credential.
pub(crate) fn credential() -> Value {
    let headers = HOST_HEADERS.map(|header| format!("'{header}'")).join(", ");
    json!([rule(&format!("!(self.header.lowerAscii() in [{headers}])"), ".header", HOST_HEADER)])
}

/// Rules of `spec.capabilities.http.limits`.
pub(crate) fn http_limits() -> Value {
    json!([
        range("requestBytesMax", ("0", "4Gi"), BODY_RANGE),
        range("responseBytesMax", ("0", "4Gi"), BODY_RANGE),
    ])
}

/// Rules of `spec.capabilities.sockets`.
pub(crate) fn sockets() -> Value {
    let any =
        ["connect", "listen", "lookup"].map(|list| format!("(has(self.{list}) && self.{list}.size() > 0)"));
    json!([rule(&any.join(" || "), "", SOCKETS_EMPTY)])
}

/// Rules of one rule of `spec.capabilities.sockets.connect`.
pub(crate) fn connect() -> Value {
    let of_host = "has(self.host) || !has(self.addresses) || self.addresses.size() == 0";
    json!([one_of(&["host", "cidr"], ONE_PEER), rule(of_host, "", ADDRESSES_OF_CIDR)])
}

/// Rules of a bucket's memory.
pub(crate) fn keyvalue_memory() -> Value {
    json!([range("maxBytes", ("1Ki", "1Gi"), BUCKET_RANGE)])
}

/// Rules of a policy's `sockets`.
pub(crate) fn sockets_ceiling() -> Value {
    let any = ["hosts", "cidrs", "listen", "lookup"].map(|field| format!("has(self.{field})")).join(" || ");
    json!([rule(&any, "", SOCKETS_CEILING_EMPTY)])
}

/// Rules of where an entry of the configuration comes from.
pub(crate) fn config_source() -> Value {
    json!([one_of(&["configMapKeyRef", "secretKeyRef"], ONE_CONFIG_SOURCE)])
}

/// Rules of `spec.determinism`.
pub(crate) fn determinism() -> Value {
    json!([
        rule("has(self.seed) || has(self.clock)", "", DETERMINISM_EMPTY),
        rule("has(self.clock) || !has(self.clockStepMillis)", ".clockStepMillis", STEP_WITHOUT_CLOCK),
    ])
}

/// Rules of `spec.resources`.
pub(crate) fn resources() -> Value {
    let rules = ["cpu", "memory", "ephemeral-storage"].map(|name| {
        let field = name.replace('-', "__dash__");
        rule(
            &format!(
                "!has(self.requests) || !has(self.limits) || !has(self.requests.{field}) || \
                 !has(self.limits.{field}) || quantity(string(self.requests.{field}))\
                 .compareTo(quantity(string(self.limits.{field}))) <= 0"
            ),
            ".requests",
            REQUEST_ABOVE_LIMIT,
        )
    });
    json!(rules)
}
