//! What a task leaves in its bundle for `delete`, which comes in a process of its own and perhaps after the
//! server's death: whom to kill and which cgroup to remove.

use crate::cgroup::Cgroup;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Name of the file in the bundle.
const FILE: &str = "morph.json";

/// Version of [`Record`]: a newer shim may find an older one's.
const VERSION: u32 = 1;

/// The record of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// Id of the task.
    pub id: String,
    /// Id of the sandbox that it belongs to; its own for a sandbox.
    pub sandbox: Option<String>,
    /// Address of the server that has it.
    pub address: String,
    /// Its cgroup.
    pub cgroup: Cgroup,
    /// Its process, once there is one.
    pub process: Option<Process>,
}

/// A process and when it was started: a pid alone may be another's by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its pid.
    pub pid: i32,
    /// Its start in clock ticks since boot (field 22 of `/proc/<pid>/stat`).
    pub start_ticks: u64,
}

impl Process {
    /// A process that lives.
    ///
    /// # Errors
    /// There is none with this pid.
    pub fn of(pid: i32) -> io::Result<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let start_ticks = start_ticks(&text).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { pid, start_ticks })
    }

    /// Whether it still lives, or has ended and waits for its parent.
    #[must_use]
    pub fn is_there(&self) -> bool {
        Self::of(self.pid).is_ok_and(|found| found == *self)
    }
}

/// Field 22, counted behind the name, which may hold anything.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(19)?.parse().ok()
}

impl Record {
    /// The record of a task that has no process yet.
    #[must_use]
    pub fn new(id: &str, sandbox: Option<&str>, address: &str, cgroup: Cgroup) -> Self {
        Self {
            version: VERSION,
            id: id.into(),
            sandbox: sandbox.map(Into::into),
            address: address.into(),
            cgroup,
            process: None,
        }
    }

    /// Writes it whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, bundle: &Path) -> io::Result<()> {
        let place = bundle.join(FILE);
        let new = bundle.join(format!(".{FILE}.new"));
        let mut file = std::fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        std::fs::rename(new, place)
    }

    /// Reads it; `None` if there is none.
    ///
    /// # Errors
    /// A file that can't be read, or is of a version that this shim doesn't know.
    pub fn read(bundle: &Path) -> io::Result<Option<Self>> {
        let bytes = match std::fs::read(bundle.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let record: Self = serde_json::from_slice(&bytes)?;
        if record.version != VERSION {
            let text = format!("{FILE} has version {}, this shim knows {VERSION}", record.version);
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Ok(Some(record))
    }

    /// Removes it; nothing to remove is fine.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(bundle: &Path) -> io::Result<()> {
        match std::fs::remove_file(bundle.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// The bundle of another task of the same containerd namespace: bundles lie side by side under their ids.
#[must_use]
pub fn neighbour(bundle: &Path, id: &str) -> Option<PathBuf> {
    let is_name = !id.is_empty() && id != "." && id != ".." && !id.contains('/');
    Some(bundle.parent().filter(|_| is_name)?.join(id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record() -> Record {
        let cgroup = serde_json::from_str(r#"{"version": "V2", "directories": []}"#).unwrap();
        Record::new("c1", Some("s1"), "unix:///run/x", cgroup)
    }

    #[test]
    fn a_record_is_read_as_it_was_written_until_it_is_removed() {
        let bundle = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(bundle.path()).unwrap(), None);
        let mut record = record();
        record.write(bundle.path()).unwrap();
        record.process = Some(Process { pid: 7, start_ticks: 8 });
        record.write(bundle.path()).unwrap();
        assert_eq!(Record::read(bundle.path()).unwrap(), Some(record));
        for _ in 0..2 {
            Record::remove(bundle.path()).unwrap();
        }
        assert_eq!(std::fs::read_dir(bundle.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_record_of_another_version_is_an_error() {
        let bundle = tempfile::tempdir().unwrap();
        Record { version: 2, ..record() }.write(bundle.path()).unwrap();
        assert!(Record::read(bundle.path()).unwrap_err().to_string().contains("version 2"));
    }

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = Process::of(std::process::id().cast_signed()).unwrap();
        assert!(own.is_there());
        assert!(!Process { start_ticks: own.start_ticks + 1, ..own }.is_there());
    }

    #[test]
    fn a_name_with_brackets_does_not_move_the_fields() {
        let fields = (4..=22).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(start_ticks(&format!("1 (a) b) S {fields} 23")), Some(22));
        assert_eq!(start_ticks("nonsense"), None);
    }

    #[test]
    fn a_neighbour_is_never_elsewhere() {
        let bundle = Path::new("/state/k8s.io/c1");
        assert_eq!(neighbour(bundle, "s1"), Some("/state/k8s.io/s1".into()));
        for id in ["", "..", ".", "a/b"] {
            assert_eq!(neighbour(bundle, id), None);
        }
    }
}
