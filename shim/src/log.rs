//! Where a server's words go: all into its own file, which never grows past a bound, and those about a task
//! also into the fifo `log` of that task's bundle, which containerd reads into its own log.

use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Largest log of a server, in bytes: it lies in memory on most nodes. Past this it is begun anew.
pub const LOG_BYTES_MAX: u64 = 4 << 20;

/// Longest line for containerd, in bytes: what a fifo takes whole or not at all.
const LINE_BYTES_MAX: usize = 4096;

/// The field that says which task a line is about.
const TASK: &str = "task";

/// The open fifos, by the ids of their tasks.
static FIFOS: Mutex<BTreeMap<String, File>> = Mutex::new(BTreeMap::new());

/// Begins to log to standard error, and to the tasks' fifos.
///
/// # Errors
/// No descriptor is left.
pub fn begin(debug: bool) -> io::Result<()> {
    let level = if debug { Level::DEBUG } else { Level::INFO };
    let file = Bounded::new(File::from(io::stderr().as_fd().try_clone_to_owned()?))?;
    let file = tracing_subscriber::fmt::layer().with_writer(Mutex::new(file)).with_ansi(false);
    let level = tracing_subscriber::filter::LevelFilter::from_level(level);
    tracing_subscriber::registry().with(level).with(file).with(ToTasks).init();
    Ok(())
}

/// A log that begins anew when it is full.
struct Bounded {
    file: File,
    /// Room in it; none in what is no file and has no length.
    left: Option<u64>,
}

impl Bounded {
    fn new(file: File) -> io::Result<Self> {
        let status = file.metadata()?;
        let left = status.is_file().then(|| LOG_BYTES_MAX.saturating_sub(status.len()));
        Ok(Self { file, left })
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        if self.left.is_some_and(|left| left < length) {
            // It is opened for appending: what comes next stands at its beginning.
            self.file.set_len(0)?;
            self.left = Some(LOG_BYTES_MAX);
        }
        let written = self.file.write(bytes)?;
        self.left = self.left.map(|left| left.saturating_sub(written as u64));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A task whose lines containerd gets as long as this lives. It is open all that time: containerd stops
/// reading when nobody has it open any more.
#[derive(Debug)]
pub(crate) struct TaskLog {
    id: String,
}

impl TaskLog {
    /// Opens the fifo of a bundle; `None` where containerd has made none, or doesn't read it.
    pub(crate) fn open(bundle: &Path, id: &str) -> Option<Self> {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = rustix::fs::openat(CWD, bundle.join("log"), flags, Mode::empty()).ok()?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).ok()?.st_mode);
        if kind != FileType::Fifo {
            return None;
        }
        FIFOS.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), file.into());
        Some(Self { id: id.to_owned() })
    }
}

impl Drop for TaskLog {
    fn drop(&mut self) {
        FIFOS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Writes lines about tasks into their fifos.
struct ToTasks;

impl<S: Subscriber> Layer<S> for ToTasks {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let Some(task) = line.task.take() else { return };
        let fifos = FIFOS.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut fifo) = fifos.get(&task) else { return };
        let mut text = String::new();
        // Neither time nor words can fail to be written into a string.
        let _ = SystemTime.format_time(&mut Writer::new(&mut text));
        let _ =
            write!(text, " {} morph: {} task={task}{}", event.metadata().level(), line.message, line.rest);
        let text = morph_host::one_line(&text, LINE_BYTES_MAX - 1);
        // A containerd that is away, or slow, gets less: the server's own log has all.
        drop(fifo.write(format!("{text}\n").as_bytes()));
    }
}

/// What an event says.
#[derive(Default)]
struct Line {
    task: Option<String>,
    message: String,
    rest: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            TASK => self.task = Some(value.into()),
            "message" => self.message.push_str(value),
            name => drop(write!(self.rest, " {name}={value:?}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            TASK => self.task = Some(format!("{value:?}")),
            "message" => drop(write!(self.message, "{value:?}")),
            name => drop(write!(self.rest, " {name}={value:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Read, Seek};

    #[test]
    fn a_log_begins_anew_when_it_is_full_and_keeps_its_last_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let open = || File::options().append(true).create(true).open(&path).unwrap();
        let mut log = Bounded::new(open()).unwrap();
        let line = vec![b'x'; 1 << 20];
        for size in [1_u64, 2, 3, 4, 1] {
            log.write_all(&line).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), size << 20);
        }
        let mut next = Bounded::new(open()).unwrap();
        for size in [2_u64, 3, 4, 1] {
            next.write_all(&line).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), size << 20, "what was there counts");
        }
        open().set_len(LOG_BYTES_MAX + 1).unwrap();
        Bounded::new(open()).unwrap().write_all(b"x").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
    }

    #[test]
    fn what_is_no_file_has_no_bound() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut log = Bounded::new(File::from(std::os::fd::OwnedFd::from(writer))).unwrap();
        log.write_all(b"one\n").unwrap();
        assert_eq!(log.left, None);
        drop(log);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\n");
    }

    #[test]
    fn lines_about_a_task_go_into_its_fifo_and_into_no_other_until_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let bundle = |id: &str| {
            let bundle = directory.path().join(id);
            std::fs::create_dir(&bundle).unwrap();
            rustix::fs::mkfifoat(CWD, bundle.join("log"), Mode::from(0o600)).unwrap();
            bundle
        };
        let (first, second) = (bundle("c1"), bundle("c2"));
        assert!(TaskLog::open(&first, "c1").is_none(), "nobody reads it");
        let read = |bundle: &Path| {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            File::from(rustix::fs::openat(CWD, bundle.join("log"), flags, Mode::empty()).unwrap())
        };
        let (mut one, mut other) = (read(&first), read(&second));
        let logs = ["c1", "c2"].map(|id| TaskLog::open(&directory.path().join(id), id).unwrap());
        let subscriber = tracing_subscriber::registry().with(ToTasks);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(task = "c1", why = "a\ntrap", "container ends");
            tracing::info!("about nobody");
            tracing::warn!(task = "c3", "about somebody else");
        });
        drop(logs);
        let (mut said, mut nothing) = (String::new(), String::new());
        one.read_to_string(&mut said).unwrap();
        other.read_to_string(&mut nothing).unwrap();
        assert!(said.ends_with(" INFO morph: container ends task=c1 why=\"a\\ntrap\"\n"), "{said:?}");
        assert_eq!((said.lines().count(), nothing.as_str()), (1, ""));
        assert!(FIFOS.lock().unwrap().is_empty());
    }

    #[test]
    fn a_file_in_the_place_of_the_fifo_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = File::create_new(directory.path().join("log")).unwrap();
        assert!(TaskLog::open(directory.path(), "c1").is_none());
        assert_eq!(file.stream_position().unwrap(), 0);
    }
}
