//! The node's directory of trusted public keys: kept equal to what the operator publishes, which the kubelet
//! mounts. Files come and go whole; what isn't a key is never put there.

use crate::health::Health;
use crate::signing::choice::{self, SUFFIX};
use anyhow::Context as _;
use morph_grant::KEY_SIZE_BYTES_MAX;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two looks at what is published, in milliseconds. It is a few small files in memory.
pub const LOOK_MS: u64 = 2_000;

/// What a file that is being written ends with. The shim takes those with [`SUFFIX`] alone.
const UNFINISHED: &str = ".new";

/// Mode of the files: they are public.
const MODE: u32 = 0o644;

/// Where keys come from and go to.
#[derive(Debug, Clone)]
pub struct Places {
    /// The published set, mounted by the kubelet.
    pub published: PathBuf,
    /// The node's directory.
    pub kept: PathBuf,
}

/// What is to be done to a directory.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    write: BTreeMap<String, String>,
    remove: BTreeSet<String>,
}

/// Keeps the directory until told to stop; with the first key in it, the agent is ready.
///
/// # Errors
/// None: what fails is said, and tried again at the next look.
pub async fn run(places: Places, health: Arc<Health>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut said = None;
    loop {
        let now = match keep(&places) {
            Ok(0) => Some("no key is published yet".to_owned()),
            Ok(_) => {
                health.set_ready();
                None
            }
            Err(error) => Some(format!("{error:#}")),
        };
        if now != said {
            match &now {
                Some(problem) => tracing::warn!(problem, "the node's keys are not as they should be"),
                None => tracing::info!(directory = %places.kept.display(), "the node's keys are there"),
            }
            said = now;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(Duration::from_millis(LOOK_MS)) => {}
        }
    }
}

/// Makes the kept directory equal to the published one; gives how many keys are in it then. What can't be
/// written or removed holds up nothing else.
///
/// # Errors
/// A directory that can't be read, or the first entry that couldn't be written or removed. What was published
/// can be trusted or not be read; nothing is removed because of a failure.
pub fn keep(places: &Places) -> anyhow::Result<usize> {
    let published = published(&places.published)?;
    std::fs::create_dir_all(&places.kept).with_context(|| format!("make {}", places.kept.display()))?;
    let found = found(&places.kept, &published)?;
    let changes = changes(&published, &found);
    let mut problems = Vec::new();
    for (name, text) in &changes.write {
        match write(&places.kept, name, text) {
            Ok(()) => tracing::info!(key = name, "a public key has come to the node"),
            Err(error) => problems.push(error),
        }
    }
    // After all that is new: a grant is always signed by a key that is there before and after.
    for name in &changes.remove {
        match remove(&places.kept.join(name)) {
            Ok(()) => tracing::info!(file = name, "a file has left the node's keys"),
            Err(error) => problems.push(error),
        }
    }
    problems.into_iter().next().map_or(Ok(published.len()), Err)
}

/// What must change so that what was found becomes what is wanted.
fn changes(wanted: &BTreeMap<String, String>, found: &BTreeMap<String, Option<String>>) -> Changes {
    let stale = |(name, text): &(&String, &String)| {
        found.get(*name).is_none_or(|found| found.as_ref() != Some(*text))
    };
    Changes {
        write: wanted.iter().filter(stale).map(|(name, text)| (name.clone(), text.clone())).collect(),
        remove: found.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect(),
    }
}

/// The published keys by the names of their files. A file that is no key, or another one's, is passed over.
fn published(directory: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut keys = BTreeMap::new();
    for name in names(directory)? {
        if !name.ends_with(SUFFIX) {
            continue;
        }
        let path = directory.join(&name);
        let bytes = read(&path).with_context(|| format!("read {}", path.display()))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match choice::published(&name, &text) {
            Ok(_) => {
                keys.insert(name, text);
            }
            Err(problem) => tracing::warn!(name, %problem, "what is published there is not that key"),
        }
    }
    Ok(keys)
}

/// Everything in the kept directory; of files that are wanted there, what they hold. What somebody else has
/// put there is not opened: it may be large, or a pipe without an end.
fn found(
    directory: &Path,
    wanted: &BTreeMap<String, String>,
) -> anyhow::Result<BTreeMap<String, Option<String>>> {
    let held = |name: &str| {
        let path = directory.join(name);
        let is_file = wanted.contains_key(name) && std::fs::symlink_metadata(&path).ok()?.is_file();
        // One that can't be read is written anew.
        is_file.then(|| read(&path).ok()).flatten().and_then(|bytes| String::from_utf8(bytes).ok())
    };
    Ok(names(directory)?.into_iter().map(|name| (name.clone(), held(&name))).collect())
}

/// The beginning of a file: a byte more than a key may have, so that a longer one is seen to be none.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(KEY_SIZE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Names in a directory but for those by which the kubelet changes a mount at once (`..data`).
fn names(directory: &Path) -> anyhow::Result<Vec<String>> {
    let what = || format!("read {}", directory.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(what)? {
        let name = entry.with_context(what)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with("..") {
            names.push(name);
        }
    }
    Ok(names)
}

/// The file under its name is always whole.
fn write(directory: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let place = directory.join(name);
    let unfinished = directory.join(format!("{name}{UNFINISHED}"));
    let what = || format!("write {}", place.display());
    remove(&unfinished)?;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(MODE).open(&unfinished).with_context(what)?;
    file.write_all(text.as_bytes()).with_context(what)?;
    // A key that is lost in a power cut comes again; one that is there in half would be refused for ever.
    file.sync_all().with_context(what)?;
    std::fs::rename(&unfinished, &place).with_context(what)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
