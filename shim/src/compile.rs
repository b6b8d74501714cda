//! Compilation: a child process of this program turns component bytes into code, in walls and with limits.
//! This file is the server's side and hands bytes over; it stores nothing. The child's side is `child`, and
//! what it gets of a composition is `parts`.

mod child;
pub mod parts;

pub use child::main;

use crate::wire::EngineKind;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// Name under which the child is started: the program's sub-command.
pub const COMPILE_ARGUMENT: &str = "compile";

/// What it is told when nobody waits for it.
const IDLE_ARGUMENT: &str = "idle";

/// What it is told instead of an engine when what code must fit is all that is wanted.
const ENGINES_ARGUMENT: &str = "engines";

/// How long it may take to say so, in milliseconds; some ten it does.
const ENGINES_MILLIS_MAX: u64 = 8_000;

/// Largest code that is taken, in bytes: code is two to four times its component, of which
/// [`morph_component::COMPONENT_SIZE_BYTES_MAX`] are allowed, and a third more for tables.
pub const CODE_BYTES_MAX: u64 = 512 << 20;

/// How long a compilation may take, in seconds. The slowest seen took 12 s for 12 MB on two shared
/// processors; the largest component allowed would take 80 s there. The kubelet gives a container 120 s for
/// all, reading and sealing too.
pub const COMPILE_SECONDS_MAX: u64 = 80;

/// The same for a compilation that nobody waits for, in seconds: it gets what others leave.
pub const IDLE_COMPILE_SECONDS_MAX: u64 = 900;

/// Processor time of a compilation in seconds, over all its threads (more than four of them busy to the end);
/// past this the kernel ends it even if nobody watches any more.
pub const COMPILE_CPU_SECONDS_MAX: u64 = 360;

/// Memory that the compiler may write to, in bytes: some twelve times the largest component.
pub const COMPILE_MEMORY_BYTES_MAX: u64 = 1280 << 20;

/// Address space of the compiler in bytes. Allocators reserve far more than they use; what is used is
/// bounded by [`COMPILE_MEMORY_BYTES_MAX`].
pub const COMPILE_ADDRESS_BYTES_MAX: u64 = 16 << 30;

/// How much of the child's last words is kept, in bytes: they end up in a message of at most 4 KiB.
const REASON_BYTES_MAX: usize = 2048;

/// How Rust begins its last words when it is given no memory. That is its own limit: a node without memory
/// kills instead, and may have some the next time.
const NO_MEMORY: &str = "memory allocation of ";

/// Bytes moved at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Whether somebody waits for the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// A start does.
    Now,
    /// Nobody: it takes the processor time that others leave.
    Idle,
}

impl Haste {
    fn seconds_max(self) -> u64 {
        match self {
            Self::Now => COMPILE_SECONDS_MAX,
            Self::Idle => IDLE_COMPILE_SECONDS_MAX,
        }
    }
}

/// Why there is no code. Its words are meant for the Morph's author.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler doesn't take the component.
    #[error("{0}")]
    Refused(String),
    /// Time ran out.
    #[error("compiling took longer than {} s", .0.seconds_max())]
    TooLong(Haste),
    /// The code is too large.
    #[error("compiling gave more than {} MiB of code", CODE_BYTES_MAX >> 20)]
    TooLarge,
    /// Memory ran out.
    #[error("compiling took more than {} MiB of memory", COMPILE_MEMORY_BYTES_MAX >> 20)]
    TooMuch,
    /// The compiler was ended or gave up half way.
    #[error(
        "the compiler ended early ({how}); it may use {} MiB and {COMPILE_CPU_SECONDS_MAX} s of processor \
         time{words}",
        COMPILE_MEMORY_BYTES_MAX >> 20
    )]
    Died {
        /// Its exit status.
        how: ExitStatus,
        /// What it said, with a separator before it.
        words: String,
    },
    /// The code came and can't be kept.
    #[error("code can't be stored")]
    Storing(#[source] io::Error),
    /// The child can't be talked to.
    #[error("compile child: {doing}")]
    Child {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl CompileError {
    /// The same once more, where it is said of the component and would be said each time.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Refused(words) => Some(Self::Refused(words.clone())),
            Self::TooLong(haste) => Some(Self::TooLong(*haste)),
            Self::TooLarge => Some(Self::TooLarge),
            Self::TooMuch => Some(Self::TooMuch),
            Self::Died { .. } | Self::Storing(_) | Self::Child { .. } => None,
        }
    }
}

/// What came of a compilation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    /// SHA-256 of the code, in hexadecimal digits.
    pub sha256: String,
    /// How long it took, in milliseconds.
    pub millis: u128,
}

/// Starts compile children.
#[derive(Debug)]
pub struct Compiler {
    program: PathBuf,
}

