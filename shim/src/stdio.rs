//! Standard streams of a task, as containerd names them: fifos or files (`file://`). No logging program is
//! ever started (`binary://`): it would run with the server's rights. The server keeps a read end of each
//! output fifo until the task is deleted, so that a guest gets no EPIPE while containerd is away.

mod terminal;

use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use terminal::{Sink, Source, Terminal};
use tokio::net::unix::pipe::{Receiver, Sender};

/// Longest error line written to a task's standard error, in bytes: what a fifo takes at once.
const LINE_BYTES_MAX: usize = 4096;

/// Where a task's streams go, as containerd said it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Streams {
    /// Standard input; empty for none.
    pub stdin: String,
    /// Standard output; empty for none.
    pub stdout: String,
    /// Standard error; empty for none, or for output's with a terminal.
    pub stderr: String,
    /// Whether a terminal was asked for: then all three are one.
    pub terminal: bool,
}

/// A stream that can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// A scheme that this shim doesn't speak, or a file without an absolute path.
    #[error("{name}: {uri}: {problem}; name a fifo, or a file as file:///absolute/path")]
    Scheme {
        /// Which stream.
        name: &'static str,
        /// What containerd said.
        uri: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The file can't be opened.
    #[error("{name}: {}", path.display())]
    Open {
        /// Which stream.
        name: &'static str,
        /// What was opened.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Open streams: what the process gets, and what the server keeps.
#[derive(Debug)]
pub struct Opened {
    /// Standard input, output and error of the process.
    pub process: [OwnedFd; 3],
    /// Kept by the server.
    pub kept: Kept,
}

/// What the server keeps of a task's streams.
#[derive(Debug, Default)]
pub struct Kept {
    /// Read ends of output fifos.
    _read_ends: Vec<OwnedFd>,
    /// A write end of the input fifo: without it a guest that reads early sees the end of its input before
    /// containerd has opened it. `CloseIO` lets it go.
    stdin: Option<OwnedFd>,
    terminal: Option<Terminal>,
}

impl Kept {
    /// Nobody writes to standard input any more but those who have it open.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Says how large the terminal's window is; `None` if there is no terminal.
    pub fn resize(&self, columns: u16, rows: u16) -> Option<io::Result<()>> {
        self.terminal.as_ref().map(|terminal| terminal.resize(columns, rows))
    }

    /// Ends when the last output of a process that has ended is where it belongs.
    pub async fn drained(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.drained().await;
        }
    }
}

impl Streams {
    /// Opens all three. Never waits for the other end of a fifo. With a terminal it is to be called within a
    /// runtime, which copies from then on.
    ///
    /// # Errors
    /// The first stream that can't be opened.
    pub fn open(&self) -> Result<Opened, StdioError> {
        let mut kept = Kept::default();
        if self.terminal {
            let guest = self.open_terminal(&mut kept)?;
            let copy = || guest.try_clone().map_err(failed("terminal", Path::new("/dev/ptmx")));
            return Ok(Opened { process: [copy()?, copy()?, guest], kept });
        }
        let stdin = self.open_input(&mut kept)?;
        let stdout = open_output("stdout", &self.stdout, &mut kept._read_ends)?;
        let stderr = open_output("stderr", &self.stderr, &mut kept._read_ends)?;
        Ok(Opened { process: [stdin, stdout, stderr], kept })
    }

    /// Makes a terminal between the guest and containerd's fifos; answers the guest's end.
    fn open_terminal(&self, kept: &mut Kept) -> Result<OwnedFd, StdioError> {
        let stdout = open_output("stdout", &self.stdout, &mut kept._read_ends)?;
        let is_pipe = is_fifo(&local_path("stdout", &self.stdout)?);
        let sink: Sink = match is_pipe {
            true => {
                Box::new(Sender::from_owned_fd(stdout).map_err(failed("stdout", Path::new(&self.stdout)))?)
            }
            false => Box::new(tokio::fs::File::from_std(stdout.into())),
        };
        let source = self.open_typed(kept)?;
        let opened = Terminal::open(source, sink);
        let (terminal, guest) = opened.map_err(failed("terminal", Path::new("/dev/ptmx")))?;
        kept.terminal = Some(terminal);
        Ok(guest)
    }

    /// Where what is typed comes from; none where nobody can type.
    fn open_typed(&self, kept: &mut Kept) -> Result<Option<Source>, StdioError> {
        let path = local_path("stdin", &self.stdin)?;
        if !is_fifo(&path) {
            return Ok(None);
        }
        let stdin = self.open_input(kept)?;
        let source = Receiver::from_owned_fd(stdin).map_err(failed("stdin", &path))?;
        Ok(Some(Box::new(source)))
    }

    fn open_input(&self, kept: &mut Kept) -> Result<OwnedFd, StdioError> {
        let path = local_path("stdin", &self.stdin)?;
        if is_fifo(&path) {
            kept.stdin = Some(open("stdin", &path, OFlags::RDWR | OFlags::NONBLOCK)?);
        }
        open("stdin", &path, OFlags::RDONLY)
    }

    /// Writes a line to standard error, without waiting for a reader who doesn't read.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_error(&self, line: &str) -> Result<(), StdioError> {
        let uri = if self.stderr.is_empty() && self.terminal { &self.stdout } else { &self.stderr };
        let path = local_path("stderr", uri)?;
        let mut end = line.len().min(LINE_BYTES_MAX - 2);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let line_end = if self.terminal { "\r\n" } else { "\n" };
        let text = format!("{}{line_end}", &line[..end]);
        let file = open("stderr", &path, OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK)?;
        rustix::io::write(&file, text.as_bytes())
            .map(drop)
            .map_err(|errno| failed("stderr", &path)(errno.into()))
    }
}

