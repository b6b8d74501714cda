//! The twins of the CEL rules in `rules.rs`: the same question, the same field, the same message.
//! Shapes and bounds are not asked here, but by `schema.rs`.

mod capabilities;

use super::FieldError;
use super::rules::*;
use crate::bounds::{
    BODY_BYTES, GRACE_PERIOD_SECONDS_DEFAULT, LAME_DUCK_SECONDS_DEFAULT, MEMORY_BYTES_MAX, MEMORY_BYTES_MIN,
    OUTPUT_BYTES_PER_SECOND,
};
use crate::{
    Access, Determinism, EnvFrom, EnvVar, Filesystem, HOST, Limits, MAIN, MorphSpec, MorphType,
    PLUG_VARIABLE_PREFIX, Part, Probe, Probes, Quantity, QuantityError, ResourceAmounts, Resources, Run,
    Template, Volume,
};
use std::collections::BTreeMap;

/// Collects what is wrong; `unless` reads as the rule does.
#[derive(Default)]
struct Findings(Vec<FieldError>);

impl Findings {
    fn unless(&mut self, holds: bool, field: impl Into<String>, message: &str) {
        if !holds {
            self.0.push(FieldError::new(field, message));
        }
    }

    /// A quantity's range; a text that is none is the schema's to refuse.
    fn within(
        &mut self,
        quantity: Option<&Quantity>,
        (least, most): (u64, u64),
        field: impl Into<String>,
        message: &str,
    ) {
        if let Some(value) = quantity.and_then(milli) {
            let range = u128::from(least) * 1000..=u128::from(most) * 1000;
            self.unless(range.contains(&value), field, message);
        }
    }
}

/// Asks every rule of the schema but the shapes.
pub(super) fn check(spec: &MorphSpec) -> Vec<FieldError> {
    let mut found = Findings::default();
    check_types(spec, &mut found);
    check_lame_duck(spec, &mut found);
    check_parts(spec, &mut found);
    check_memory(spec, &mut found);
    if let Some(run) = &spec.run {
        check_run(run, &mut found);
    }
    for (index, from) in spec.env_from.iter().enumerate() {
        check_env_from(from, &format!("spec.envFrom[{index}]"), &mut found);
    }
    for (index, volume) in spec.volumes.iter().enumerate() {
        check_volume(volume, &format!("spec.volumes[{index}]"), &mut found);
    }
    check_links(spec, &mut found);
    if let Some(determinism) = &spec.determinism {
        check_determinism(determinism, &mut found);
    }
    if let Some(limits) = &spec.limits {
        check_limits(limits, &mut found);
    }
    if let Some(http) = &spec.http {
        found.within(http.body_bytes_max.as_ref(), BODY_BYTES, "spec.http.bodyBytesMax", BODY_RANGE);
    }
    if let Some(resources) = &spec.resources {
        check_resources(resources, &mut found);
    }
    if let Some(template) = &spec.template {
        check_template(template, &mut found);
    }
    found.0
}

fn check_types(spec: &MorphSpec, found: &mut Findings) {
    let probes = spec.template.as_ref().is_some_and(|template| template.probes.is_some());
    found.unless(spec.run.is_none() || spec.type_ != MorphType::Server, "spec.run", RUN_OF_SERVER);
    found.unless(spec.http.is_none() || spec.type_ != MorphType::Command, "spec.http", HTTP_OF_COMMAND);
    found.unless(!probes || spec.type_ != MorphType::Command, "spec.template.probes", PROBES_OF_COMMAND);
}

fn check_lame_duck(spec: &MorphSpec, found: &mut Findings) {
    let lame_duck = spec.http.as_ref().map_or(LAME_DUCK_SECONDS_DEFAULT, |http| http.lame_duck_seconds);
    let asked = spec.template.as_ref().and_then(|template| template.termination_grace_period_seconds);
    let grace = asked.unwrap_or(GRACE_PERIOD_SECONDS_DEFAULT);
    let holds = i64::from(lame_duck) < grace || spec.type_ == MorphType::Command;
    found.unless(holds, "spec.http", LAME_DUCK_TOO_LONG);
}

