//! What a task uses, from the files of its cgroup, in containerd's messages for both cgroup versions. It
//! answers until the cgroup is removed; a file that is missing counts as nothing.

use crate::cgroup::{Cgroup, Version};
use crate::events::pack;
use containerd_shim_protos::cgroups::metrics as v1;
use containerd_shim_protos::cgroups_v2::metrics as v2;
use containerd_shim_protos::protobuf::well_known_types::any::Any;
use containerd_shim_protos::protobuf::{self, MessageField};
use std::collections::HashMap;

/// Clock ticks of a second: the unit of `cpuacct.stat`, fixed in the kernel's interface.
const TICKS_PER_SECOND: u64 = 100;

/// The figures of a task, packed as containerd expects them.
///
/// # Errors
/// A message that can't be encoded.
pub fn read(cgroup: &Cgroup) -> protobuf::Result<Any> {
    let files = Files(cgroup);
    match cgroup.version() {
        Version::V1 => pack(&version_1(&files)),
        Version::V2 => pack(&version_2(&files)),
    }
}

struct Files<'a>(&'a Cgroup);

impl Files<'_> {
    fn text(&self, controller: &str, file: &str) -> String {
        let path = self.0.file(controller, file);
        path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
    }

    fn number(&self, controller: &str, file: &str) -> u64 {
        number(&self.text(controller, file))
    }

    fn table(&self, controller: &str, file: &str) -> Table {
        Table::parse(&self.text(controller, file))
    }
}

/// A number of a cgroup file; `max` is the largest there is.
fn number(text: &str) -> u64 {
    match text.trim() {
        "max" => u64::MAX,
        text => text.parse().unwrap_or(0),
    }
}

/// Lines of `key value`.
struct Table(HashMap<String, u64>);

impl Table {
    fn parse(text: &str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .map(|(k, v)| (k.into(), number(v)))
                .collect(),
        )
    }

    fn get(&self, key: &str) -> u64 {
        self.0.get(key).copied().unwrap_or(0)
    }
}

fn version_1(files: &Files<'_>) -> v1::Metrics {
    let mut metrics = v1::Metrics::new();
    metrics.pids = MessageField::some(v1::PidsStat {
        current: files.number("pids", "pids.current"),
        limit: Some(files.number("pids", "pids.max")).filter(|limit| *limit != u64::MAX).unwrap_or(0),
        ..v1::PidsStat::default()
    });
    metrics.cpu = MessageField::some(cpu_1(files));
    metrics.memory = MessageField::some(memory_1(files));
    let oom = files.table("memory", "memory.oom_control");
    metrics.memory_oom_control = MessageField::some(v1::MemoryOomControl {
        oom_kill_disable: oom.get("oom_kill_disable"),
        under_oom: oom.get("under_oom"),
        oom_kill: oom.get("oom_kill"),
        ..v1::MemoryOomControl::default()
    });
    metrics
}

fn cpu_1(files: &Files<'_>) -> v1::CPUStat {
    let ticks = files.table("cpuacct", "cpuacct.stat");
    let nanos = |key: &str| ticks.get(key) * (1_000_000_000 / TICKS_PER_SECOND);
    let throttling = files.table("cpu", "cpu.stat");
    let mut cpu = v1::CPUStat::new();
    cpu.usage = MessageField::some(v1::CPUUsage {
        total: files.number("cpuacct", "cpuacct.usage"),
        kernel: nanos("system"),
        user: nanos("user"),
        per_cpu: files.text("cpuacct", "cpuacct.usage_percpu").split_whitespace().map(number).collect(),
        ..v1::CPUUsage::default()
    });
    cpu.throttling = MessageField::some(v1::Throttle {
        periods: throttling.get("nr_periods"),
        throttled_periods: throttling.get("nr_throttled"),
        throttled_time: throttling.get("throttled_time"),
        ..v1::Throttle::default()
    });
    cpu
}

