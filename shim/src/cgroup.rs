//! The cgroup of a task: made, limited, frozen, killed and removed by its files, of version 1 and 2. Which
//! process goes into it is `process`'s; what its figures mean is `stats`'s.

mod layout;
mod limits;
mod starved;
mod systemd;

pub use layout::Version;
pub use starved::Starved;

use crate::spec::Resources;
use layout::Layout;
use limits::Setting;
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long emptying, freezing or removing may take, in milliseconds: the kernel needs a few, and containerd
/// gives `delete` five seconds in all.
pub const SETTLE_MILLIS_MAX: u64 = 2_000;

/// Pause between two looks at a file that the kernel gives no notice of, in milliseconds.
const LOOK_MILLIS: u64 = 2;

/// What can't be done with a cgroup.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file or directory of it.
    #[error("cgroup {path}: {doing}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A limit that nothing enforces here.
    #[error("cgroup controller {controller} is not there, and the spec limits {file}")]
    NoController {
        /// The controller.
        controller: String,
        /// The file that would hold the limit.
        file: String,
    },
    /// A memory limit below what is in use.
    #[error(
        "memory limit {limit_bytes}: {used_bytes} bytes are in use and can't be given back; nothing was \
         changed"
    )]
    InUse {
        /// The limit.
        limit_bytes: u64,
        /// What is in use.
        used_bytes: u64,
    },
    /// Somebody else's.
    #[error("cgroup {path}: process {pid} is in it already; a task's is its own, to limit and to kill")]
    Occupied {
        /// Where.
        path: PathBuf,
        /// Who is in it.
        pid: i32,
    },
    /// Waited in vain.
    #[error("cgroup {path}: not {wanted} after {} ms", SETTLE_MILLIS_MAX)]
    Unsettled {
        /// Where.
        path: PathBuf,
        /// What was waited for.
        wanted: &'static str,
    },
}

impl CgroupError {
    /// Whether systemd has said no, so that nothing was made.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::File { source, .. } if systemd::refusal(source).is_some())
    }
}

/// The directories of one task's cgroup, one for each hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cgroup {
    version: Version,
    directories: Vec<Directory>,
}

/// The part of a cgroup in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Directory {
    /// Controllers of the hierarchy; empty with version 2, where the files say it.
    controllers: Vec<String>,
    path: PathBuf,
}

impl Cgroup {
    /// Makes the directories that are missing and sets the limits; what was there before is used as it is.
    ///
    /// # Errors
    /// Any [`CgroupError`]; what was made until then is removed again.
    pub fn create(path: &Path, resources: &Resources) -> Result<Self, CgroupError> {
        let layout = Layout::read().map_err(file_error(Path::new("/proc/self/mountinfo"), "reading"))?;
        Self::create_in(&layout, path, resources)
    }

    /// Where [`Self::create`] would make it: for who notes it down before there is anything to lose.
    ///
    /// # Errors
    /// A list of mounts that can't be read.
    pub fn planned(path: &Path) -> Result<Self, CgroupError> {
        let layout = Layout::read().map_err(file_error(Path::new("/proc/self/mountinfo"), "reading"))?;
        Ok(Self::planned_in(&layout, path))
    }

    fn planned_in(layout: &Layout, path: &Path) -> Self {
        let directory = |hierarchy: &layout::Hierarchy| Directory {
            controllers: hierarchy.controllers.clone(),
            path: hierarchy.root.join(path),
        };
        Self { version: layout.version, directories: layout.hierarchies.iter().map(directory).collect() }
    }

    fn create_in(layout: &Layout, path: &Path, resources: &Resources) -> Result<Self, CgroupError> {
        let cgroup = Self::planned_in(layout, path);
        let made = layout
            .hierarchies
            .iter()
            .try_for_each(|hierarchy| hierarchy.make(layout.version, path))
            .and_then(|()| cgroup.limit(resources));
        match made {
            Ok(()) => Ok(cgroup),
            Err(error) => {
                // The first error is the one to tell; what can't be removed now, `delete` tries again.
                drop(cgroup.remove());
                Err(error)
            }
        }
    }

    /// Version of its hierarchies.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The files that take a process into it.
    #[must_use]
    pub fn procs_files(&self) -> Vec<PathBuf> {
        self.directories.iter().map(|directory| directory.path.join("cgroup.procs")).collect()
    }

    /// The path of a file of one controller, if that controller is there.
    #[must_use]
    pub fn file(&self, controller: &str, file: &str) -> Option<PathBuf> {
        let directory = match self.version {
            Version::V1 => self.directories.iter().find(|d| d.controllers.iter().any(|c| c == controller)),
            Version::V2 => self.directories.first(),
        };
        directory.map(|directory| directory.path.join(file))
    }

