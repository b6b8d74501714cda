//! The process of a sandbox: it holds the pod's namespaces and reaps what is left to it, and ends at SIGTERM.
//! It runs nothing and sees no file of the node.

use crate::failpoint::failpoint;
use crate::process::UNPRIVILEGED_ID;
use crate::seal::landlock::Rules;
use crate::seal::{self, Step};
use crate::wire::{self, FromChild, SandboxSetup, ToChild};
use crate::zygote::{Ready, reason};
use rustix::io::Errno;
use rustix::process::WaitOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

/// Lives as a sandbox; answers the exit code.
pub(crate) fn live(control: &UnixStream, ready: &Ready) -> ExitCode {
    let refused = match wire::receive::<ToChild>(control) {
        Ok(Some((ToChild::Sandbox(setup), descriptors))) => match set_up(&setup, descriptors, control, ready)
        {
            Ok(()) => None,
            Err(error) => Some(reason(&error)),
        },
        Ok(Some((other, _))) => Some(format!("a sandbox was told {other:?}")),
        // The server is gone, or has given this sandbox up.
        Ok(None) | Err(_) => return ExitCode::FAILURE,
    };
    let answer = refused.map_or(FromChild::Ready, |reason| FromChild::Refused { reason });
    let up = answer == FromChild::Ready;
    if wire::send(control, &answer, &[]).is_err() || !up {
        return ExitCode::FAILURE;
    }
    hold().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn set_up(
    setup: &SandboxSetup,
    descriptors: Vec<OwnedFd>,
    control: &UnixStream,
    ready: &Ready,
) -> Result<(), seal::Error> {
    failpoint!("sandbox.seal").step("a failpoint")?;
    seal::set_process_name("morph-sandbox");
    seal::enter_namespaces(&setup.entry, &mut descriptors.into_iter())?;
    if let Some(name) = &setup.hostname {
        seal::set_host_name(name)?;
    }
    seal::limit_resources(&[])?;
    seal::give_up_root(UNPRIVILEGED_ID, UNPRIVILEGED_ID, &[])?;
    seal::die_with_parent(control)?;
    Rules::default().enforce(ready.kernel)?;
    ready.filters.as_ref().map_or(Ok(()), |filters| filters.sandbox.install())
}

/// Waits for the end, reaping whatever the pod leaves to its pid 1.
fn hold() -> io::Result<()> {
    while seal::wait_signal()? == libc::SIGCHLD {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) | Err(Errno::CHILD) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