/// Asks of each part what is asked of any, and of its volumes where the rule about them stands: a plug's are
/// looked at beside `spec.volumes`.
fn check_parts(spec: &MorphSpec, found: &mut Findings) {
    for part in spec.parts() {
        let free = part.index.is_none() || ![MAIN, HOST].contains(&part.name);
        found.unless(free, format!("{}.name", part.at()), RESERVED_PART);
        check_part(&part, found);
    }
    let grants = |is_main: bool| {
        let parts = spec.parts().filter(move |part| part.index.is_none() == is_main);
        parts.flat_map(|part| part.filesystem())
    };
    for (is_main, field, undeclared, read_only) in [
        (true, "spec.capabilities.filesystem", VOLUME_UNDECLARED, VOLUME_READ_ONLY),
        (false, "spec.plugs", PLUG_VOLUME_UNDECLARED, PLUG_VOLUME_READ_ONLY),
    ] {
        found.unless(grants(is_main).all(|grant| is_declared(grant, spec)), field, undeclared);
        found.unless(grants(is_main).all(|grant| is_fit(grant, spec)), field, read_only);
    }
}

fn check_part(part: &Part<'_>, found: &mut Findings) {
    for (index, var) in part.env.iter().enumerate() {
        check_env(var, &format!("{}.env[{index}]", part.at()), found);
    }
    let grants = part.filesystem();
    let apart = |a: &Filesystem, b: &Filesystem| {
        a.path == b.path || (a.path != "/" && !b.path.starts_with(&format!("{}/", a.path)))
    };
    let all_apart = grants.iter().all(|a| grants.iter().all(|b| apart(a, b)));
    found.unless(all_apart, format!("{}.capabilities.filesystem", part.at()), PATHS_OVERLAP);
    capabilities::check(part, found);
}

fn is_declared(grant: &Filesystem, spec: &MorphSpec) -> bool {
    spec.volumes.iter().any(|volume| volume.name == grant.volume)
}

/// Whether the volume bears the access; one that isn't declared is [`is_declared`]'s to refuse.
fn is_fit(grant: &Filesystem, spec: &MorphSpec) -> bool {
    let mut volumes = spec.volumes.iter().filter(|volume| volume.name == grant.volume);
    grant.access == Access::ReadOnly || volumes.all(is_writable)
}

fn is_writable(volume: &Volume) -> bool {
    let claim = volume.persistent_volume_claim.as_ref();
    volume.empty_dir.is_some() || claim.is_some_and(|claim| claim.read_only != Some(true))
}

fn check_memory(spec: &MorphSpec, found: &mut Findings) {
    let guest = spec.limits.as_ref().and_then(|limits| limits.memory.as_ref());
    let limits = spec.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    let pod = limits.and_then(|limits| limits.memory.as_ref());
    if let (Some(guest), Some(pod)) = (guest.and_then(milli), pod.and_then(milli)) {
        found.unless(guest < pod, "spec.limits.memory", MEMORY_ABOVE_POD);
    }
}

/// A quantity's value; none for a text that isn't one, of which the schema says so already. What is past all
/// counting is more than every bound, as for the API server.
fn milli(quantity: &Quantity) -> Option<u128> {
    match quantity.milli() {
        Ok(value) => Some(value),
        Err(QuantityError::TooLarge(_)) => Some(u128::MAX),
        Err(QuantityError::Malformed(_)) => None,
    }
}

fn check_run(run: &Run, found: &mut Findings) {
    let scheduled = run.schedule.is_some();
    found.unless(scheduled || run.time_zone.is_none(), "spec.run.timeZone", ZONE_WITHOUT_SCHEDULE);
    let policy = run.concurrency_policy.is_none();
    found.unless(scheduled || policy, "spec.run.concurrencyPolicy", POLICY_WITHOUT_SCHEDULE);
    let local = run.time_zone.as_ref().is_some_and(|zone| zone.eq_ignore_ascii_case("local"));
    found.unless(!local, "spec.run.timeZone", ZONE_LOCAL);
}

fn is_one<const N: usize>(present: [bool; N]) -> bool {
    present.iter().filter(|is| **is).count() == 1
}

fn check_links(spec: &MorphSpec, found: &mut Findings) {
    found.unless(spec.links.is_empty() || !spec.plugs.is_empty(), "spec.links", LINKS_WITHOUT_PLUGS);
    for (index, link) in spec.links.iter().enumerate() {
        let field = format!("spec.links[{index}]");
        found.unless(link.from != HOST, format!("{field}.from"), LINK_FROM_HOST);
        found.unless(link.to != MAIN, format!("{field}.to"), LINK_TO_MAIN);
        found.unless(link.from != link.to, format!("{field}.to"), LINK_TO_ITSELF);
    }
}

fn check_determinism(determinism: &Determinism, found: &mut Findings) {
    let Determinism { seed, clock, clock_step_millis } = determinism;
    found.unless(seed.is_some() || clock.is_some(), "spec.determinism", DETERMINISM_EMPTY);
    let moves = clock.is_some() || clock_step_millis.is_none();
    found.unless(moves, "spec.determinism.clockStepMillis", STEP_WITHOUT_CLOCK);
}

