//! From limits of a spec to values of cgroup files, of both versions. Pure.

use super::Version;
use crate::spec::Resources;

/// The file of a period: it and the quota hang together.
pub(super) const PERIOD: &str = "cpu.cfs_period_us";

/// A value of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) controller: &'static str,
    pub(super) file: String,
    pub(super) value: String,
}

fn set(controller: &'static str, file: impl Into<String>, value: impl ToString) -> Setting {
    Setting { controller, file: file.into(), value: value.to_string() }
}

/// What is to be written, in this order, memory first: that is what may be refused. Swap isn't limited apart
/// with version 1: the kubelet doesn't ask for it.
pub(super) fn settings(version: Version, resources: &Resources) -> Vec<Setting> {
    match version {
        Version::V1 => v1(resources),
        Version::V2 => v2(resources),
    }
}

fn v1(resources: &Resources) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(memory) = &resources.memory {
        let known = |value: Option<i64>| value.filter(|bytes| *bytes != 0);
        settings.extend(known(memory.limit).map(|bytes| set("memory", "memory.limit_in_bytes", bytes)));
        let soft = known(memory.reservation);
        settings.extend(soft.map(|bytes| set("memory", "memory.soft_limit_in_bytes", bytes)));
    }
    if let Some(cpu) = &resources.cpu {
        let shares = cpu.shares.filter(|shares| *shares != 0);
        settings.extend(shares.map(|shares| set("cpu", "cpu.shares", shares)));
        let period = cpu.period.filter(|period| *period != 0);
        settings.extend(period.map(|period| set("cpu", PERIOD, period)));
        let quota = cpu.quota.filter(|quota| *quota != 0);
        settings.extend(quota.map(|quota| set("cpu", "cpu.cfs_quota_us", quota)));
    }
    settings.extend(sets(resources));
    settings.extend(pids(resources));
    settings
}

fn v2(resources: &Resources) -> Vec<Setting> {
    let mut settings = Vec::new();
    let bytes = |value: i64| if value < 0 { "max".to_owned() } else { value.to_string() };
    if let Some(memory) = &resources.memory {
        let limit = memory.limit.filter(|limit| *limit != 0);
        settings.extend(limit.map(|limit| set("memory", "memory.max", bytes(limit))));
        let low = memory.reservation.filter(|low| *low > 0);
        settings.extend(low.map(|low| set("memory", "memory.low", low)));
        if let (Some(swap), Some(limit)) = (memory.swap.filter(|swap| *swap != 0), limit) {
            let swap = if swap < 0 { -1 } else { (swap - limit).max(0) };
            settings.push(set("memory", "memory.swap.max", bytes(swap)));
        }
    }
    if let Some(cpu) = &resources.cpu {
        let shares = cpu.shares.filter(|shares| *shares != 0);
        settings.extend(shares.map(|shares| set("cpu", "cpu.weight", weight(shares))));
        if cpu.quota.is_some_and(|quota| quota != 0) || cpu.period.is_some_and(|period| period != 0) {
            let quota = bytes(cpu.quota.filter(|quota| *quota > 0).unwrap_or(-1));
            let period = cpu.period.filter(|period| *period != 0).unwrap_or(100_000);
            settings.push(set("cpu", "cpu.max", format!("{quota} {period}")));
        }
    }
    settings.extend(sets(resources));
    settings.extend(pids(resources));
    // The kernel knows these files; a name that is a path isn't one.
    let unified = resources.unified.iter().filter(|(file, _)| !file.contains('/'));
    settings.extend(unified.map(|(file, value)| set("unified", file, value)));
    settings
}

/// From 2..=262144 shares to a weight of 1..=10000, as the kubelet does it.
pub(super) fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

fn sets(resources: &Resources) -> Vec<Setting> {
    let Some(cpu) = &resources.cpu else { return Vec::new() };
    let known = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    let cpus = known(&cpu.cpus).map(|text| set("cpuset", "cpuset.cpus", text));
    let mems = known(&cpu.mems).map(|text| set("cpuset", "cpuset.mems", text));
    cpus.into_iter().chain(mems).collect()
}

fn pids(resources: &Resources) -> Option<Setting> {
    let limit = resources.pids.as_ref().map(|pids| pids.limit).filter(|limit| *limit != 0)?;
    Some(set("pids", "pids.max", if limit < 0 { "max".to_owned() } else { limit.to_string() }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(json: &str, version: Version, want: &[(&str, &str)]) {
        let resources: Resources = serde_json::from_str(json).unwrap();
        let settings = settings(version, &resources);
        let got: Vec<_> = settings.iter().map(|s| (s.file.as_str(), s.value.as_str())).collect();
        assert_eq!(got, want, "{json}");
    }

    const POD: &str = r#"{"memory": {"limit": 1024, "reservation": 512, "swap": 1024}, "pids": {"limit": 7},
        "cpu": {"shares": 1024, "quota": 5000, "period": 100000, "cpus": "0-1"},
        "unified": {"memory.oom.group": "1", "../x": "1"}}"#;

    #[test]
    fn limits_become_files_of_version_1() {
        check(
            POD,
            Version::V1,
            &[
                ("memory.limit_in_bytes", "1024"),
                ("memory.soft_limit_in_bytes", "512"),
                ("cpu.shares", "1024"),
                ("cpu.cfs_period_us", "100000"),
                ("cpu.cfs_quota_us", "5000"),
                ("cpuset.cpus", "0-1"),
                ("pids.max", "7"),
            ],
        );
    }

    #[test]
    fn limits_become_files_of_version_2() {
        check(
            POD,
            Version::V2,
            &[
                ("memory.max", "1024"),
                ("memory.low", "512"),
                ("memory.swap.max", "0"),
                ("cpu.weight", "39"),
                ("cpu.max", "5000 100000"),
                ("cpuset.cpus", "0-1"),
                ("pids.max", "7"),
                ("memory.oom.group", "1"),
            ],
        );
    }

    #[test]
    fn what_is_absent_or_zero_is_left_alone() {
        for version in [Version::V1, Version::V2] {
            check("{}", version, &[]);
            check(r#"{"memory": {"limit": 0}, "cpu": {"shares": 0, "quota": 0}}"#, version, &[]);
        }
    }

    #[test]
    fn no_limit_is_said_in_each_versions_words() {
        let json = r#"{"memory": {"limit": -1}, "cpu": {"quota": -1}, "pids": {"limit": -1}}"#;
        check(
            json,
            Version::V1,
            &[("memory.limit_in_bytes", "-1"), ("cpu.cfs_quota_us", "-1"), ("pids.max", "max")],
        );
        check(json, Version::V2, &[("memory.max", "max"), ("cpu.max", "max 100000"), ("pids.max", "max")]);
    }

    #[test]
    fn weights_stay_in_their_range() {
        assert_eq!([0, 2, 1024, 262_144, u64::MAX].map(weight), [1, 1, 39, 10_000, 10_000]);
    }
}
