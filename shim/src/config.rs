//! The node's configuration: one small TOML file that the administrator owns. Read once by each process;
//! nothing in it can be changed by a pod.

use crate::walls::Wall;
use morph_grant::Digest;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Environment variable that names the file; containerd hands its own environment on to shims.
pub const CONFIG_VARIABLE: &str = "MORPH_NODE_CONFIG";

/// Where the file is looked for when the variable isn't set; there it may be missing.
pub const CONFIG_PATH: &str = "/etc/morph/node.toml";

/// Size of the code cache where nothing else is said, in bytes: the code of some thousand small components
/// or a hundred large ones. The kubelet sees it as part of its node's disk.
pub const CACHE_BYTES_DEFAULT: u64 = 4 << 30;

/// Least size of the code cache, in bytes: the code of one large component.
pub const CACHE_BYTES_MIN: u64 = 64 << 20;

/// What the administrator says of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// The cluster: uid of the namespace `kube-system`. Without it no grant is taken.
    pub cluster: Option<String>,
    /// Compiled code, root only; survives reboots.
    pub cache_dir: PathBuf,
    /// How large the cache may grow, in bytes; what was used longest ago goes first. What was used in the
    /// last minutes stays, even past this.
    pub cache_bytes_max: u64,
    /// Whether a component that this node sees for the first time runs on code of wasmtime's baseline
    /// compiler until it is started again: it is there four to eight times as soon, and slower.
    pub baseline_first: bool,
    /// Sockets, locks and logs of servers.
    pub run_dir: PathBuf,
    /// The kubelet's root directory: granted volumes lie below its `pods`.
    pub kubelet_dir: PathBuf,
    /// Where the node's agent listens for denials; it may be missing. Not in `run_dir`: that is the shim's.
    pub denials_socket: PathBuf,
    /// Public halves of the keys whose grants are taken: its files `*.pem`, read anew for each sandbox.
    pub trusted_keys_dir: PathBuf,
    /// Walls without which no server starts, of those that a kernel may lack ([`Wall`]).
    pub required_walls: Vec<Wall>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            cluster: None,
            cache_dir: "/var/lib/morph/cache".into(),
            cache_bytes_max: CACHE_BYTES_DEFAULT,
            baseline_first: true,
            run_dir: "/run/morph".into(),
            kubelet_dir: "/var/lib/kubelet".into(),
            denials_socket: "/run/morph-node/denials.sock".into(),
            trusted_keys_dir: "/etc/morph/keys".into(),
            required_walls: vec![Wall::Seccomp],
        }
    }
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("node configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is no such TOML.
    #[error("node configuration {path}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A cache that would hold nothing.
    #[error("node configuration {path}: cache_bytes_max must be at least {CACHE_BYTES_MIN}")]
    SmallCache {
        /// The file.
        path: PathBuf,
    },
    /// A directory isn't absolute.
    #[error("node configuration {path}: {key} must be an absolute path")]
    Relative {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
}

impl NodeConfig {
    /// Reads the file that the environment names, else [`CONFIG_PATH`], else the defaults.
    ///
    /// # Errors
    /// A file that is named and missing, or that is there and wrong.
    pub fn load() -> Result<Self, ConfigError> {
        let named = std::env::var_os(CONFIG_VARIABLE).filter(|path| !path.is_empty());
        let path = PathBuf::from(named.clone().unwrap_or_else(|| CONFIG_PATH.into()));
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
                Ok(Self::default())
            }
            Err(source) => Err(ConfigError::Read { path, source }),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)
            .map_err(|source| ConfigError::Parse { path: path.into(), source: Box::new(source) })?;
        let directories = [
            ("cache_dir", &config.cache_dir),
            ("run_dir", &config.run_dir),
            ("kubelet_dir", &config.kubelet_dir),
            ("denials_socket", &config.denials_socket),
            ("trusted_keys_dir", &config.trusted_keys_dir),
        ];
        for (key, directory) in directories {
            if !directory.is_absolute() {
                return Err(ConfigError::Relative { path: path.into(), key });
            }
        }
        if config.cache_bytes_max < CACHE_BYTES_MIN {
            return Err(ConfigError::SmallCache { path: path.into() });
        }
        Ok(config)
    }

    /// A text that changes when anything in it changes: servers of different configurations aren't shared.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        Digest::of(format!("{self:?}").as_bytes()).hex()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str) -> Result<NodeConfig, ConfigError> {
        NodeConfig::parse(text, Path::new("node.toml"))
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        assert_eq!(parse("").unwrap(), NodeConfig::default());
        let config = parse("cluster = \"c\"\nrun_dir = \"/tmp/run\"").unwrap();
        assert_eq!(config.cluster.as_deref(), Some("c"));
        assert_eq!(config.run_dir, Path::new("/tmp/run"));
        assert_eq!(config.kubelet_dir, NodeConfig::default().kubelet_dir);
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused() {
        assert!(matches!(parse("clutser = \"c\""), Err(ConfigError::Parse { .. })));
    }

    #[test]
    fn a_relative_directory_is_refused_by_its_key() {
        for key in ["cache_dir", "run_dir", "kubelet_dir", "denials_socket", "trusted_keys_dir"] {
            let error = parse(&format!("{key} = \"relative\"")).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    #[test]
    fn a_wall_that_nobody_knows_is_refused() {
        let error = parse("required_walls = [\"moat\"]").unwrap_err();
        assert!(crate::grant::chain(&error).contains("moat"), "{error}");
        let config = parse("required_walls = [\"seccomp\", \"landlock-tcp\"]").unwrap();
        assert_eq!(config.required_walls, [Wall::Seccomp, Wall::LandlockTcp]);
        assert_eq!(parse("required_walls = []").unwrap().required_walls, []);
    }

    #[test]
    fn every_key_is_documented_with_its_default() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/node.md");
        let page = std::fs::read_to_string(page).unwrap();
        let keys = serde_json::to_value(NodeConfig::default()).unwrap();
        let keys = keys.as_object().unwrap();
        for (key, value) in keys {
            let default = if value.is_null() { "none".into() } else { format!("`{value}`") };
            let row = format!("| `{key}` | {default} | ");
            assert!(page.contains(&row), "docs/node.md lacks the row {row}");
        }
        let rows =
            page.lines().take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `"));
        assert_eq!(rows.count(), keys.len(), "a row of docs/node.md has no key");
    }

    #[test]
    fn a_cache_that_would_hold_nothing_is_refused() {
        let error = parse("cache_bytes_max = 1000").unwrap_err().to_string();
        assert!(error.contains("cache_bytes_max must be at least 67108864"), "{error}");
        let config = parse("cache_bytes_max = 67_108_864\nbaseline_first = false").unwrap();
        assert_eq!((config.cache_bytes_max, config.baseline_first), (CACHE_BYTES_MIN, false));
    }

    #[test]
    fn the_fingerprint_tells_configurations_apart() {
        let one = parse("cluster = \"a\"").unwrap();
        assert_eq!(one.fingerprint(), parse("cluster = \"a\"").unwrap().fingerprint());
        assert_ne!(one.fingerprint(), parse("cluster = \"b\"").unwrap().fingerprint());
    }
}
