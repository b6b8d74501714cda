//! Lines about what clients run into: each limit by its name, the first time at once and then as a count. A
//! guest's own failures have a line each.

use crate::Requests;
use crate::limits::{AFTER_ANSWER_SECONDS_MAX, CONNECTIONS_MAX, REQUEST_HEAD_BYTES_MAX};
use crate::often::Often;
use crate::stdio::Output;

/// Tells on standard error.
pub(super) struct Told {
    stderr: Output,
    requests: Requests,
    turned_away: Often,
    too_large: Often,
    heads: Often,
    crowded: Often,
}

impl Told {
    pub(super) fn new(stderr: Output, requests: Requests) -> Self {
        let [turned_away, too_large, heads, crowded] = std::array::from_fn(|_| Often::default());
        Self { stderr, requests, turned_away, too_large, heads, crowded }
    }

    /// A line of its own.
    pub(super) fn say(&self, line: &str) {
        self.stderr.say(line);
    }

    /// A request got no place.
    pub(super) fn turned_away(&self) {
        if let Some(count) = self.turned_away.one_more() {
            let max = self.requests.concurrency;
            self.say(&format!(
                "http.maxConcurrency: {max} requests are worked on; {count} more were answered with 503"
            ));
        }
    }

    /// A request took too long to its answer.
    pub(super) fn too_long(&self) {
        let millis = self.requests.timeout_millis;
        self.say(&format!(
            "http.requestTimeoutMillis: a request is interrupted: no answer after {millis} ms"
        ));
    }

    /// A guest went on for too long after its answer.
    pub(super) fn too_late(&self) {
        let seconds = AFTER_ANSWER_SECONDS_MAX;
        self.say(&format!("limit afterAnswer: a guest is interrupted {seconds} s after its answer"));
    }

    /// A request's body was too large.
    pub(super) fn too_large(&self) {
        if let Some(count) = self.too_large.one_more() {
            let max = self.requests.body_bytes;
            self.say(&format!("http.bodyBytesMax: {count} bodies of more than {max} bytes were refused"));
        }
    }

    /// A connection ended with this error; one for too large a head was answered with 431.
    pub(super) fn ended(&self, error: &(dyn std::error::Error + 'static)) {
        let too_large = error.downcast_ref().is_some_and(hyper::Error::is_parse_too_large);
        if let Some(count) = too_large.then(|| self.heads.one_more()).flatten() {
            self.say(&format!(
                "limit requestHeadBytes: {count} requests with a head of more than {REQUEST_HEAD_BYTES_MAX} \
                 bytes, or of too many fields, were answered with 431"
            ));
        }
    }

    /// A connection has to wait for a place.
    pub(super) fn crowded(&self) {
        if let Some(count) = self.crowded.one_more() {
            self.say(&format!(
                "limit connections: {CONNECTIONS_MAX} are open; {count} more had to wait for a place"
            ));
        }
    }
}
