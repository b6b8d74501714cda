//! A pod's sandbox from its spec: which namespaces the forked process is to hold, and the kernel parameters
//! that the pod sets in them. The pause image is never run.

use crate::process::{Namespace, SandboxSpec};
use crate::spec::Spec;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Why a sandbox can't be made.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A pod that asks for what isn't there.
    #[error("hostUsers: false is not supported by this runtime class")]
    UserNamespace,
    /// A kernel parameter that isn't a pod's to set.
    #[error("sysctl {name} does not belong to the pod's own namespaces")]
    Foreign {
        /// The parameter.
        name: String,
    },
    /// A kernel parameter that can't be set.
    #[error("sysctl {name} = {value}")]
    Sysctl {
        /// The parameter.
        name: String,
        /// The value.
        value: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The sandbox's namespaces can't be entered.
    #[error("namespaces of process {pid}")]
    Enter {
        /// The sandbox's process.
        pid: i32,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What to fork for a sandbox.
///
/// # Errors
/// [`SandboxError::UserNamespace`], and parameters that no pod may set.
pub fn fork_spec(spec: &Spec, cgroup_procs: Vec<PathBuf>) -> Result<SandboxSpec, SandboxError> {
    if spec.user_namespace {
        return Err(SandboxError::UserNamespace);
    }
    for name in spec.sysctls.keys() {
        let own = match scope(name) {
            Some(Scope::Net) => &spec.net,
            Some(Scope::Ipc) => &spec.ipc,
            None => &Namespace::Host,
        };
        if *own == Namespace::Host {
            return Err(SandboxError::Foreign { name: name.clone() });
        }
    }
    Ok(SandboxSpec {
        net: spec.net.clone(),
        ipc: spec.ipc.clone(),
        uts: spec.uts.clone(),
        own_pid_namespace: spec.own_pid_namespace,
        hostname: spec.hostname.clone().filter(|_| spec.uts != Namespace::Host),
        cgroup_procs,
        oom_score_adj: spec.oom_score_adj,
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Scope {
    Net,
    Ipc,
}

/// The namespace that a parameter belongs to; `None` for the whole node's.
fn scope(name: &str) -> Option<Scope> {
    let plain = name.split(['.', '/']).all(|part| !part.is_empty());
    match name {
        _ if !plain => None,
        name if name.starts_with("net.") => Some(Scope::Net),
        "kernel.sem" => Some(Scope::Ipc),
        name if ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|start| name.starts_with(start)) => {
            Some(Scope::Ipc)
        }
        _ => None,
    }
}

/// Sets a pod's kernel parameters in the namespaces of its sandbox. Blocks.
///
/// # Errors
/// The first one that can't be set.
pub fn set_sysctls(pid: i32, sysctls: &BTreeMap<String, String>) -> Result<(), SandboxError> {
    if sysctls.is_empty() {
        return Ok(());
    }
    let enter = |source| SandboxError::Enter { pid, source };
    // A thread of its own, which enters the namespaces and ends in them.
    std::thread::scope(|threads| {
        let set = std::thread::Builder::new().name("sysctls".into()).spawn_scoped(threads, || {
            let kinds =
                [("net", LinkNameSpaceType::Network), ("ipc", LinkNameSpaceType::InterProcessCommunication)];
            for (name, kind) in kinds {
                let file = File::open(format!("/proc/{pid}/ns/{name}")).map_err(enter)?;
                move_into_link_name_space(file.as_fd(), Some(kind)).map_err(|errno| enter(errno.into()))?;
            }
            sysctls.iter().try_for_each(|(name, value)| set_sysctl(name, value))
        });
        match set.map_err(enter)?.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

fn set_sysctl(name: &str, value: &str) -> Result<(), SandboxError> {
    let path = PathBuf::from("/proc/sys").join(path_of(name));
    std::fs::write(path, value).map_err(|source| SandboxError::Sysctl {
        name: name.into(),
        value: value.into(),
        source,
    })
}

/// Dots separate; a slash stands for a dot in an interface's name (sysctl(8)).
fn path_of(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn check(linux: &Value) -> Result<SandboxSpec, SandboxError> {
        let spec = json!({ "hostname": "hello-1", "linux": linux });
        fork_spec(&Spec::parse(spec.to_string().as_bytes(), "s1").unwrap(), Vec::new())
    }

    #[test]
    fn a_sandbox_holds_what_its_spec_says() {
        let spec = check(&json!({ "namespaces": [
            { "type": "network", "path": "/n" }, { "type": "uts" }, { "type": "pid" },
        ]}))
        .unwrap();
        assert_eq!(spec.net, Namespace::Join("/n".into()));
        assert_eq!((spec.uts, spec.ipc), (Namespace::New, Namespace::Host));
        assert_eq!(spec.hostname.as_deref(), Some("hello-1"));
        assert!(spec.own_pid_namespace);
    }

    #[test]
    fn the_nodes_host_name_is_never_set() {
        assert_eq!(check(&json!({})).unwrap().hostname, None);
    }

    #[test]
    fn a_user_namespace_is_refused() {
        let error = check(&json!({ "namespaces": [{ "type": "user" }] })).unwrap_err();
        assert!(matches!(error, SandboxError::UserNamespace));
    }

    #[test]
    fn a_pod_sets_only_parameters_of_its_own_namespaces() {
        let own = json!([{ "type": "network", "path": "/n" }, { "type": "ipc" }]);
        for (name, allowed) in [
            ("net.ipv4.ip_unprivileged_port_start", true),
            ("kernel.shmmax", true),
            ("fs.mqueue.msg_max", true),
            ("kernel.sem", true),
            ("kernel.panic", false),
            ("vm.overcommit_memory", false),
            ("net..ipv4", false),
            ("net.//..x", false),
        ] {
            let mut sysctl = json!({});
            sysctl[name] = json!("1");
            let linux = json!({ "namespaces": own, "sysctl": sysctl });
            assert_eq!(check(&linux).is_ok(), allowed, "{name}");
            assert!(check(&json!({ "sysctl": sysctl })).is_err(), "{name} on the node");
        }
    }

    #[test]
    fn names_become_paths_with_dots_kept_in_interfaces() {
        assert_eq!(path_of("net.ipv4.conf.eth0/100.forwarding"), "net/ipv4/conf/eth0.100/forwarding");
    }
}
