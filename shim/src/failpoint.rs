//! Places where a test makes a step fail, wait, panic, or end its process. They are there only with the
//! feature `failpoints`, which no package but that of their tests has: `shim/failpoints` builds this library
//! once more, so that no build of the ordinary program can have one.

#[cfg(feature = "failpoints")]
pub(crate) use with::{hit, prepare, variable};

/// A place with a name; an error there is answered as an [`std::io::Error`].
#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    ($name:literal) => {
        $crate::failpoint::hit(concat!("morph-failpoint ", $name))
    };
}

#[cfg(not(feature = "failpoints"))]
pub(crate) use without::{prepare, variable};

/// Nothing.
#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($name:literal) => {
        Ok::<(), std::io::Error>(())
    };
}

pub(crate) use failpoint;

#[cfg(not(feature = "failpoints"))]
mod without {
    /// Nothing.
    pub(crate) fn prepare() {}

    /// None.
    pub(crate) fn variable() -> Option<(&'static str, std::ffi::OsString)> {
        None
    }
}

#[cfg(feature = "failpoints")]
mod with {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::FileExt;
    use std::sync::OnceLock;
    use std::time::Duration;

    /// Names the file with lines of `name action`. It is read at each place, so that a test may change it at
    /// any time; its descriptor is inherited by what the zygote forks, which can open nothing.
    const VARIABLE: &str = "MORPH_FAILPOINTS";

    /// Longest file, in bytes.
    const BYTES_MAX: usize = 4096;

    /// How long `delay` waits, in milliseconds.
    const DELAY_MILLIS: u64 = 150;

    static TABLE: OnceLock<Option<File>> = OnceLock::new();

    /// Opens the file while there still is a file system.
    pub(crate) fn prepare() {
        TABLE.get_or_init(|| File::open(std::env::var_os(VARIABLE)?).ok());
    }

    /// What a child with an empty environment needs of it.
    pub(crate) fn variable() -> Option<(&'static str, std::ffi::OsString)> {
        Some((VARIABLE, std::env::var_os(VARIABLE)?))
    }

    /// Does what the file says of this place.
    pub(crate) fn hit(place: &str) -> io::Result<()> {
        prepare();
        let name = place.rsplit(' ').next().unwrap_or_default();
        let Some(Some(table)) = TABLE.get() else { return Ok(()) };
        let mut bytes = [0; BYTES_MAX];
        let length = table.read_at(&mut bytes, 0)?;
        let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
        let action = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        match action {
            None => {}
            Some("delay") => std::thread::sleep(Duration::from_millis(DELAY_MILLIS)),
            Some("panic") => std::panic::resume_unwind(Box::new(place.to_owned())),
            Some("kill") => {
                let own = rustix::process::getpid();
                rustix::process::kill_process(own, rustix::process::Signal::KILL)?;
            }
            Some(_) => return Err(io::Error::other(place.to_owned())),
        }
        Ok(())
    }
}
