//! Bounds of the schema. Each list, map and text of the API has one: the API server's cost estimate of CEL
//! rules multiplies them, the grant document has to fit an annotation, and status has to fit an object.

/// Longest name of a Morph: children append a hash of ten characters and a dash to it (a Job's name), and
/// must stay a DNS label of 63 characters.
pub const NAME_CHARS_MAX: u32 = 52;
/// Longest DNS label (RFC 1123): names of volumes, Services, label values.
pub const LABEL_CHARS_MAX: u32 = 63;
/// Longest DNS subdomain (RFC 1123): names of ConfigMaps, Secrets, claims, service accounts; keys in them.
pub const SUBDOMAIN_CHARS_MAX: u32 = 253;
/// Longest image reference: a registry's host, a repository path of 255 characters, tag and digest.
pub const IMAGE_CHARS_MAX: u32 = 512;
/// Arguments of a Morph; with [`ARG_CHARS_MAX`] more than an annotation holds, so that the grant's size and
/// not the count is what people meet.
pub const ARGS_MAX: u32 = 64;
/// Longest argument.
pub const ARG_CHARS_MAX: u32 = 4096;
/// Environment variables of a Morph.
pub const ENV_MAX: u32 = 64;
/// Longest name of a variable.
pub const ENV_NAME_CHARS_MAX: u32 = 128;
/// Longest literal value of a variable.
pub const ENV_VALUE_CHARS_MAX: u32 = 8192;
/// ConfigMaps and Secrets taken as a whole.
pub const ENV_FROM_MAX: u32 = 16;
/// Volumes of a Morph: rules compare each with each grant.
pub const VOLUMES_MAX: u32 = 16;
/// Files picked from one volume source: with 32 the rule of a projected volume's `fieldPath`, which may be
/// asked for 16 × 8 × 32 files, is over the API server's cost budget (seen: by a factor of 1.09).
pub const VOLUME_ITEMS_MAX: u32 = 24;
/// Sources of one projected volume.
pub const PROJECTED_SOURCES_MAX: u32 = 8;
/// Directories granted to a guest: rules compare each with each other.
pub const FILESYSTEM_MAX: u32 = 16;
/// Longest path that a guest sees, or that a volume's item is given.
pub const PATH_CHARS_MAX: u32 = 256;
/// Entries of `wasi:config/store`.
pub const CONFIG_MAX: u32 = 64;
/// Further components of a Morph: the composer takes nine parts. Every rule within a plug is asked that many
/// times as often. Seen on the API server: with eight, the dearest rule (the shape of `pathPrefixes`) has
/// 0.19 of a rule's budget, and the whole schema 0.49 of its own (0.36 without plugs); with 44 both are over.
pub const PLUGS_MAX: u32 = 8;
/// Longest name of a plug: names of variables and volumes are made of it.
pub const PLUG_NAME_CHARS_MAX: u32 = 40;
/// Environment variables of a plug.
pub const PLUG_ENV_MAX: u32 = 16;
/// Entries of `wasi:config/store` of a plug.
pub const PLUG_CONFIG_MAX: u32 = 32;
/// Links that settle what answers an import.
pub const LINKS_MAX: u32 = 64;
/// Ambient rights that there are.
pub const WITHHOLD_MAX: u32 = 6;
/// Rules of one capability: hosts asked over HTTP, peers of sockets, names looked up.
pub const RULES_MAX: u32 = 32;
/// Ports of one rule.
pub const RULE_PORTS_MAX: u32 = 8;
/// Methods that there are to be granted.
pub const METHODS_MAX: u32 = 7;
/// Beginnings of paths of one rule.
pub const PATH_PREFIXES_MAX: u32 = 8;
/// Longest beginning of a path.
pub const PATH_PREFIX_CHARS_MAX: u32 = 128;
/// Networks that one rule's host may resolve into.
pub const RULE_ADDRESSES_MAX: u32 = 8;
/// Longest network as CIDR: an IPv6 address has 39 characters, and one may be written with an IPv4 tail.
pub const CIDR_CHARS_MAX: u32 = 49;
/// Longest name of a header.
pub const HEADER_CHARS_MAX: u32 = 64;
/// Ports that a component listens on.
pub const LISTEN_MAX: u32 = 8;
/// Buckets of `wasi:keyvalue`.
pub const KEYVALUE_MAX: u32 = 8;
/// Labels or annotations for pods.
pub const TEMPLATE_KEYS_MAX: u32 = 32;
/// Longest value of an annotation for pods; all annotations of a pod share 256 KiB with the grant.
pub const ANNOTATION_CHARS_MAX: u32 = 1024;
/// Lists of the scheduling types taken over from Kubernetes.
pub const SCHEDULING_LIST_MAX: u32 = 16;
/// Maps of the scheduling types taken over from Kubernetes.
pub const SCHEDULING_MAP_MAX: u32 = 16;
/// Texts of the scheduling types taken over from Kubernetes: a qualified key is 253 + 1 + 63 characters.
pub const SCHEDULING_CHARS_MAX: u32 = 317;
/// Pull secrets of a pod.
pub const PULL_SECRETS_MAX: u32 = 8;
/// Longest quantity.
pub const QUANTITY_CHARS_MAX: u32 = 20;
/// Longest cron line.
pub const SCHEDULE_CHARS_MAX: u32 = 100;
/// Longest name of a time zone.
pub const TIME_ZONE_CHARS_MAX: u32 = 64;
/// Most pods of a Server.
pub const REPLICAS_MAX: i32 = 10_000;
/// Most runs of a Command that its Job counts or starts at once.
pub const COMPLETIONS_MAX: i32 = 10_000;
/// Most retries of a Command.
pub const BACKOFF_LIMIT_MAX: i32 = 1000;
/// Longest run, in seconds: a year, so that a slip of the unit is seen.
pub const ACTIVE_DEADLINE_SECONDS_MAX: i64 = 366 * 24 * 3600;
/// Longest lame-duck time, in seconds.
pub const LAME_DUCK_SECONDS_MAX: u32 = 300;
/// Longest time that a pod may take to end, in seconds.
pub const GRACE_PERIOD_SECONDS_MAX: i64 = 3600;
/// Longest time in a probe, in seconds, and its highest count.
pub const PROBE_MAX: i32 = 3600;
/// Most requests that a pod works on at once: the places of the host's engine. Each takes an instance's slots
/// (with 4 GiB of address space for each memory) in every process; a Server that needs more has more pods.
pub const SERVED_CONCURRENCY_MAX: u32 = 128;
/// Most requests under way at once that a pod's guests send, and what a policy may say of both.
pub const CONCURRENCY_MAX: u32 = 1024;
/// Longest wait for an answer, in milliseconds: ten minutes, for what models take.
pub const TIMEOUT_MILLIS_MAX: u32 = 600_000;
/// Most processor time of one call, in milliseconds: a day.
pub const CPU_PER_CALL_MILLIS_MAX: u32 = 24 * 3600 * 1000;
/// Longest step of a clock, in milliseconds: a day.
pub const CLOCK_STEP_MILLIS_MAX: u32 = 24 * 3600 * 1000;
/// Greatest seed: what every reader of JSON keeps exactly.
pub const SEED_MAX: i64 = (1 << 53) - 1;
/// Least and greatest body of a request or an answer, in bytes.
pub const BODY_BYTES: (u64, u64) = (0, 4 << 30);
/// Least and greatest output in a second, in bytes.
pub const OUTPUT_BYTES_PER_SECOND: (u64, u64) = (1 << 10, 1 << 30);
/// Least and greatest bucket, in bytes: it is in the memory of the pod.
pub const BUCKET_BYTES: (u64, u64) = (1 << 10, 1 << 30);
/// Longest time of a fixed clock.
pub const TIMESTAMP_CHARS_MAX: u32 = 32;
/// Least memory limit, in bytes: one page of linear memory.
pub const MEMORY_BYTES_MIN: u64 = 64 << 10;
/// Greatest memory limit, in bytes: what 32-bit linear memory can address.
pub const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// Imports listed in status.
pub const IMPORTS_MAX: u32 = 1024;
/// Components listed in status.
pub const COMPONENTS_MAX: u32 = 16;
/// Conditions in status.
pub const CONDITIONS_MAX: u32 = 16;
/// Longest image in status: pinning adds `@sha256:` and 64 digits to what the spec says.
pub const PINNED_IMAGE_CHARS_MAX: u32 = IMAGE_CHARS_MAX + 72;
/// Longest interface id: what the reader of components takes.
pub const INTERFACE_CHARS_MAX: u32 = 256;
/// Longest message of a condition: metav1.Condition's own bound.
pub const MESSAGE_CHARS_MAX: u32 = 32_768;

