//! What a worker says to its server once its guest runs: frames of several threads, one after the other.

use crate::denial::Allowance;
use crate::wire::{self, Denied, FromChild};
use morph_host::Denial;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The worker's end of its control socket.
#[derive(Debug)]
pub(crate) struct Voice {
    socket: Mutex<UnixStream>,
    allowance: Mutex<Allowance>,
}

impl Voice {
    /// Speaks over this socket.
    pub(crate) fn new(control: &UnixStream) -> io::Result<Self> {
        let allowance = Allowance::new(Instant::now());
        Ok(Self { socket: Mutex::new(control.try_clone()?), allowance: Mutex::new(allowance) })
    }

    /// Says one thing, whole.
    pub(crate) fn say(&self, message: &FromChild) -> io::Result<()> {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        wire::send(&socket, message, &[])
    }

    /// Tells of a denial, if there is room for it. The server always reads, and so few are said that none waits
    /// in the socket; if the server is gone, this process is too in a moment.
    pub(crate) fn denied(&self, denial: &Denial) {
        let capability = denial.capability.word();
        let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        let told = allowance.take(capability, denial.rule, Instant::now());
        drop(allowance);
        if told {
            let (rule, detail) = (denial.rule.to_owned(), denial.detail.clone());
            drop(self.say(&FromChild::Denied(Denied { capability: capability.to_owned(), rule, detail })));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::denial::{self, BURST};
    use morph_grant::interfaces::Capability;
    use std::sync::Arc;

    #[test]
    fn every_capability_has_a_word_that_may_be_a_label() {
        for capability in Capability::ALL {
            assert!(morph_grant::denial::is_word(capability.word()), "{capability:?}");
        }
    }

    #[test]
    fn words_of_many_threads_arrive_whole_and_so_many() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let voice = Arc::new(Voice::new(&ours).unwrap());
        drop(ours);
        let begin = Instant::now();
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let voice = Arc::clone(&voice);
                std::thread::spawn(move || {
                    for n in 0..200 {
                        let name = format!("host-{n}.example {}", "x".repeat(300));
                        voice.denied(&Denial::new(Capability::Http, "host-not-granted", &name));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        voice.say(&FromChild::Outcome { code: 0, message: None }).unwrap();
        let mut said = 0;
        loop {
            match wire::receive::<FromChild>(&theirs).unwrap().unwrap().0 {
                FromChild::Denied(denied) => {
                    said += 1;
                    assert_eq!(
                        (denied.capability.as_str(), denied.rule.as_str()),
                        ("http", "host-not-granted")
                    );
                }
                FromChild::Outcome { .. } => break,
                other => unreachable!("{other:?}"),
            }
        }
        assert!(said >= u64::from(BURST), "{said}");
        assert!(denial::is_honest(said, begin, Instant::now()), "{said}");
    }

    #[test]
    fn a_server_that_is_gone_keeps_no_guest_waiting() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let voice = Voice::new(&ours).unwrap();
        drop(theirs);
        for _ in 0..100 {
            voice.denied(&Denial::new(Capability::Http, "host-not-granted", "x"));
        }
        assert!(voice.say(&FromChild::Ready).is_err());
    }
}