    /// Sets limits; absent ones stay as they are.
    ///
    /// # Errors
    /// [`CgroupError::NoController`], or what the kernel says.
    pub fn limit(&self, resources: &Resources) -> Result<(), CgroupError> {
        let settings = limits::settings(self.version, resources);
        let mut again = Vec::new();
        for setting in &settings {
            match self.set(setting) {
                // The kernel compares a new period with the old quota, and the two may only fit together.
                Err(CgroupError::File { source, .. })
                    if setting.file == limits::PERIOD && source.kind() == io::ErrorKind::InvalidInput =>
                {
                    again.push(setting);
                }
                other => other?,
            }
        }
        again.into_iter().try_for_each(|setting| self.set(setting))
    }

    /// As [`Self::limit`], of a cgroup with processes in it; systemd is told too.
    ///
    /// # Errors
    /// [`CgroupError::InUse`], and as there and of [`Self::adopt`]. Memory is the first to be set: where it
    /// can't be, all is as it was.
    pub fn update(&self, resources: &Resources) -> Result<(), CgroupError> {
        let limit = resources.memory.as_ref().and_then(|memory| memory.limit);
        let Some(limit_bytes) = limit.and_then(|bytes| u64::try_from(bytes).ok()).filter(|bytes| *bytes > 0)
        else {
            return self.limit_running(resources);
        };
        let in_use = || CgroupError::InUse { limit_bytes, used_bytes: self.held_bytes() };
        // The kernel of version 2 sets such a limit and kills whoever is above it; that of version 1 refuses.
        if self.version == Version::V2 && self.held_bytes() > limit_bytes {
            return Err(in_use());
        }
        match self.limit_running(resources) {
            Err(CgroupError::File { source, .. }) if source.kind() == io::ErrorKind::ResourceBusy => {
                Err(in_use())
            }
            other => other,
        }
    }

    /// Memory in use that the kernel can't take back: pages of files can be read again.
    fn held_bytes(&self) -> u64 {
        let (usage, files) = match self.version {
            Version::V1 => ("memory.usage_in_bytes", "cache "),
            Version::V2 => ("memory.current", "file "),
        };
        let read = |file: &str| {
            let path = self.file("memory", file);
            path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
        };
        let used: u64 = read(usage).trim().parse().unwrap_or(0);
        let stat = read("memory.stat");
        let kept: Option<u64> = stat.lines().find_map(|line| line.strip_prefix(files)?.trim().parse().ok());
        used.saturating_sub(kept.unwrap_or(0))
    }

    fn set(&self, setting: &Setting) -> Result<(), CgroupError> {
        let Setting { controller, file, value } = setting;
        let absent = || CgroupError::NoController { controller: (*controller).into(), file: file.clone() };
        let path = self.file(controller, file).ok_or_else(absent)?;
        match write(&path, value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(absent()),
            other => other.map_err(file_error(&path, "writing a limit")),
        }
    }

    /// Tells systemd of it, where its path is of systemd's making and systemd runs. The process is in it.
    ///
    /// # Errors
    /// What systemd says.
    pub fn adopt(&self, pid: i32, resources: &Resources) -> Result<(), CgroupError> {
        self.scope().map_or(Ok(()), |scope| scope.start(self.version, pid, resources))
    }

    /// systemd comes second: what the kernel refuses it must not keep and write again later.
    fn limit_running(&self, resources: &Resources) -> Result<(), CgroupError> {
        self.limit(resources)?;
        self.scope().map_or(Ok(()), |scope| scope.update(self.version, resources))
    }

