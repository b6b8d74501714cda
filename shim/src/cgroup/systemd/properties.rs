//! From limits of a spec to properties of a unit, as systemd.resource-control(5) names them. Pure.

use super::super::Version;
use super::super::limits::weight;
use crate::spec::Resources;

/// What systemd takes for "no limit".
const INFINITY: u64 = u64::MAX;

/// systemd keeps shares of a processor in steps of one hundredth, in microseconds of each second.
const QUOTA_STEP_MICROS: u64 = 10_000;

/// Period of a quota where the spec names none, in microseconds: the kernel's.
const PERIOD_MICROS: u64 = 100_000;

/// Highest processor or memory node that is told; the kernel is built for no more.
const SET_INDEX_MAX: usize = 8_191;

/// A property of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property<'a> {
    pub(super) name: &'static str,
    pub(super) value: Value<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Flag(bool),
    Number(u64),
    Pid(u32),
    /// Bit n of byte m is number 8m + n.
    Bits(Vec<u8>),
}

fn number(name: &'static str, value: u64) -> Property<'static> {
    Property { name, value: Value::Number(value) }
}

/// What makes a unit the scope of a process, with a cgroup that systemd leaves to us from there on.
pub(super) fn of_scope(slice: &str, pid: i32) -> Vec<Property<'_>> {
    let flag = |name, on| Property { name, value: Value::Flag(on) };
    vec![
        Property { name: "Description", value: Value::Text("Morph") },
        Property { name: "Slice", value: Value::Text(slice) },
        Property { name: "PIDs", value: Value::Pid(pid.unsigned_abs()) },
        flag("Delegate", true),
        // One that ends as failed, of a kill for memory for example, would be kept until somebody resets it.
        Property { name: "CollectMode", value: Value::Text("inactive-or-failed") },
        // It ends when its task ends, not before the network at a shutdown.
        flag("DefaultDependencies", false),
        flag("CPUAccounting", true),
        flag("IOAccounting", true),
        flag("MemoryAccounting", true),
        flag("TasksAccounting", true),
    ]
}

/// Limits; what is absent is left as it is.
pub(super) fn of_limits(version: Version, resources: &Resources) -> Vec<Property<'static>> {
    let mut properties = Vec::new();
    let bytes = |value: i64| u64::try_from(value).unwrap_or(INFINITY);
    if let Some(memory) = &resources.memory {
        let limit = memory.limit.filter(|limit| *limit != 0);
        let name = if version == Version::V1 { "MemoryLimit" } else { "MemoryMax" };
        properties.extend(limit.map(|limit| number(name, bytes(limit))));
        if version == Version::V2 {
            let low = memory.reservation.filter(|low| *low > 0);
            properties.extend(low.map(|low| number("MemoryLow", bytes(low))));
            if let (Some(swap), Some(limit)) = (memory.swap.filter(|swap| *swap != 0), limit) {
                let swap = if swap < 0 { INFINITY } else { bytes((swap - limit).max(0)) };
                properties.push(number("MemorySwapMax", swap));
            }
        }
    }
    if let Some(cpu) = &resources.cpu {
        let shares = cpu.shares.filter(|shares| *shares != 0);
        properties.extend(shares.map(|shares| match version {
            Version::V1 => number("CPUShares", shares),
            Version::V2 => number("CPUWeight", weight(shares)),
        }));
        if let Some(quota) = cpu.quota.filter(|quota| *quota != 0) {
            let period = cpu.period.filter(|period| *period != 0).unwrap_or(PERIOD_MICROS);
            properties.push(number("CPUQuotaPeriodUSec", period));
            properties.push(number("CPUQuotaPerSecUSec", per_second(quota, period)));
        }
        let set = |name, text: &Option<String>| {
            let bits = text.as_deref().and_then(bits)?;
            Some(Property { name, value: Value::Bits(bits) })
        };
        properties.extend(set("AllowedCPUs", &cpu.cpus));
        properties.extend(set("AllowedMemoryNodes", &cpu.mems));
    }
    let pids = resources.pids.as_ref().map(|pids| pids.limit).filter(|limit| *limit != 0);
    properties.extend(pids.map(|limit| number("TasksMax", bytes(limit))));
    properties
}

/// Rounded up: a guest must not get less than it was granted.
fn per_second(quota: i64, period: u64) -> u64 {
    let Ok(quota) = u64::try_from(quota) else { return INFINITY };
    (quota.saturating_mul(1_000_000) / period).div_ceil(QUOTA_STEP_MICROS) * QUOTA_STEP_MICROS
}

/// A list such as `0-3,5`; none where it is empty or no such list, which the kernel refuses by itself.
fn bits(list: &str) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last > SET_INDEX_MAX {
            return None;
        }
        if bits.len() <= last / 8 {
            bits.resize(last / 8 + 1, 0);
        }
        for index in first..=last {
            bits[index / 8] |= 1 << (index % 8);
        }
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(json: &str, version: Version, want: &[(&str, u64)]) {
        let resources: Resources = serde_json::from_str(json).unwrap();
        let got = of_limits(version, &resources);
        let want: Vec<_> = want.iter().map(|(name, value)| (*name, Value::Number(*value))).collect();
        let got: Vec<_> = got.into_iter().map(|property| (property.name, property.value)).collect();
        assert_eq!(got, want, "{json}");
    }

    const POD: &str = r#"{"memory": {"limit": 1024, "reservation": 512, "swap": 1024}, "pids": {"limit": 7},
        "cpu": {"shares": 1024, "quota": 5500, "period": 100000}}"#;

    #[test]
    fn limits_become_properties_of_version_2() {
        check(
            POD,
            Version::V2,
            &[
                ("MemoryMax", 1024),
                ("MemoryLow", 512),
                ("MemorySwapMax", 0),
                ("CPUWeight", 39),
                ("CPUQuotaPeriodUSec", 100_000),
                ("CPUQuotaPerSecUSec", 60_000),
                ("TasksMax", 7),
            ],
        );
    }

    #[test]
    fn limits_become_properties_of_version_1() {
        check(
            POD,
            Version::V1,
            &[
                ("MemoryLimit", 1024),
                ("CPUShares", 1024),
                ("CPUQuotaPeriodUSec", 100_000),
                ("CPUQuotaPerSecUSec", 60_000),
                ("TasksMax", 7),
            ],
        );
    }

    #[test]
    fn no_limit_is_infinity_and_an_absent_one_is_not_told() {
        let json = r#"{"memory": {"limit": -1}, "cpu": {"quota": -1}, "pids": {"limit": -1}}"#;
        let period = ("CPUQuotaPeriodUSec", 100_000);
        let want =
            [("MemoryMax", INFINITY), period, ("CPUQuotaPerSecUSec", INFINITY), ("TasksMax", INFINITY)];
        check(json, Version::V2, &want);
        check("{}", Version::V2, &[]);
        check(r#"{"memory": {"limit": 0}, "pids": {"limit": 0}}"#, Version::V2, &[]);
    }

    #[test]
    fn processors_become_bits() {
        let cases: [(&str, Option<&[u8]>); 7] = [
            ("0", Some(&[1])),
            ("0-3,5", Some(&[0b10_1111])),
            ("8\n", Some(&[0, 1])),
            ("", None),
            ("3-1", None),
            ("x", None),
            ("8192", None),
        ];
        for (list, want) in cases {
            assert_eq!(bits(list).as_deref(), want, "{list:?}");
        }
    }
}
