//! Tells systemd of a task's cgroup. Where systemd runs, the cgroups are its own: it takes controllers, and
//! limits with them, from a directory that it knows no unit for as soon as a neighbour comes or goes. So a
//! directory `x.slice/y.scope` becomes a scope that is delegated to us. When its last process ends, systemd
//! forgets it, unless the directory is gone before it has looked: so it is told. What is said on the socket
//! is `wire`'s.

mod properties;
mod wire;

use super::{CgroupError, Version};
use crate::spec::Resources;
use properties::Property;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Where systemd takes calls of root without a bus between, of which a node may have none.
const SOCKET: &str = "/run/systemd/private";

/// How long systemd may take to answer, in milliseconds: it does one thing after the other, and reading all
/// its units anew takes seconds on a large node.
const ANSWER_MILLIS_MAX: u64 = 10_000;

/// Largest answer that is read, in bytes: it holds a path, or a sentence.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A scope and the slice that it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scope<'a> {
    slice: &'a str,
    name: &'a str,
}

impl<'a> Scope<'a> {
    /// The one that a directory would be; none where its path is not of systemd's making.
    pub(super) fn of(path: &'a Path) -> Option<Self> {
        let name = path.file_name()?.to_str().filter(|name| name.ends_with(".scope"))?;
        let slice = path.parent()?.file_name()?.to_str().filter(|slice| slice.ends_with(".slice"))?;
        Some(Self { slice, name })
    }

    /// Makes it systemd's, with a process that is in it already. Does nothing where no systemd runs.
    pub(super) fn start(&self, version: Version, pid: i32, resources: &Resources) -> Result<(), CgroupError> {
        let mut properties = properties::of_scope(self.slice, pid);
        properties.extend(properties::of_limits(version, resources));
        self.call(
            SOCKET,
            "making it a scope of systemd's",
            &wire::start_transient_unit(self.name, &properties),
        )
    }

    /// Sets limits of one that was started. Does nothing where no systemd runs.
    pub(super) fn update(&self, version: Version, resources: &Resources) -> Result<(), CgroupError> {
        let properties: Vec<Property<'_>> = properties::of_limits(version, resources);
        self.call(SOCKET, "telling systemd its limits", &wire::set_unit_properties(self.name, &properties))
    }

    /// Has it forgotten, once nothing is in it. Does nothing where systemd has forgotten it or doesn't run.
    pub(super) fn stop(&self) -> Result<(), CgroupError> {
        self.stop_at(SOCKET)
    }

    fn stop_at(&self, socket: &str) -> Result<(), CgroupError> {
        match self.call(socket, "having systemd forget it", &wire::stop_unit(self.name)) {
            Err(CgroupError::File { source, .. })
                if refusal(&source).is_some_and(wire::Refusal::is_of_no_unit) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    fn call(&self, socket: &str, doing: &'static str, message: &[u8]) -> Result<(), CgroupError> {
        match ask(socket, message) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(CgroupError::File { path: self.name.into(), doing, source }),
        }
    }
}

/// What systemd has said no with, if that is the error.
pub(super) fn refusal(error: &io::Error) -> Option<&wire::Refusal> {
    error.get_ref()?.downcast_ref()
}

/// Sends one message and waits for its answer. Blocks its thread.
fn ask(socket: &str, message: &[u8]) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    let patience = Some(Duration::from_millis(ANSWER_MILLIS_MAX));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    // Who asks is in the socket's credentials; "30" is root, as text in hexadecimal.
    stream.write_all(b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n")?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
        if line.len() > 256 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "no line where systemd should take a name",
            ));
        }
    }
    if !line.starts_with(b"OK ") {
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("systemd says {text:?}")));
    }
    stream.write_all(message)?;
    loop {
        let mut head = [0; wire::HEAD_BYTES];
        stream.read_exact(&mut head)?;
        let head = wire::Head::parse(head)?;
        if head.rest_bytes() > ANSWER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer that is too long"));
        }
        let mut rest = vec![0; head.rest_bytes()];
        stream.read_exact(&mut rest)?;
        // Signals come to everybody.
        if let Some(answer) = head.answer(&rest) {
            return answer.map_err(io::Error::other);
        }
    }
}

#[cfg(test)]
mod tests;