fn memory_1(files: &Files<'_>) -> v1::MemoryStat {
    let stat = files.table("memory", "memory.stat");
    let mut memory = v1::MemoryStat {
        cache: stat.get("cache"),
        rss: stat.get("rss"),
        rss_huge: stat.get("rss_huge"),
        mapped_file: stat.get("mapped_file"),
        dirty: stat.get("dirty"),
        writeback: stat.get("writeback"),
        pg_pg_in: stat.get("pgpgin"),
        pg_pg_out: stat.get("pgpgout"),
        pg_fault: stat.get("pgfault"),
        pg_maj_fault: stat.get("pgmajfault"),
        inactive_anon: stat.get("inactive_anon"),
        active_anon: stat.get("active_anon"),
        inactive_file: stat.get("inactive_file"),
        active_file: stat.get("active_file"),
        unevictable: stat.get("unevictable"),
        hierarchical_memory_limit: stat.get("hierarchical_memory_limit"),
        hierarchical_swap_limit: stat.get("hierarchical_memsw_limit"),
        total_cache: stat.get("total_cache"),
        total_rss: stat.get("total_rss"),
        total_mapped_file: stat.get("total_mapped_file"),
        total_pg_fault: stat.get("total_pgfault"),
        total_pg_maj_fault: stat.get("total_pgmajfault"),
        total_inactive_anon: stat.get("total_inactive_anon"),
        total_active_anon: stat.get("total_active_anon"),
        total_inactive_file: stat.get("total_inactive_file"),
        total_active_file: stat.get("total_active_file"),
        ..v1::MemoryStat::default()
    };
    let entry = |prefix: &str| {
        MessageField::some(v1::MemoryEntry {
            limit: files.number("memory", &format!("{prefix}.limit_in_bytes")),
            usage: files.number("memory", &format!("{prefix}.usage_in_bytes")),
            max: files.number("memory", &format!("{prefix}.max_usage_in_bytes")),
            failcnt: files.number("memory", &format!("{prefix}.failcnt")),
            ..v1::MemoryEntry::default()
        })
    };
    memory.usage = entry("memory");
    memory.swap = entry("memory.memsw");
    memory.kernel = entry("memory.kmem");
    memory.kernel_tcp = entry("memory.kmem.tcp");
    memory
}

fn version_2(files: &Files<'_>) -> v2::Metrics {
    let mut metrics = v2::Metrics::new();
    metrics.pids = MessageField::some(v2::PidsStat {
        current: files.number("pids", "pids.current"),
        limit: files.number("pids", "pids.max"),
        ..v2::PidsStat::default()
    });
    let cpu = files.table("cpu", "cpu.stat");
    metrics.cpu = MessageField::some(v2::CPUStat {
        usage_usec: cpu.get("usage_usec"),
        user_usec: cpu.get("user_usec"),
        system_usec: cpu.get("system_usec"),
        nr_periods: cpu.get("nr_periods"),
        nr_throttled: cpu.get("nr_throttled"),
        throttled_usec: cpu.get("throttled_usec"),
        ..v2::CPUStat::default()
    });
    metrics.memory = MessageField::some(memory_2(files));
    let events = files.table("memory", "memory.events");
    metrics.memory_events = MessageField::some(v2::MemoryEvents {
        low: events.get("low"),
        high: events.get("high"),
        max: events.get("max"),
        oom: events.get("oom"),
        oom_kill: events.get("oom_kill"),
        ..v2::MemoryEvents::default()
    });
    metrics
}

