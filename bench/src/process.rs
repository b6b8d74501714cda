//! Processes of a shim and what they cost: memory, processor time, wake-ups. Read from /proc; it ends nobody.

use crate::record::kibibytes;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Ticks of processor time in a second, as /proc shows it: a constant of Linux's interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// How long memory may take to settle, in seconds: engines and pools are filled at first.
const SETTLE_SECONDS_MAX: u64 = 10;

/// Time between two looks at memory, in milliseconds.
const SETTLE_MILLIS: u64 = 300;

/// Memory has settled when two looks differ by no more than one part in so many.
const SETTLED_PARTS: u64 = 200;

/// A process in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    pid: i32,
    parent: i32,
    program: Option<PathBuf>,
}

/// Pids of a program's processes and of all that descend from them: a shim's own, and what it runs.
///
/// # Errors
/// A /proc that can't be read.
pub fn family(program: &Path) -> Result<BTreeSet<i32>> {
    Ok(family_of(&table()?, program))
}

fn family_of(table: &[Entry], program: &Path) -> BTreeSet<i32> {
    let is_own = |entry: &&Entry| entry.program.as_deref() == Some(program);
    let mut pids: BTreeSet<i32> = table.iter().filter(is_own).map(|entry| entry.pid).collect();
    loop {
        let children = table.iter().filter(|entry| pids.contains(&entry.parent)).map(|entry| entry.pid);
        let more: Vec<i32> = children.filter(|pid| !pids.contains(pid)).collect();
        if more.is_empty() {
            return pids;
        }
        pids.extend(more);
    }
}

fn table() -> Result<Vec<Entry>> {
    let entries = fs::read_dir("/proc").context("/proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    // A process may end between two looks; then it isn't there.
    Ok(pids.filter_map(entry).collect())
}

fn entry(pid: i32) -> Option<Entry> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = fields(&stat)?.get(1)?.parse().ok()?;
    Some(Entry { pid, parent, program: fs::read_link(format!("/proc/{pid}/exe")).ok() })
}

/// The fields of a stat file from the state on; the name before may hold anything.
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(") ")?.1.split(' ').collect())
}

/// Memory that is counted once for each process that shares it, in KiB.
///
/// # Errors
/// A process that has ended.
pub fn pss_kibibytes(pids: &BTreeSet<i32>) -> Result<u64> {
    sum(pids, "smaps_rollup", |text| kibibytes(text, "Pss"))
}

/// Memory that nobody shares, in KiB.
///
/// # Errors
/// A process that has ended.
pub fn private_kibibytes(pids: &BTreeSet<i32>) -> Result<u64> {
    sum(pids, "smaps_rollup", |text| {
        Some(kibibytes(text, "Private_Clean")? + kibibytes(text, "Private_Dirty")?)
    })
}

fn sum(pids: &BTreeSet<i32>, file: &str, read: impl Fn(&str) -> Option<u64>) -> Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/{file}");
        let text = fs::read_to_string(&path).with_context(|| path.clone())?;
        sum += read(&text).with_context(|| format!("{path} has other fields"))?;
    }
    Ok(sum)
}

/// Waits until memory no longer changes, and answers it.
///
/// # Errors
/// Memory that goes on changing, or a process that ends meanwhile.
pub async fn settled_kibibytes(look: impl Fn() -> Result<u64>) -> Result<u64> {
    let end = Instant::now() + Duration::from_secs(SETTLE_SECONDS_MAX);
    let mut last = look()?;
    loop {
        tokio::time::sleep(Duration::from_millis(SETTLE_MILLIS)).await;
        let now = look()?;
        if now.abs_diff(last) * SETTLED_PARTS <= last {
            return Ok(now);
        }
        anyhow::ensure!(
            Instant::now() < end,
            "memory still changes after {SETTLE_SECONDS_MAX} s: {last}, {now} KiB"
        );
        last = now;
    }
}

/// Processor time so far, in microseconds, of user and kernel.
///
/// # Errors
/// A process that has ended.
pub fn cpu_micros(pids: &BTreeSet<i32>) -> Result<f64> {
    let ticks = sum(pids, "stat", |text| {
        let fields = fields(text)?;
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    })?;
    Ok(ticks as f64 / TICKS_PER_SECOND * 1e6)
}

