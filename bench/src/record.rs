//! A record of runs: what was measured, on what machine, with which programs. JSON, so that later ones can be
//! compared.

use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// When it was begun, in UTC.
    pub begun: String,
    /// The machine.
    pub machine: Machine,
    /// Programs and their SHA-256.
    pub programs: BTreeMap<String, String>,
    /// The rows.
    pub rows: Vec<Report>,
}

/// What the figures depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// The processor.
    pub processor: String,
    /// How many of them.
    pub processors: usize,
    /// Memory in mebibytes.
    pub memory_mebibytes: u64,
    /// Version of the cgroups.
    pub cgroup_version: u8,
    /// Load average of the minute before: a loaded machine gives no figures for a page.
    pub load: String,
}

impl Machine {
    /// This one.
    ///
    /// # Errors
    /// A file of /proc that can't be read.
    pub fn this() -> Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).with_context(|| path.to_owned());
        Ok(Self {
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            processor: field(&read("/proc/cpuinfo")?, "model name").unwrap_or_default(),
            processors: std::thread::available_parallelism()?.get(),
            memory_mebibytes: kibibytes(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default() >> 10,
            cgroup_version: if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { 2 } else { 1 },
            load: read("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned(),
        })
    }

    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { kernel, processor, processors, memory_mebibytes, cgroup_version, load } = self;
        format!(
            "{processors} × {processor}, {memory_mebibytes} MiB, Linux {kernel}, cgroup v{cgroup_version}, \
             load {load} at the beginning"
        )
    }
}

/// The value behind a name and a colon.
fn field(text: &str, name: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    values.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next()
}

/// The value of a name, in KiB, as the files of /proc write it.
#[must_use]
pub fn kibibytes(text: &str, name: &str) -> Option<u64> {
    field(text, name)?.split(' ').next()?.parse().ok()
}

impl Record {
    /// Writes it.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        }
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text).with_context(|| path.display().to_string())
    }

    /// This one with the rows of another: of a row that both have, the other's counts.
    ///
    /// # Errors
    /// One of other programs or of another machine: rows of one record are to be compared.
    pub fn with(mut self, other: Self) -> Result<Self> {
        let machine = |machine: &Machine| Machine { load: String::new(), ..machine.clone() };
        ensure!(self.programs == other.programs, "the record is of other programs");
        ensure!(machine(&self.machine) == machine(&other.machine), "the record is of another machine");
        for row in other.rows {
            match self.rows.iter_mut().find(|own| own.row == row.row) {
                Some(own) => *own = row,
                None => self.rows.push(row),
            }
        }
        Ok(self)
    }

    /// Reads one.
    ///
    /// # Errors
    /// A file that is missing or no record.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| format!("{} is no record", path.display()))
    }
}

#[cfg(test)]
pub(crate) mod tests_support {
    use super::Machine;

    /// A machine that isn't there.
    pub(crate) fn machine() -> Machine {
        Machine {
            kernel: "6.12".into(),
            processor: "Example".into(),
            processors: 2,
            memory_mebibytes: 8192,
            cgroup_version: 2,
            load: "0.1".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::tests_support::machine;
    use super::*;
    use crate::report::tests_support::report;

    fn record() -> Record {
        let programs = BTreeMap::from([("shim".to_owned(), "sha256:00".to_owned())]);
        Record { begun: "2026-01-01T00:00:00Z".into(), machine: machine(), programs, rows: vec![report()] }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results/2026-01-01.json");
        record().write(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap(), record());
    }

    #[test]
    fn a_file_that_is_no_record_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"rows": []}"#).unwrap();
        let error = format!("{:#}", Record::read(file.path()).unwrap_err());
        assert!(error.contains("is no record") && error.contains("begun"), "{error}");
    }

    #[test]
    fn values_of_proc_are_found_by_their_name() {
        let text = "Rss:       2000 kB\nPss:       1234 kB\nPss_Anon:   99 kB\n";
        assert_eq!(kibibytes(text, "Pss"), Some(1234));
        assert_eq!(kibibytes(text, "Swap"), None);
        assert_eq!(field("model name\t: Fast One\n", "model name").unwrap(), "Fast One");
    }

    #[test]
    fn this_machine_can_be_described() {
        let machine = Machine::this().unwrap();
        assert!(machine.processors > 0 && machine.memory_mebibytes > 0, "{machine:?}");
        assert!(machine.line().contains("cgroup v"), "{}", machine.line());
    }

    fn of_rows(program: &str, rows: &[(&str, &str)]) -> Record {
        let row = |(row, why): &(&str, &str)| Report::absent(row, (*why).to_owned());
        Record {
            begun: "2026-01-31T00:00:00Z".into(),
            machine: machine(),
            programs: [("shim".to_owned(), program.to_owned())].into(),
            rows: rows.iter().map(row).collect(),
        }
    }

    #[test]
    fn rows_of_another_run_take_the_place_of_their_like() {
        let old = of_rows("a", &[("P1", "old"), ("P12", "no cluster")]);
        let with = old.with(of_rows("a", &[("P12", "new"), ("P2", "new")])).unwrap();
        assert_eq!(with, of_rows("a", &[("P1", "old"), ("P12", "new"), ("P2", "new")]));
    }

    #[test]
    fn rows_of_other_programs_or_machines_are_not_taken() {
        let error = of_rows("a", &[]).with(of_rows("b", &[])).unwrap_err();
        assert!(error.to_string().contains("other programs"), "{error}");
        let elsewhere = Record { machine: Machine { processors: 64, ..machine() }, ..of_rows("a", &[]) };
        let error = of_rows("a", &[]).with(elsewhere).unwrap_err();
        assert!(error.to_string().contains("another machine"), "{error}");
        let busier = Record { machine: Machine { load: "9.9".into(), ..machine() }, ..of_rows("a", &[]) };
        assert!(of_rows("a", &[]).with(busier).is_ok(), "the load of the beginning is not the machine");
    }
}