fn memory_2(files: &Files<'_>) -> v2::MemoryStat {
    let stat = files.table("memory", "memory.stat");
    v2::MemoryStat {
        anon: stat.get("anon"),
        file: stat.get("file"),
        kernel_stack: stat.get("kernel_stack"),
        slab: stat.get("slab"),
        sock: stat.get("sock"),
        shmem: stat.get("shmem"),
        file_mapped: stat.get("file_mapped"),
        file_dirty: stat.get("file_dirty"),
        file_writeback: stat.get("file_writeback"),
        inactive_anon: stat.get("inactive_anon"),
        active_anon: stat.get("active_anon"),
        inactive_file: stat.get("inactive_file"),
        active_file: stat.get("active_file"),
        unevictable: stat.get("unevictable"),
        slab_reclaimable: stat.get("slab_reclaimable"),
        slab_unreclaimable: stat.get("slab_unreclaimable"),
        pgfault: stat.get("pgfault"),
        pgmajfault: stat.get("pgmajfault"),
        usage: files.number("memory", "memory.current"),
        usage_limit: files.number("memory", "memory.max"),
        swap_usage: files.number("memory", "memory.swap.current"),
        swap_limit: files.number("memory", "memory.swap.max"),
        ..v2::MemoryStat::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spec::Resources;
    use containerd_shim_protos::protobuf::Message;
    use std::path::PathBuf;

    #[test]
    fn numbers_are_read_as_the_kernel_writes_them() {
        assert_eq!(["12\n", "max\n", "", "x"].map(number), [12, u64::MAX, 0, 0]);
        let table = Table::parse("a 1\nb max\nc\n");
        assert_eq!([table.get("a"), table.get("b"), table.get("c")], [1, u64::MAX, 0]);
    }

    /// The figures from files as a kernel writes them.
    fn figures<M: Message>(version: &str, files: &[(&str, &str)]) -> M {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in files {
            std::fs::write(directory.path().join(file), text).unwrap();
        }
        let controllers = ["cpu", "cpuacct", "memory", "pids"];
        let directories = [serde_json::json!({ "controllers": controllers, "path": directory.path() })];
        let cgroup = serde_json::json!({ "version": version, "directories": directories });
        let any = read(&serde_json::from_value(cgroup).unwrap()).unwrap();
        M::parse_from_bytes(&any.value).unwrap()
    }

    #[test]
    fn files_of_version_1_become_its_message() {
        let metrics: v1::Metrics = figures(
            "V1",
            &[
                ("cpuacct.usage", "1234567890\n"),
                ("cpuacct.usage_percpu", "1000000000 234567890 \n"),
                ("cpuacct.stat", "user 100\nsystem 20\n"),
                ("cpu.stat", "nr_periods 9\nnr_throttled 3\nthrottled_time 77\n"),
                ("memory.usage_in_bytes", "5000\n"),
                ("memory.limit_in_bytes", "67108864\n"),
                ("memory.failcnt", "4\n"),
                ("memory.stat", "cache 10\nrss 20\ntotal_inactive_file 30\n"),
                ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
                ("pids.current", "3\n"),
                ("pids.max", "max\n"),
            ],
        );
        let (cpu, memory) = (&metrics.cpu, &metrics.memory);
        assert_eq!((cpu.usage.total, cpu.usage.per_cpu.len()), (1_234_567_890, 2));
        assert_eq!((cpu.usage.user, cpu.usage.kernel), (1_000_000_000, 200_000_000));
        assert_eq!((cpu.throttling.periods, cpu.throttling.throttled_time), (9, 77));
        assert_eq!((memory.usage.usage, memory.usage.limit, memory.usage.failcnt), (5000, 67_108_864, 4));
        assert_eq!((memory.cache, memory.rss, memory.total_inactive_file), (10, 20, 30));
        assert_eq!(metrics.memory_oom_control.oom_kill, 2);
        assert_eq!((metrics.pids.current, metrics.pids.limit), (3, 0));
    }

    #[test]
    fn files_of_version_2_become_its_message() {
        let metrics: v2::Metrics = figures(
            "V2",
            &[
                ("cpu.stat", "usage_usec 900\nuser_usec 600\nsystem_usec 300\nnr_throttled 3\n"),
                ("memory.current", "5000\n"),
                ("memory.max", "67108864\n"),
                ("memory.swap.max", "0\n"),
                ("memory.stat", "anon 20\nfile 10\ninactive_file 30\n"),
                ("memory.events", "low 0\nhigh 0\nmax 8\noom 2\noom_kill 1\n"),
                ("pids.current", "3\n"),
                ("pids.max", "max\n"),
            ],
        );
        let (cpu, memory) = (&metrics.cpu, &metrics.memory);
        assert_eq!((cpu.usage_usec, cpu.user_usec, cpu.system_usec, cpu.nr_throttled), (900, 600, 300, 3));
        assert_eq!((memory.usage, memory.usage_limit, memory.swap_limit), (5000, 67_108_864, 0));
        assert_eq!((memory.anon, memory.file, memory.inactive_file), (20, 10, 30));
        assert_eq!((metrics.memory_events.max, metrics.memory_events.oom_kill), (8, 1));
        assert_eq!((metrics.pids.current, metrics.pids.limit), (3, u64::MAX));
    }

    #[test]
    fn a_process_is_counted_while_its_cgroup_is_there() {
        let path = PathBuf::from("morph-test").join(format!("stats-{}", std::process::id()));
        let limits: Resources = serde_json::from_str(r#"{"memory": {"limit": 67108864}}"#).unwrap();
        let cgroup = Cgroup::create(&path, &limits).unwrap();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        for file in cgroup.procs_files() {
            std::fs::write(file, child.id().to_string()).unwrap();
        }
        let any = read(&cgroup).unwrap();
        let (pids, limit) = match cgroup.version() {
            Version::V1 => {
                assert_eq!(any.type_url, "io.containerd.cgroups.v1.Metrics");
                let metrics = v1::Metrics::parse_from_bytes(&any.value).unwrap();
                (metrics.pids.current, metrics.memory.usage.limit)
            }
            Version::V2 => {
                assert_eq!(any.type_url, "io.containerd.cgroups.v2.Metrics");
                let metrics = v2::Metrics::parse_from_bytes(&any.value).unwrap();
                (metrics.pids.current, metrics.memory.usage_limit)
            }
        };
        child.kill().unwrap();
        child.wait().unwrap();
        cgroup.kill().unwrap();
        cgroup.remove().unwrap();
        assert_eq!((pids, limit), (1, 67_108_864));
    }
}
