//! Pseudo-terminals: how one is made, and how a process makes one its own, so that its keys mean something.

use super::{Result, Step};
use rustix::fs::{CWD, Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Makes a terminal: the end that is written to and read from, and the one that is somebody's terminal.
pub(crate) fn open_terminal() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let ours = rustix::fs::openat(CWD, "/dev/ptmx", flags | OFlags::NONBLOCK, Mode::empty())?;
    let unlocked: libc::c_int = 0;
    // SAFETY: the kernel reads one int there.
    if unsafe { libc::ioctl(ours.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: it takes flags and no pointer, and answers a new descriptor.
    let theirs = unsafe { libc::ioctl(ours.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    if theirs < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is new and nobody else's.
    Ok((ours, unsafe { OwnedFd::from_raw_fd(theirs) }))
}

/// Makes this the process's own terminal if it is one: an interrupt typed there is a signal here.
pub(crate) fn take_terminal(stream: BorrowedFd<'_>) -> Result<()> {
    if !rustix::termios::isatty(stream.as_fd()) {
        return Ok(());
    }
    rustix::process::setsid().step("leading a session")?;
    rustix::process::ioctl_tiocsctty(stream).step("taking the terminal")
}