fn check_env(var: &EnvVar, field: &str, found: &mut Findings) {
    found.unless(is_one([var.value.is_some(), var.value_from.is_some()]), field, VALUE_AND_SOURCE);
    let free = !var.name.starts_with(PLUG_VARIABLE_PREFIX);
    found.unless(free, format!("{field}.name"), RESERVED_VARIABLE);
    if let Some(from) = &var.value_from {
        let sources =
            [from.config_map_key_ref.is_some(), from.secret_key_ref.is_some(), from.field_ref.is_some()];
        found.unless(is_one(sources), format!("{field}.valueFrom"), ONE_ENV_SOURCE);
    }
}

fn check_env_from(from: &EnvFrom, field: &str, found: &mut Findings) {
    let one = is_one([from.config_map_ref.is_some(), from.secret_ref.is_some()]);
    found.unless(one, field, ONE_ENV_FROM);
    let reserved = from.prefix.as_ref().is_some_and(|prefix| prefix.starts_with(PLUG_VARIABLE_PREFIX));
    found.unless(!reserved, format!("{field}.prefix"), RESERVED_VARIABLE);
}

fn check_volume(volume: &Volume, field: &str, found: &mut Findings) {
    let sources = [
        volume.empty_dir.is_some(),
        volume.config_map.is_some(),
        volume.secret.is_some(),
        volume.projected.is_some(),
        volume.downward_api.is_some(),
        volume.persistent_volume_claim.is_some(),
    ];
    found.unless(is_one(sources), field, ONE_VOLUME_SOURCE);
    found.unless(!volume.name.starts_with("hayride-"), format!("{field}.name"), RESERVED_VOLUME);
    let projected = volume.projected.iter().flat_map(|projected| &projected.sources);
    for (index, source) in projected.enumerate() {
        let sources = [source.config_map.is_some(), source.secret.is_some(), source.downward_api.is_some()];
        let field = format!("{field}.projected.sources[{index}]");
        found.unless(is_one(sources), field, ONE_PROJECTED_SOURCE);
    }
}

fn check_limits(limits: &Limits, found: &mut Findings) {
    let memory = (MEMORY_BYTES_MIN, MEMORY_BYTES_MAX);
    found.within(limits.memory.as_ref(), memory, "spec.limits.memory", MEMORY_RANGE);
    let (output, field) = (limits.output_bytes_per_second.as_ref(), "spec.limits.outputBytesPerSecond");
    found.within(output, OUTPUT_BYTES_PER_SECOND, field, OUTPUT_RANGE);
}

fn check_resources(resources: &Resources, found: &mut Findings) {
    let (Some(requests), Some(limits)) = (&resources.requests, &resources.limits) else { return };
    let amounts: [fn(&ResourceAmounts) -> Option<&Quantity>; 3] =
        [|a| a.cpu.as_ref(), |a| a.memory.as_ref(), |a| a.ephemeral_storage.as_ref()];
    for amount in amounts {
        if let (Some(request), Some(limit)) =
            (amount(requests).and_then(milli), amount(limits).and_then(milli))
        {
            found.unless(request <= limit, "spec.resources.requests", REQUEST_ABOVE_LIMIT);
        }
    }
}

fn check_template(template: &Template, found: &mut Findings) {
    for (field, map) in [("labels", &template.labels), ("annotations", &template.annotations)] {
        found.unless(is_unreserved(map), format!("spec.template.{field}"), RESERVED_KEY);
    }
    if let Some(probes) = &template.probes {
        check_probes(probes, found);
    }
}

fn is_unreserved(map: &BTreeMap<String, String>) -> bool {
    map.keys().all(|key| !key.starts_with("hayride.dev/") && !key.contains(".hayride.dev/"))
}

fn check_probes(probes: &Probes, found: &mut Findings) {
    let all =
        [("startup", &probes.startup), ("readiness", &probes.readiness), ("liveness", &probes.liveness)];
    for (name, probe) in all.into_iter().filter_map(|(name, probe)| Some((name, probe.as_ref()?))) {
        let field = format!("spec.template.probes.{name}");
        let Probe { http_get, tcp_socket, success_threshold, .. } = probe;
        found.unless(is_one([http_get.is_some(), tcp_socket.is_some()]), &field, ONE_PROBE);
        let once = name == "readiness" || success_threshold.is_none_or(|threshold| threshold == 1);
        found.unless(once, &field, SUCCESS_THRESHOLD);
    }
}