/// Beginnings of images that a policy allows.
pub const POLICY_PREFIXES_MAX: u32 = 64;
/// Hosts of one list of a policy: admission compares each with each rule of a Morph.
pub const POLICY_HOSTS_MAX: u32 = 64;
/// Ports of one list of a policy.
pub const POLICY_PORTS_MAX: u32 = 32;
/// Networks of one list of a policy.
pub const POLICY_NETWORKS_MAX: u32 = 32;
/// Secrets that a policy lets go to hosts.
pub const POLICY_CREDENTIALS_MAX: u32 = 64;
/// Hosts that one Secret may go to: with 32 the rule of their shape is over the API server's cost budget
/// (seen: by a factor of 1.003).
pub const POLICY_CREDENTIAL_HOSTS_MAX: u32 = 16;
/// Kinds of volumes that there are to be allowed.
pub const POLICY_VOLUMES_MAX: u32 = 5;
/// Transport protocols that there are.
pub const POLICY_PROTOCOLS_MAX: u32 = 2;
/// Service accounts that a policy allows.
pub const POLICY_ACCOUNTS_MAX: u32 = 16;

/// Default of `http.maxConcurrency`, the host's.
pub const CONCURRENCY_DEFAULT: u32 = SERVED_CONCURRENCY_MAX;
/// Default of `limits.memory`, the host's, in bytes.
pub const MEMORY_BYTES_DEFAULT: u64 = 128 << 20;
/// Default of `limits.cpuPerCallMillis`, the host's.
pub const CPU_PER_CALL_MILLIS_DEFAULT: u32 = 10_000;
/// Default of `limits.outputBytesPerSecond`, the host's, in bytes.
pub const OUTPUT_BYTES_PER_SECOND_DEFAULT: u64 = 4 << 20;
/// Default of `http.port`.
pub const HTTP_PORT_DEFAULT: u16 = 8080;
/// Default of `capabilities.http.allow[].ports`.
pub const HTTPS_PORT: u16 = 443;
/// Default of `capabilities.http.limits.maxConcurrency`.
pub const EGRESS_CONCURRENCY_DEFAULT: u32 = 32;
/// Default of `capabilities.http.limits.timeoutMillis`.
pub const EGRESS_TIMEOUT_MILLIS_DEFAULT: u32 = 30_000;
/// Default of `capabilities.http.limits.requestBytesMax`, in bytes.
pub const EGRESS_REQUEST_BYTES_DEFAULT: u64 = 16 << 20;
/// Default of `capabilities.http.limits.responseBytesMax`, in bytes.
pub const EGRESS_RESPONSE_BYTES_DEFAULT: u64 = 64 << 20;
/// Default of `http.lameDuckSeconds`: endpoints lag behind the signal by about this much.
pub const LAME_DUCK_SECONDS_DEFAULT: u32 = 3;
/// Default of `template.terminationGracePeriodSeconds`, Kubernetes' own.
pub const GRACE_PERIOD_SECONDS_DEFAULT: i64 = 30;
/// Default of `run.backoffLimit`.
pub const BACKOFF_LIMIT_DEFAULT: i32 = 3;
/// Default of `run.parallelism` and `run.completions`.
pub const RUNS_DEFAULT: i32 = 1;
