//! The bridge plugin by itself, called as containerd calls it: what it takes is in every pod with a network
//! of its own, whoever runs it.

use super::Node;
use super::config;
use crate::programs::Programs;
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process with a network namespace of its own, which ends with this.
struct Holder(Child);

impl Holder {
    fn new() -> Result<Self> {
        // It says a line once it is in its namespace.
        let script = ["--net", "sh", "-c", "echo in; exec sleep 3600"];
        let mut child = Command::new("unshare").args(script).stdout(Stdio::piped()).spawn()?;
        let mut stdout = child.stdout.take().context("a pipe was asked for")?;
        let holder = Self(child);
        std::io::Read::read_exact(&mut stdout, &mut [0; 3]).context("unshare --net")?;
        Ok(holder)
    }

    fn namespace(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One call of one plugin.
struct Call<'a> {
    plugin: &'a str,
    interface: &'a str,
    configuration: String,
}

impl Node {
    /// How long the plugins take to give a namespace its network.
    ///
    /// # Errors
    /// What a plugin says.
    pub fn cni(&self) -> Result<Duration> {
        let holder = Holder::new()?;
        let loopback = r#"{"cniVersion": "1.0.0", "name": "loopback", "type": "loopback"}"#;
        let calls = [
            Call { plugin: "loopback", interface: "lo", configuration: loopback.into() },
            Call {
                plugin: "bridge",
                interface: "eth0",
                configuration: config::plugin(self.directory.path(), &self.names),
            },
        ];
        let begun = Instant::now();
        all(&calls, "ADD", &holder)?;
        let took = begun.elapsed();
        all(&calls, "DEL", &holder)?;
        Ok(took)
    }
}

/// Calls plugins at once, as containerd does.
fn all(calls: &[Call<'_>], command: &str, holder: &Holder) -> Result<()> {
    let begun: Vec<Child> = calls.iter().map(|call| begin(call, command, holder)).collect::<Result<_>>()?;
    for (child, call) in begun.into_iter().zip(calls) {
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{} {command}: {}", call.plugin, String::from_utf8_lossy(&output.stdout));
        }
    }
    Ok(())
}

fn begin(call: &Call<'_>, command: &str, holder: &Holder) -> Result<Child> {
    let program = Programs::tool("cni", call.plugin)?;
    let directory = program.parent().unwrap_or(Path::new("/"));
    let mut child = Command::new(&program)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("CNI_COMMAND", command)
        .env("CNI_CONTAINERID", format!("bench-{}", holder.0.id()))
        .env("CNI_NETNS", holder.namespace())
        .env("CNI_IFNAME", call.interface)
        .env("CNI_PATH", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program.display().to_string())?;
    let mut stdin = child.stdin.take().context("a pipe was asked for")?;
    stdin.write_all(call.configuration.as_bytes())?;
    Ok(child)
}
