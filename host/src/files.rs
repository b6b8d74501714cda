//! The files of a task that no guest sees: values that the kubelet keeps up to date, each read anew when it
//! is asked for, and never past a bound.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What a file's buffer has room for from the start, in bytes: most values.
const BUFFER_BYTES: usize = 4 << 10;

/// The directory of files that no guest sees.
#[derive(Debug, Clone)]
pub(crate) struct Files(Option<PathBuf>);

/// Why a file has nothing to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The task has no such directory.
    NoFiles,
    /// What a grant calls a file is a name, never a way to one.
    NoName,
    /// It can't be read.
    Kind(ErrorKind),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Kind(error.kind())
    }
}

impl Files {
    pub(crate) fn new(directory: Option<&Path>) -> Self {
        Self(directory.map(Path::to_owned))
    }

    /// What the file has now: at most one byte more than the bound, by which the caller knows that it has too
    /// many. The kubelet changes files by turning a link round, which each opening follows.
    pub(crate) fn read(&self, name: &str, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>, Unread> {
        let directory = self.0.as_ref().ok_or(Unread::NoFiles)?;
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Unread::NoName);
        }
        let file = File::open(directory.join(name))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max.min(BUFFER_BYTES)));
        file.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
