//! The rules of style that a machine can keep. Each finding is `path:line: what, and what to do`.

mod rules;

use crate::source::Source;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Folders that hold nothing of ours, wherever they stand.
const SKIPPED: [&str; 7] = ["target", "out", "node_modules", "__pycache__", ".git", "corpus", "artifacts"];

/// Longest text file that is looked into, in bytes: longer ones are generated.
const TEXT_SIZE_BYTES_MAX: u64 = 1 << 20;

/// What was found.
pub(crate) struct Tidy {
    /// What breaks a rule.
    pub(crate) findings: Vec<String>,
    /// Lines of code outside of tests and of tests, for each folder of the workspace.
    pub(crate) lines: BTreeMap<String, (usize, usize)>,
}

/// Checks every file below the workspace's folder.
pub(crate) fn check(root: &Path) -> Result<Tidy> {
    let mut tidy = Tidy { findings: Vec::new(), lines: BTreeMap::new() };
    let mut paths = Vec::new();
    collect(root, root, &mut paths)?;
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        tidy.findings.extend(rules::any_file(&path, &text));
        if path.ends_with("Cargo.toml") {
            tidy.findings.extend(rules::manifest(&path, &text));
        }
        if path.ends_with(".rs") {
            sources.push(Source::new(&path, &text));
        }
    }
    let test_modules: Vec<String> = sources.iter().flat_map(Source::test_modules).collect();
    for mut source in sources {
        if test_modules.iter().any(|module| is_of(&source.path, module)) {
            source.mark_as_test();
        }
        tidy.findings.extend(rules::rust_file(&source));
        let (code, test) = source.count();
        let folder = source.path.split('/').next().unwrap_or_default();
        let lines = tidy.lines.entry(folder.to_owned()).or_default();
        *lines = (lines.0 + code, lines.1 + test);
    }
    Ok(tidy)
}

/// Whether a file is a module's, or of one below it.
fn is_of(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn collect(root: &Path, folder: &Path, into: &mut Vec<String>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", folder.display()))?;
        let kind = entry.file_type().with_context(|| format!("look at {}", entry.path().display()))?;
        if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            continue;
        }
        let path = entry.path();
        if kind.is_dir() {
            collect(root, &path, into)?;
        } else if kind.is_file() && entry.metadata().is_ok_and(|meta| meta.len() <= TEXT_SIZE_BYTES_MAX) {
            let below = path.strip_prefix(root).unwrap_or(&path);
            into.push(below.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