/// How often each thread of processes has been woken so far, by the thread's id.
pub type Wakes = BTreeMap<i32, u64>;

/// How often the processes' threads have been woken so far.
///
/// # Errors
/// A process that has ended.
pub fn wakes(pids: &BTreeSet<i32>) -> Result<Wakes> {
    let mut wakes = Wakes::new();
    for pid in pids {
        for thread in fs::read_dir(format!("/proc/{pid}/task")).with_context(|| format!("process {pid}"))? {
            let thread = thread?;
            let Some(id) = thread.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A thread may end between two looks.
            let Ok(text) = fs::read_to_string(thread.path().join("status")) else { continue };
            wakes.insert(id, switches(&text).with_context(|| format!("thread {id}"))?);
        }
    }
    Ok(wakes)
}

/// Wake-ups between two looks. A thread that has ended meanwhile takes its own along; it won't wake again.
#[must_use]
pub fn woken(before: &Wakes, after: &Wakes) -> u64 {
    after.iter().map(|(thread, wakes)| wakes.saturating_sub(before.get(thread).copied().unwrap_or(0))).sum()
}

/// A thread that gave up its processor was woken before it runs again.
fn switches(status: &str) -> Option<u64> {
    kibibytes(status, "voluntary_ctxt_switches")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(pid: i32, parent: i32, program: &str) -> Entry {
        Entry { pid, parent, program: (!program.is_empty()).then(|| program.into()) }
    }

    #[test]
    fn a_family_is_a_shim_and_all_that_it_runs() {
        let table = [
            entry(1, 0, "/sbin/init"),
            entry(10, 1, "/shim"),
            entry(11, 10, "/pause"),
            entry(12, 11, ""),
            entry(20, 1, "/other-shim"),
            entry(21, 20, "/pause"),
        ];
        assert_eq!(family_of(&table, Path::new("/shim")), BTreeSet::from([10, 11, 12]));
        assert!(family_of(&table, Path::new("/nobody")).is_empty());
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194304 100 0 0 0 25 17 0 0 20 0 1 0 5";
        let fields = fields(stat).unwrap();
        assert_eq!((fields[1], fields[11], fields[12]), ("3", "25", "17"));
    }

    #[test]
    fn only_being_woken_counts_as_a_wake_up() {
        let status = "Threads:\t1\nvoluntary_ctxt_switches:\t42\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(switches(status), Some(42));
    }

    #[test]
    fn threads_that_come_and_go_do_not_shift_the_count() {
        let before = Wakes::from([(1, 100), (2, 50)]);
        let after = Wakes::from([(1, 103), (3, 4)]);
        assert_eq!(woken(&before, &after), 7);
        assert_eq!(woken(&before, &before), 0);
    }

    #[test]
    fn this_process_has_memory_and_has_used_a_processor() {
        let own = BTreeSet::from([i32::try_from(std::process::id()).unwrap()]);
        let pss = pss_kibibytes(&own).unwrap();
        assert!(pss > 100, "{pss}");
        assert!(private_kibibytes(&own).unwrap() <= pss);
        assert!(wakes(&own).is_ok() && cpu_micros(&own).is_ok());
        assert!(family(&std::env::current_exe().unwrap()).unwrap().is_superset(&own));
    }

    #[test]
    fn a_process_that_has_ended_is_an_error_and_no_zero() {
        let nobody = BTreeSet::from([i32::MAX]);
        assert!(pss_kibibytes(&nobody).is_err() && cpu_micros(&nobody).is_err() && wakes(&nobody).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_read_once_it_no_longer_changes() {
        let looks = std::cell::RefCell::new(vec![5_000, 5_010, 5_500, 9_000, 1_000]);
        let settled = settled_kibibytes(|| Ok(looks.borrow_mut().pop().unwrap())).await.unwrap();
        assert_eq!(settled, 5_000);
    }

    #[tokio::test]
    async fn memory_that_can_not_be_read_is_an_error() {
        assert!(settled_kibibytes(|| anyhow::bail!("ended")).await.is_err());
    }
}