impl Compiler {
    /// `program compile` is the child; a server passes `/proc/self/exe`, which stays right when the binary
    /// is replaced.
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_path_buf() }
    }

    /// Compiles `component` and writes the code to `code`. Dropping the future kills the child.
    pub async fn compile(
        &self,
        component: &[u8],
        kind: EngineKind,
        haste: Haste,
        code: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Compiled, CompileError> {
        let begun = Instant::now();
        let idle = (haste == Haste::Idle).then_some(IDLE_ARGUMENT);
        let mut child = self.child(&kind.to_string(), idle)?;
        let patience = Duration::from_secs(haste.seconds_max());
        let sha256 = timeout(patience, converse(&mut child, component, code))
            .await
            .map_err(|_| CompileError::TooLong(haste))??;
        Ok(Compiled { sha256, millis: begun.elapsed().as_millis() })
    }

    /// What code must fit, by engine. A child says it: no compiler's code is in this process's memory.
    pub async fn engines(&self) -> Result<HashMap<EngineKind, String>, CompileError> {
        let mut child = self.child(ENGINES_ARGUMENT, None)?;
        let mut text = Vec::new();
        let patience = Duration::from_millis(ENGINES_MILLIS_MAX);
        let said = timeout(patience, converse(&mut child, b"", &mut text)).await;
        said.map_err(|elapsed| failed("asking for engines")(elapsed.into()))??;
        engines(&String::from_utf8_lossy(&text))
    }

    fn child(&self, what: &str, how: Option<&str>) -> Result<Child, CompileError> {
        Command::new(&self.program)
            .args([COMPILE_ARGUMENT, what])
            .args(how)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed("starting its program"))
    }
}

/// A line for each engine: its name, and what its code must fit.
fn engines(text: &str) -> Result<HashMap<EngineKind, String>, CompileError> {
    let said: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let of = |kind: EngineKind| Some((kind, (*said.get(kind.to_string().as_str())?).to_owned()));
    let engines: Option<HashMap<EngineKind, String>> = EngineKind::ALL.into_iter().map(of).collect();
    engines.ok_or_else(|| failed("reading engines")(io::ErrorKind::InvalidData.into()))
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> CompileError {
    move |source| CompileError::Child { doing, source }
}

async fn converse(
    child: &mut Child,
    component: &[u8],
    code: &mut (impl AsyncWrite + Unpin),
) -> Result<String, CompileError> {
    let missing = || failed("taking its streams")(io::ErrorKind::NotFound.into());
    let mut stdin = child.stdin.take().ok_or_else(missing)?;
    let mut stdout = child.stdout.take().ok_or_else(missing)?;
    let mut stderr = child.stderr.take().ok_or_else(missing)?;
    let feed = async {
        // A child that ends before it has read all says why on its standard error.
        match stdin.write_all(component).await {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(failed("handing it the component")(error))
            }
            Ok(()) | Err(_) => {
                drop(stdin);
                Ok(())
            }
        }
    };
    let (_, sha256, words) = tokio::try_join!(feed, copy(&mut stdout, code), last_words(&mut stderr))?;
    let how = child.wait().await.map_err(failed("waiting for its end"))?;
    match how.code() {
        Some(0) => Ok(sha256),
        Some(code) if code == i32::from(child::REFUSED) => Err(CompileError::Refused(words)),
        _ if how.signal() != Some(libc::SIGKILL) && words.starts_with(NO_MEMORY) => {
            Err(CompileError::TooMuch)
        }
        _ => {
            let words = if words.is_empty() { words } else { format!(": {words}") };
            Err(CompileError::Died { how, words })
        }
    }
}

/// Copies the code, bounded, and answers its SHA-256.
async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> Result<String, CompileError> {
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut total = 0;
    loop {
        let count = from.read(&mut chunk).await.map_err(failed("reading code"))?;
        let Some(piece @ [_, ..]) = chunk.get(..count) else { break };
        total += count as u64;
        if total > CODE_BYTES_MAX {
            return Err(CompileError::TooLarge);
        }
        hash.update(piece);
        to.write_all(piece).await.map_err(CompileError::Storing)?;
    }
    to.flush().await.map_err(CompileError::Storing)?;
    Ok(hex(&hash.finalize()))
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads what is said to the end, keeps the beginning, and makes one line of it.
async fn last_words(from: &mut (impl AsyncRead + Unpin)) -> Result<String, CompileError> {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = from.read(&mut chunk).await.map_err(failed("reading its words"))?;
        let Some(piece @ [_, ..]) = chunk.get(..count) else { break };
        let room = REASON_BYTES_MAX - kept.len();
        kept.extend(piece.iter().take(room));
    }
    let text = String::from_utf8_lossy(&kept);
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests;
