//! Landlock: which files a process may open and how, on which TCP ports it may listen and to which it may
//! connect. It says the same as the mounts and the grants once more, where nothing else has a say. What a
//! kernel knows of it is used, and what it doesn't know is left to the other walls.

use super::{CODE_PATH, Result, Step};
use crate::walls::{Kernel, Wall};
use crate::wire::{MountTarget, WorkerSetup};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope, make_bitflags,
};
use morph_grant::{Grants, Protocol};
use morph_host::Run;
use std::collections::BTreeSet;
use std::io;

/// The newest version whose rights are known here: what it adds for the file system, TCP and scopes is
/// handled, and so is denied where no rule allows it.
const KNOWN: ABI = ABI::V6;

/// Where name servers listen.
const DNS_PORT: u16 = 53;

/// What may be done with a path and all below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Reading one file.
    Code,
    /// Reading.
    Read,
    /// Reading and writing, but no devices, sockets, pipes, and nothing to run.
    Write,
}

impl Use {
    fn access(self) -> BitFlags<AccessFs> {
        match self {
            Self::Code => AccessFs::ReadFile.into(),
            Self::Read => make_bitflags!(AccessFs::{ReadFile | ReadDir}),
            Self::Write => make_bitflags!(AccessFs::{
                ReadFile | ReadDir | WriteFile | Truncate | RemoveDir | RemoveFile | MakeDir | MakeReg
                | MakeSym | Refer
            }),
        }
    }
}

/// All that a process may still do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    paths: Vec<(String, Use, bool)>,
    listen: BTreeSet<u16>,
    connect: BTreeSet<u16>,
}

impl Rules {
    /// A worker's.
    pub(crate) fn of(setup: &WorkerSetup) -> Self {
        let mount = |target: &MountTarget| {
            let way = if target.read_only { Use::Read } else { Use::Write };
            (target.path.clone(), way, target.directory)
        };
        let mut paths: Vec<_> = setup.mount_targets.iter().map(mount).collect();
        paths.push((CODE_PATH.to_owned(), Use::Code, false));
        let mut listen: BTreeSet<u16> = setup.task.rights().flat_map(granted_to_listen).collect();
        if let Run::Server(http) = &setup.task.run {
            listen.insert(http.port);
        }
        Self { paths, listen, connect: setup.task.rights().flat_map(granted_to_connect).collect() }
    }

    /// Holds for this thread and all that it makes from here on, and can't be taken off. `no_new_privs` must
    /// have been set. Nothing happens on a kernel without Landlock, or with one too old to be of use.
    pub(crate) fn enforce(&self, kernel: Kernel) -> Result<()> {
        if !kernel.has(Wall::Landlock) {
            return Ok(());
        }
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(KNOWN))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(KNOWN)))
            .and_then(|rules| rules.scope(Scope::from_all(KNOWN)))
            .and_then(Ruleset::create);
        let mut ruleset = ruleset.map_err(io::Error::other).step("making Landlock rules")?;
        for (path, way, directory) in &self.paths {
            let step = || format!("making a Landlock rule for {path}");
            let opened = PathFd::new(path).map_err(io::Error::other).step(step())?;
            let mut access = way.access();
            if !directory {
                access &= AccessFs::from_file(KNOWN);
            }
            let rule = PathBeneath::new(opened, access);
            ruleset = ruleset.add_rule(rule).map_err(io::Error::other).step(step())?;
        }
        let ports = |ports: &BTreeSet<u16>, access: AccessNet| {
            ports.iter().map(move |port| Ok(NetPort::new(*port, access))).collect::<Vec<_>>()
        };
        let listen = ports(&self.listen, AccessNet::BindTcp);
        let connect = ports(&self.connect, AccessNet::ConnectTcp);
        let restrict = ruleset
            .add_rules(listen.into_iter().chain(connect))
            .and_then(landlock::RulesetCreated::restrict_self);
        restrict.map(drop).map_err(io::Error::other).step("holding to Landlock's rules")
    }
}

/// Whether a worker needs sockets at all.
pub(crate) fn needs_network(setup: &WorkerSetup) -> bool {
    matches!(setup.task.run, Run::Server(_)) || setup.task.has_network()
}

fn granted_to_listen(grants: &Grants) -> BTreeSet<u16> {
    let Some(sockets) = &grants.sockets else { return BTreeSet::new() };
    let listen = sockets.listen.iter().filter(|rule| rule.protocol == Protocol::Tcp).map(|rule| rule.port);
    // Who connects may bind before, to whatever port the system chooses.
    let any = sockets.connect.iter().any(|rule| rule.protocol == Protocol::Tcp).then_some(0);
    listen.chain(any).collect()
}

fn granted_to_connect(grants: &Grants) -> BTreeSet<u16> {
    let http = grants.http.iter().flat_map(|http| &http.allow).flat_map(|rule| rule.ports.iter().copied());
    let connect = grants.sockets.iter().flat_map(|sockets| &sockets.connect);
    let connect = connect.filter(|rule| rule.protocol == Protocol::Tcp);
    let connect = connect.flat_map(|rule| rule.ports.iter().copied());
    // An answer that is too long for a datagram is asked for again over TCP.
    let dns = grants.has_network().then_some(DNS_PORT);
    http.chain(connect).chain(dns).collect()
}

#[cfg(test)]
mod tests;