/// The file that a stream's URI names.
fn local_path(name: &'static str, uri: &str) -> Result<PathBuf, StdioError> {
    let refused = |problem| StdioError::Scheme { name, uri: uri.into(), problem };
    match uri.split_once("://") {
        None if uri.is_empty() => Ok("/dev/null".into()),
        None => Ok(uri.into()),
        Some(("fifo" | "file", path)) => {
            let path = decoded(path.split(['?', '#']).next().unwrap_or(path));
            let path = path.ok_or_else(|| refused("no path can be read from it"))?;
            if path.is_absolute() { Ok(path) } else { Err(refused("its path is not absolute")) }
        }
        Some(("binary" | "binary-v2", _)) => Err(refused("logging programs are not started by this runtime")),
        Some(_) => Err(refused("its scheme is not known")),
    }
}

/// A URI's path as the file's name: containerd writes what a URI can't hold as `%XX`.
fn decoded(path: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut parts = path.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        let (code, rest) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(code, 16).ok().filter(|_| !code.starts_with('+'))?;
        bytes.push(byte);
        bytes.extend(rest.bytes());
    }
    (!bytes.contains(&0)).then(|| OsString::from_vec(bytes).into())
}

fn open_output(name: &'static str, uri: &str, read_ends: &mut Vec<OwnedFd>) -> Result<OwnedFd, StdioError> {
    let path = local_path(name, uri)?;
    if is_fifo(&path) {
        // First of all a reader: opening the write end would wait for one.
        read_ends.push(open(name, &path, OFlags::RDONLY | OFlags::NONBLOCK)?);
        return open(name, &path, OFlags::WRONLY);
    }
    let flags = OFlags::WRONLY | OFlags::APPEND;
    if !uri.starts_with("file://") {
        return open(name, &path, flags);
    }
    if let Some(directory) = path.parent() {
        // As other runtimes do: whoever names a log file need not have made its directory.
        std::fs::create_dir_all(directory).map_err(failed(name, directory))?;
    }
    open(name, &path, flags | OFlags::CREATE)
}

fn open(name: &'static str, path: &Path, flags: OFlags) -> Result<OwnedFd, StdioError> {
    rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::from(0o640))
        .map_err(|errno| failed(name, path)(errno.into()))
}

fn failed(name: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StdioError {
    let path = path.to_owned();
    move |source| StdioError::Open { name, path, source }
}

fn is_fifo(path: &Path) -> bool {
    let opened = rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    opened
        .and_then(|file| rustix::fs::fstat(file.as_fd()))
        .is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Fifo)
}

#[cfg(test)]
mod tests;
