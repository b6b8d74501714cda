//! The last resort against a defect: a server that can't do its work any more makes way for the next one.

/// Ends the server should what holds this panic. `delete` cleans up behind it and tells each task's end, and
/// the next `start` makes another server.
pub(crate) struct EndOnPanic(pub(crate) &'static str);

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(what = self.0, "panicked: this server ends");
            std::process::exit(1);
        }
    }
}
