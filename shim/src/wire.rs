//! Messages between server, zygote and the processes it forks: one frame is a length, JSON of that length,
//! and the descriptors that belong to it. It knows what is said, not what is done with it.

pub use morph_host::{EngineKind, Task};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Longest message, in bytes. A task's environment is its largest part: the kernel would take 2 MiB of
/// arguments and environment for an ordinary process, and JSON may double that.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Most descriptors that ride on one message: three namespaces, the compiled code, the volumes of a pod, and
/// the directories of them that its parts are granted, of which the schema allows 16 to each of nine parts;
/// or a worker's streams and the hierarchies of cgroups, some ten. The kernel's own limit is 253.
pub const DESCRIPTORS_MAX: usize = 192;

/// Bytes of the length that opens a frame.
const LENGTH_BYTES: usize = 4;

/// Server to zygote. No tenant's data is in it: that goes over the child's own socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToZygote {
    /// Fork once. Descriptors: control, then (for a worker) stdin, stdout, stderr, then the `tasks` files of
    /// cgroups of version 1 that the child is to go into, then (if so said) the directory of a cgroup of
    /// version 2 in which it is to be born.
    Fork {
        /// What the child is to be.
        role: Role,
        /// How many `tasks` files there are.
        tasks_files: usize,
        /// Whether a cgroup directory is the last descriptor.
        into_cgroup: bool,
    },
}

/// What a forked process is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Holds a pod's namespaces and does nothing.
    Sandbox {
        /// In a pid namespace of its own.
        own_pid_namespace: bool,
    },
    /// Runs one component; always in a pid namespace of its own.
    Worker,
}

/// Zygote to server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromZygote {
    /// Said once: the engines are built.
    Up {
        /// Threads of the zygote; anything but 1 would make forking unsound, and it ends.
        threads: usize,
    },
    /// A child lives; its pidfd rides on the message.
    Forked {
        /// Its pid as the server sees it.
        pid: i32,
    },
    /// What was asked can't be done.
    Refused {
        /// Why, in one line.
        reason: String,
    },
}

/// Server to a forked process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToChild {
    /// First message to a sandbox. Descriptors: the joined namespaces in the order of [`Join`]s.
    Sandbox(SandboxSetup),
    /// First message to a worker. Descriptors: the joined namespaces, one detached mount for each of
    /// `mounts`, and the detached mount of the compiled code's file.
    Worker(Box<WorkerSetup>),
    /// Run the guest.
    Start,
}

/// A forked process to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromChild {
    /// Sealed; a worker has also mapped its code. It waits for [`ToChild::Start`].
    Ready,
    /// The guest's server accepts connections.
    Listening {
        /// Where.
        address: SocketAddr,
    },
    /// Something was refused to the guest.
    Denied(Denied),
    /// The guest has ended, and the process exits with this code.
    Outcome {
        /// The exit code.
        code: u8,
        /// The termination message, if there is something to say.
        message: Option<String>,
    },
    /// A step failed, and the process exits.
    Refused {
        /// Which step and why, in one line.
        reason: String,
    },
}

/// What was refused to a guest, in its worker's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// The capability that was asked for.
    pub capability: String,
    /// The rule that refused it.
    pub rule: String,
    /// What was asked for: the guest's words.
    pub detail: String,
}

/// A kind of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Join {
    /// The network.
    Net,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// Host name.
    Uts,
}

/// How a forked process enters its namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Entered through descriptors, in this order.
    pub join: Vec<Join>,
    /// Made new.
    pub new: Vec<Join>,
}

/// How a sandbox sets itself up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSetup {
    /// Its namespaces.
    pub entry: Entry,
    /// Host name to set; only in a uts namespace that it made or joined.
    pub hostname: Option<String>,
}

/// How a worker sets itself up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerSetup {
    /// Container id, for the process's name and its words.
    pub id: String,
    /// Its namespaces.
    pub entry: Entry,
    /// Where each detached mount goes: absolute paths in the worker's root.
    pub mount_targets: Vec<MountTarget>,
    /// User, never 0.
    pub uid: u32,
    /// Group, never 0.
    pub gid: u32,
    /// Supplementary groups, none of them 0.
    pub groups: Vec<u32>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// Which engine.
    pub engine: EngineKind,
    /// What is run.
    pub task: Task,
}

/// Where a mount goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountTarget {
    /// Absolute path in the worker's root.
    pub path: String,
    /// Whether the mount's root is a directory.
    pub directory: bool,
    /// Whether nothing below it can be written.
    pub read_only: bool,
}

/// One resource limit, named as in OCI (`RLIMIT_NOFILE`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// OCI's name.
    pub name: String,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// Sends one frame on a blocking socket.
pub fn send<M: Serialize>(
    mut socket: &UnixStream,
    message: &M,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let frame = frame(message)?;
    let sent = send_head(socket.as_fd(), &frame, descriptors)?;
    socket.write_all(frame.get(sent..).unwrap_or_default())
}

/// One message as the bytes of its frame.
pub fn frame<M: Serialize>(message: &M) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - LENGTH_BYTES;
    if length > MESSAGE_BYTES_MAX {
        return Err(too_long(length));
    }
    let length = u32::try_from(length).map_err(|_| too_long(length))?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Sends a frame's beginning with all its descriptors; answers how many bytes went.
pub fn send_head(socket: BorrowedFd<'_>, frame: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if descriptors.len() > DESCRIPTORS_MAX {
        return Err(too_many(descriptors.len()));
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(too_many(descriptors.len()));
    }
    Ok(rustix::io::retry_on_intr(|| {
        sendmsg(socket, &[IoSlice::new(frame)], &mut control, SendFlags::NOSIGNAL)
    })?)
}

/// Receives one frame on a blocking socket; `None` when the other side is gone.
pub fn receive<M: DeserializeOwned>(mut socket: &UnixStream) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut head = [0; LENGTH_BYTES];
    let (count, descriptors) = receive_head(socket.as_fd(), &mut head)?;
    if count == 0 {
        return Ok(None);
    }
    socket.read_exact(&mut head[count..])?;
    let mut body = vec![0; body_length(head)?];
    socket.read_exact(&mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, descriptors)))
}

/// Length of the body that follows this head, checked.
pub fn body_length(head: [u8; LENGTH_BYTES]) -> io::Result<usize> {
    let length = u32::from_le_bytes(head) as usize;
    if length > MESSAGE_BYTES_MAX { Err(too_long(length)) } else { Ok(length) }
}

fn receive_head(socket: BorrowedFd<'_>, head: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(head)], &mut control, RecvFlags::CMSG_CLOEXEC)
    })?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(too_many(DESCRIPTORS_MAX + 1));
    }
    Ok((received.bytes, descriptors))
}

fn too_long(length: usize) -> io::Error {
    let text = format!("message of {length} bytes: at most {MESSAGE_BYTES_MAX} are allowed");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

fn too_many(count: usize) -> io::Error {
    let text = format!("message with {count} descriptors: at most {DESCRIPTORS_MAX} are allowed");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests;
