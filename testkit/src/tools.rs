//! Where `hack/up` has put the programs of a node: containerd, runc, the plugins of CNI.

use std::path::{Path, PathBuf};

/// Environment variable that names a directory with another containerd.
pub const CONTAINERD_VARIABLE: &str = "MORPH_CONTAINERD_BIN";

/// A program of a group of tools; the newest that was built.
///
/// # Errors
/// What is missing, and what builds it.
pub fn tool(group: &str, name: &str) -> Result<PathBuf, String> {
    if group == "containerd"
        && let Some(directory) = std::env::var_os(CONTAINERD_VARIABLE)
    {
        return Ok(PathBuf::from(directory).join(name));
    }
    newest(&cache()?.join("cluster"), group, name)
}

/// The directory of everything that can be made again.
///
/// # Errors
/// An environment that names no home.
pub fn cache() -> Result<PathBuf, String> {
    if let Some(cache) = std::env::var_os("MORPH_CACHE") {
        return Ok(cache.into());
    }
    let home = std::env::var_os("HOME").ok_or("HOME isn't set, nor is MORPH_CACHE")?;
    Ok(PathBuf::from(home).join(".cache/morph"))
}

fn newest(tools: &Path, group: &str, name: &str) -> Result<PathBuf, String> {
    let problem = |why: &dyn std::fmt::Display| format!("{}: {why}; run hack/up", tools.display());
    let prefix = format!("{group}-");
    let entries = std::fs::read_dir(tools).map_err(|error| problem(&error))?.flatten();
    let groups = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    let modified = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let programs = groups.map(|entry| entry.path().join(name)).filter(|path| path.exists());
    let newest = programs.max_by_key(|path| (modified(path), path.clone()));
    newest.ok_or_else(|| problem(&format!("{group} has no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(tools: &Path, group: &str, name: &str) {
        std::fs::create_dir_all(tools.join(group)).unwrap();
        std::fs::write(tools.join(group).join(name), "").unwrap();
    }

    #[test]
    fn the_newest_of_a_group_is_taken() {
        let tools = tempfile::tempdir().unwrap();
        for group in ["runc-b", "runc-a", "runcible-z"] {
            built(tools.path(), group, "runc");
        }
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        let file = std::fs::File::options().write(true).open(tools.path().join("runc-b/runc")).unwrap();
        file.set_modified(old).unwrap();
        assert_eq!(newest(tools.path(), "runc", "runc").unwrap(), tools.path().join("runc-a/runc"));
    }

    #[test]
    fn what_is_missing_is_named_with_what_builds_it() {
        let tools = tempfile::tempdir().unwrap();
        built(tools.path(), "cni-1", "bridge");
        let error = newest(tools.path(), "cni", "loopback").unwrap_err();
        assert!(error.contains("cni has no loopback") && error.contains("hack/up"), "{error}");
        assert!(newest(&tools.path().join("nowhere"), "cni", "bridge").is_err());
    }
}
