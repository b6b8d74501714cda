//! The datagram socket at which the node's shims leave denials. Root alone may send; nobody waits for an answer.

use anyhow::Context as _;
use morph_grant::DenialReport;
use morph_grant::denial::REPORT_BYTES_MAX;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

/// Mode of the socket: its owner, who is root, may send.
const MODE: u32 = 0o600;

/// How often what was dropped is said, in seconds.
const SAID_EVERY_SECONDS: u64 = 60;

/// The socket, and what came to nothing.
#[derive(Debug)]
pub struct Socket {
    socket: UnixDatagram,
    path: PathBuf,
    dropped: Dropped,
}

/// Datagrams that came to nothing since it was last said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// No report.
    pub malformed: u64,
    /// The queue was full: the operator doesn't answer, or guests are busy.
    pub full: u64,
}

impl Socket {
    /// Listens at `path`, in the place of an agent that is gone.
    ///
    /// # Errors
    /// The directory can't be written, or the path is too long for a socket.
    pub fn bind(path: &Path) -> anyhow::Result<Self> {
        let what = || format!("listen on {}", path.display());
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).with_context(what)?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(what);
            }
            _ => {}
        }
        let socket = UnixDatagram::bind(path).with_context(what)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE)).with_context(what)?;
        Ok(Self { socket, path: path.to_owned(), dropped: Dropped::default() })
    }

    /// Passes reports on until told to stop.
    ///
    /// # Errors
    /// The socket fails, or nobody takes the reports any more.
    pub async fn run(
        mut self,
        queue: mpsc::Sender<DenialReport>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        // One byte more than is taken: a longer datagram is cut by the kernel, and seen to be too long.
        let mut bytes = vec![0; REPORT_BYTES_MAX + 1];
        let mut say = tokio::time::interval(Duration::from_secs(SAID_EVERY_SECONDS));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = say.tick() => self.say(),
                received = self.socket.recv(&mut bytes) => {
                    let count = received.with_context(|| format!("receive on {}", self.path.display()))?;
                    self.take(bytes.get(..count).unwrap_or_default(), &queue)?;
                }
            }
        }
        self.say();
        // The next agent may be there already: its socket has this name then, and goes. The shim's reports are
        // dropped until it is bound anew.
        Ok(())
    }

    fn take(&mut self, bytes: &[u8], queue: &mpsc::Sender<DenialReport>) -> anyhow::Result<()> {
        let Ok(report) = DenialReport::parse(bytes) else {
            self.dropped.malformed += 1;
            return Ok(());
        };
        match queue.try_send(report) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.dropped.full += 1;
                Ok(())
            }
            Err(TrySendError::Closed(_)) => anyhow::bail!("nobody takes denials any more"),
        }
    }

    fn say(&mut self) {
        let Dropped { malformed, full } = std::mem::take(&mut self.dropped);
        if malformed + full > 0 {
            tracing::warn!(malformed, full, "denials were dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::net::UnixDatagram as Sender;

    fn report(rule: &str) -> DenialReport {
        DenialReport {
            namespace: "demo".into(),
            pod: "weather-1".into(),
            pod_uid: "pod-uid".into(),
            morph_uid: "morph-uid".into(),
            capability: "http".into(),
            rule: rule.into(),
            detail: "GET https://evil.example/".into(),
        }
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/denials.sock");
        (directory, path)
    }

    #[tokio::test]
    async fn reports_come_through_and_nonsense_does_not() {
        let (_directory, path) = place();
        let socket = Socket::bind(&path).unwrap();
        let (queue, mut reports) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let running = tokio::spawn(socket.run(queue, stop.clone()));
        let sender = Sender::unbound().unwrap();
        let long = vec![b' '; REPORT_BYTES_MAX + 100];
        for bytes in [b"".to_vec(), b"nonsense".to_vec(), long, report("host").to_bytes().unwrap()] {
            sender.send_to(&bytes, &path).unwrap();
        }
        assert_eq!(reports.recv().await.unwrap(), report("host"));
        stop.cancel();
        running.await.unwrap().unwrap();
        assert!(reports.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts() {
        let (_directory, path) = place();
        let mut socket = Socket::bind(&path).unwrap();
        let (queue, _reports) = mpsc::channel(2);
        for _ in 0..5 {
            socket.take(&report("host").to_bytes().unwrap(), &queue).unwrap();
        }
        socket.take(b"nonsense", &queue).unwrap();
        assert_eq!(socket.dropped, Dropped { malformed: 1, full: 3 });
        socket.say();
        assert_eq!(socket.dropped, Dropped::default());
    }

    #[tokio::test]
    async fn an_agent_takes_the_place_of_one_that_is_gone() {
        let (_directory, path) = place();
        drop(Socket::bind(&path).unwrap());
        let _second = Socket::bind(&path).unwrap();
        Sender::unbound().unwrap().send_to(b"x", &path).unwrap();
    }

    #[tokio::test]
    async fn the_owner_alone_may_send() {
        let (_directory, path) = place();
        let _socket = Socket::bind(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
    }
}
