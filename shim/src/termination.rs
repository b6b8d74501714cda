//! The termination message of a container, written where the kubelet reads it: into the file that it mounted,
//! below its own directory and nowhere else.

use crate::spec::{Pod, Spec};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the kubelet mounts the file unless a pod says otherwise.
pub const DESTINATION: &str = "/dev/termination-log";

/// What the kubelet reads of a message, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// The file of a container's termination message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminationFile {
    /// The pod's directory of containers, the kubelet's own.
    directory: PathBuf,
    /// The file in it.
    relative: PathBuf,
}

impl TerminationFile {
    /// The file for a container, if the kubelet has mounted one and it lies in that pod's own directory.
    #[must_use]
    pub fn of(spec: &Spec, pod: &Pod, kubelet_dir: &Path) -> Option<Self> {
        let directory = kubelet_dir.join("pods").join(&pod.uid).join("containers");
        let source = &spec.mount(DESTINATION)?.source;
        let relative = source.strip_prefix(&directory).ok()?.to_path_buf();
        (!pod.uid.is_empty() && relative.components().count() > 0).then_some(Self { directory, relative })
    }

    /// Writes the message; what the kubelet wouldn't read is cut off.
    ///
    /// # Errors
    /// What the system says, also for a path that a link leads out of its directory.
    pub fn write(&self, message: &str) -> io::Result<()> {
        let mut end = message.len().min(MESSAGE_BYTES_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let flags = OFlags::CLOEXEC | OFlags::DIRECTORY | OFlags::PATH;
        let directory = rustix::fs::openat(CWD, &self.directory, flags, Mode::empty())?;
        let flags = OFlags::CLOEXEC | OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = rustix::fs::openat2(directory, &self.relative, flags, Mode::empty(), resolve)?;
        std::fs::File::from(file).write_all(&message.as_bytes()[..end])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn spec(source: &Path) -> Spec {
        let mount = json!({ "destination": DESTINATION, "type": "bind", "source": source });
        Spec::parse(json!({ "mounts": [mount] }).to_string().as_bytes(), "c1").unwrap()
    }

    fn pod() -> Pod {
        Pod { uid: "u1".into(), ..Pod::default() }
    }

    /// A kubelet's directory with a container's file in it.
    fn kubelet() -> (tempfile::TempDir, PathBuf) {
        let kubelet = tempfile::tempdir().unwrap();
        let directory = kubelet.path().join("pods/u1/containers/hello");
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("0a1b");
        std::fs::write(&file, "old and long").unwrap();
        (kubelet, file)
    }

    #[test]
    fn the_message_replaces_what_was_there() {
        let (kubelet, file) = kubelet();
        TerminationFile::of(&spec(&file), &pod(), kubelet.path()).unwrap().write("why").unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "why");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let (kubelet, file) = kubelet();
        let long = format!("x{}", "ä".repeat(5_000));
        TerminationFile::of(&spec(&file), &pod(), kubelet.path()).unwrap().write(&long).unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text.len(), MESSAGE_BYTES_MAX - 1);
    }

    #[test]
    fn a_source_that_is_not_the_pods_own_is_no_file() {
        let (kubelet, _) = kubelet();
        for source in
            ["/etc/passwd", "pods/u2/containers/hello/0a1b", "pods/u1/volumes/x", "pods/u1/containers"]
        {
            let source = kubelet.path().join(source);
            assert_eq!(TerminationFile::of(&spec(&source), &pod(), kubelet.path()), None, "{source:?}");
        }
        let nobody = Pod::default();
        assert_eq!(TerminationFile::of(&spec(Path::new("/x")), &nobody, kubelet.path()), None);
    }

    #[test]
    fn a_link_or_a_way_up_is_not_followed() {
        let (kubelet, file) = kubelet();
        let outside = kubelet.path().join("outside");
        std::fs::write(&outside, "kept").unwrap();
        let link = file.with_file_name("link");
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        let up = file.with_file_name("../../../../outside");
        for source in [link, up] {
            let found = TerminationFile::of(&spec(&source), &pod(), kubelet.path());
            assert!(found.unwrap().write("gone").is_err(), "{source:?}");
        }
        assert_eq!(std::fs::read_to_string(outside).unwrap(), "kept");
    }
}
