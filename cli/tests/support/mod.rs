//! Runs the real `morph` for the tests: with a file of YAML and a guest built by hack/guests, to its end or
//! until a test says so. No Docker config file of the person who runs the tests is seen.
#![allow(dead_code, reason = "each test file uses a part of it")]

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything in a test may take before the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A component of `e2e/guests`.
pub(crate) fn guest(name: &str) -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_morph"));
    let target = binary.ancestors().nth(2).unwrap();
    let file = target.join("guests").join(format!("{name}.wasm"));
    assert!(file.exists(), "{}: run hack/guests", file.display());
    file
}

pub(crate) fn morph() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_morph"));
    command.env_remove("DOCKER_CONFIG").env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// `morph ARGS`, to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    morph().args(args).output().unwrap().into()
}

/// A Morph's YAML in a file of its own, and the guest that it runs.
pub(crate) struct Desk {
    directory: tempfile::TempDir,
    guest: PathBuf,
}

impl Desk {
    /// A Morph `desk` with this spec, in YAML's flow style, run with a guest.
    pub(crate) fn new(guest_name: &str, spec: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let comma = if spec.is_empty() { "" } else { ", " };
        let text = format!(
            "apiVersion: hayride.dev/v1alpha1\nkind: Morph\nmetadata: {{ name: desk }}\n\
             spec: {{ image: \"registry.invalid/x:1\"{comma}{spec} }}\n"
        );
        std::fs::write(directory.path().join("morph.yaml"), text).unwrap();
        Self { directory, guest: guest(guest_name) }
    }

    /// A directory for a volume.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// `morph run` of the image in place of the guest.
    pub(crate) fn run_image(&self) -> Ended {
        morph().arg("run").arg(self.file()).output().unwrap().into()
    }

    /// The Morph's YAML.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("morph.yaml")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = morph();
        command.arg("run").arg(self.file()).arg("--component").arg(&self.guest).args(args);
        command
    }

    /// `morph run`, to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.command(args).output().unwrap().into()
    }

    /// `morph run` with this on standard input, to its end.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &str) -> Ended {
        let piped = |command: &mut Command| {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut child = piped(&mut self.command(args));
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// `morph run`, going on.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = [lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap())];
        let [stdout, stderr] = lines;
        Running { child, stdout, stderr }
    }
}

/// The lines of a stream as they come; the channel ends with it.
fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            if sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// A `morph run` under way.
pub(crate) struct Running {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
}

impl Running {
    /// Waits for a line on standard output that has `part`.
    pub(crate) fn says(&self, part: &str) -> String {
        let complaints = || self.stderr.try_iter().collect::<Vec<_>>().join("\n");
        wait_for(&self.stdout, part).unwrap_or_else(|seen| panic!("{seen}; {}", complaints()))
    }

    /// Waits for a line on standard error that has `part`.
    pub(crate) fn complains(&self, part: &str) -> String {
        wait_for(&self.stderr, part).unwrap_or_else(|seen| panic!("{seen}"))
    }

    /// Waits until it listens; gives the address.
    pub(crate) fn listens(&self) -> String {
        self.complains("listening on http://").rsplit("http://").next().unwrap().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; gives the exit code.
    pub(crate) fn ended(mut self) -> i32 {
        let start = Instant::now();
        // Both channels end with the program; only then it is waited for.
        for stream in [&self.stdout, &self.stderr] {
            while stream.recv_timeout(PATIENCE.saturating_sub(start.elapsed())).is_ok() {}
        }
        assert!(start.elapsed() < PATIENCE, "it does not end");
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing to do where it has ended.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The first line with `part`; without one, what was seen instead.
fn wait_for(lines: &Receiver<String>, part: &str) -> Result<String, String> {
    let end = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(part) => return Ok(line),
            Ok(line) => seen.push(line),
            Err(error) => return Err(format!("no line with \"{part}\" ({error}), but: {}", seen.join("\n"))),
        }
    }
}

/// The whole answer to a GET.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