    fn scope(&self) -> Option<systemd::Scope<'_>> {
        systemd::Scope::of(&self.directories.first()?.path)
    }

    /// Refuses one with a process in it: whoever ends the task would end that as well.
    ///
    /// # Errors
    /// [`CgroupError::Occupied`], and as of [`Self::processes`].
    pub fn ensure_free(&self) -> Result<(), CgroupError> {
        let path = self.directories.first().map_or(PathBuf::new(), |directory| directory.path.clone());
        self.processes()?.first().map_or(Ok(()), |pid| Err(CgroupError::Occupied { path, pid: *pid }))
    }

    /// Processes in it.
    ///
    /// # Errors
    /// A `cgroup.procs` that can't be read.
    pub fn processes(&self) -> Result<Vec<i32>, CgroupError> {
        let mut pids = std::collections::BTreeSet::new();
        for path in self.procs_files() {
            match std::fs::read_to_string(&path) {
                Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok())),
                Err(error) if is_gone(&error) => {}
                Err(source) => return Err(file_error(&path, "reading")(source)),
            }
        }
        Ok(pids.into_iter().collect())
    }

    /// Stops all its processes where they are, or lets them go on.
    ///
    /// # Errors
    /// What the kernel says; [`CgroupError::Unsettled`].
    pub fn freeze(&self, frozen: bool) -> Result<(), CgroupError> {
        let (file, value) = match self.version {
            Version::V1 => ("freezer.state", if frozen { "FROZEN" } else { "THAWED" }),
            Version::V2 => ("cgroup.freeze", if frozen { "1" } else { "0" }),
        };
        let absent = || CgroupError::NoController { controller: "freezer".into(), file: file.into() };
        let path = self.file("freezer", file).ok_or_else(absent)?;
        write(&path, value).map_err(file_error(&path, "freezing"))?;
        let (seen, wanted) = match self.version {
            Version::V1 => (path.clone(), value.to_owned()),
            Version::V2 => (path.with_file_name("cgroup.events"), format!("frozen {value}")),
        };
        let settled = settle(&path, if frozen { "frozen" } else { "thawed" }, || {
            let text = std::fs::read_to_string(&seen).map_err(file_error(&seen, "reading"))?;
            Ok(text.lines().any(|line| line == wanted))
        });
        if frozen && settled.is_err() {
            // Half frozen is neither: nobody would resume what was never paused.
            self.thaw_dying();
        }
        settled
    }

    /// Kills every process in it and waits until it is empty. Does nothing where it is gone.
    ///
    /// # Errors
    /// What the kernel says; [`CgroupError::Unsettled`].
    pub fn kill(&self) -> Result<(), CgroupError> {
        let place = self.directories.first().map_or(PathBuf::new(), |directory| directory.path.clone());
        self.kill_at_once();
        settle(&place, "empty", || {
            let pids = self.processes()?;
            for pid in &pids {
                kill(*pid).map_err(file_error(&place, "killing a process of it"))?;
            }
            if !pids.is_empty() {
                self.thaw_dying();
            }
            Ok(pids.is_empty())
        })
    }

    /// With version 2 one write ends all, those as well that are being made. Kernels before 5.14 lack the
    /// file; then, as with version 1, each process is ended by itself.
    fn kill_at_once(&self) {
        if let (Version::V2, Some(path)) = (self.version, self.file("cgroup", "cgroup.kill")) {
            drop(write(&path, "1"));
        }
    }

    /// Lets processes go on, without waiting: with version 1 a frozen one doesn't die. One that can't be
    /// thawed shows in the wait that follows.
    pub(crate) fn thaw_dying(&self) {
        let (file, value) = match self.version {
            Version::V1 => ("freezer.state", "THAWED"),
            Version::V2 => ("cgroup.freeze", "0"),
        };
        if let Some(path) = self.file("freezer", file) {
            drop(write(&path, value));
        }
    }

    /// Removes its directories. Those that are gone are fine. Nothing is in it any more.
    ///
    /// # Errors
    /// What the kernel or systemd says; [`CgroupError::Unsettled`] while a process is in it.
    pub fn remove(&self) -> Result<(), CgroupError> {
        // Before: without the directory nobody tells systemd that its scope is empty.
        if let Some(scope) = self.scope().filter(|_| self.directories.iter().any(|d| d.path.exists())) {
            scope.stop()?;
        }
        self.remove_refused()
    }

    /// As [`Self::remove`], of one that systemd has refused: a scope of its name is somebody else's.
    ///
    /// # Errors
    /// What the kernel says; [`CgroupError::Unsettled`] while a process is in it.
    pub fn remove_refused(&self) -> Result<(), CgroupError> {
        for directory in &self.directories {
            settle(&directory.path, "removable", || match std::fs::remove_dir(&directory.path) {
                Ok(()) => Ok(true),
                Err(error) if is_gone(&error) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(false),
                Err(source) => Err(file_error(&directory.path, "removing")(source)),
            })?;
        }
        Ok(())
    }
}

/// Looks until it is so, or the time is over. Blocks its thread.
fn settle(
    path: &Path,
    wanted: &'static str,
    mut look: impl FnMut() -> Result<bool, CgroupError>,
) -> Result<(), CgroupError> {
    let end = Instant::now() + Duration::from_millis(SETTLE_MILLIS_MAX);
    while !look()? {
        if Instant::now() >= end {
            return Err(CgroupError::Unsettled { path: path.into(), wanted });
        }
        std::thread::sleep(Duration::from_millis(LOOK_MILLIS));
    }
    Ok(())
}

fn kill(pid: i32) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(pid) else { return Ok(()) };
    let killed = rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .and_then(|process| rustix::process::pidfd_send_signal(process, Signal::KILL));
    match killed {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Cgroup files want one `write`, and never to be made.
fn write(path: &Path, value: &str) -> io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

fn file_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> CgroupError {
    let path = path.to_path_buf();
    move |source| CgroupError::File { path, doing, source }
}

#[cfg(test)]
mod tests;
