//! What the program's other two commands are told: `node` (the agent on each node) and `keys` (at install).

use super::{LogSettings, absolute, label};
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The agent on each node: keeps the node's trusted public keys, passes denials on to the operator.
#[derive(Debug, Clone, Parser)]
#[command(name = "morph-operator node", version, about, long_about = None)]
pub struct NodeSettings {
    /// The directory in which the operator's publication is mounted.
    #[arg(long, env = "MORPH_PUBLISHED", default_value = "/etc/morph/published", value_parser = absolute)]
    pub published: PathBuf,

    /// The node's directory of trusted public keys. Everything else in it is removed.
    #[arg(long, env = "MORPH_KEYS", default_value = "/etc/morph/keys", value_parser = absolute)]
    pub keys: PathBuf,

    /// The socket at which the shim leaves denials.
    #[arg(long, env = "MORPH_DENIALS_SOCKET", default_value = "/run/morph-node/denials.sock",
        value_parser = absolute)]
    pub socket: PathBuf,

    /// The file with the token by which the operator knows this agent; read anew for each request.
    #[arg(long, env = "MORPH_TOKEN_FILE", default_value = "/var/run/morph/token", value_parser = absolute)]
    pub token_file: PathBuf,

    /// Where the kubelet finds /livez and /readyz.
    #[arg(long, env = "MORPH_HEALTH_ADDR", default_value = "[::]:8081")]
    pub health_addr: SocketAddr,

    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogSettings,
}

/// Makes the keys that sign grants, or adds one.
#[derive(Debug, Clone, Parser)]
#[command(name = "morph-operator keys", version, about, long_about = None)]
pub struct KeysSettings {
    /// What is done.
    #[arg(value_enum)]
    pub action: KeysAction,

    /// The operator's namespace: the Secret is there.
    #[arg(long, env = "MORPH_NAMESPACE", default_value = "morph-system", value_parser = label)]
    pub namespace: String,

    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogSettings,
}

/// What is done with the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeysAction {
    /// Make what is missing.
    Ensure,
    /// The same, and one key more; the last two stay.
    Rotate,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{LogFormat, Settings};
    use super::*;
    use clap::CommandFactory as _;
    use std::path::Path;

    #[test]
    fn the_flags_are_consistent() {
        NodeSettings::command().debug_assert();
        KeysSettings::command().debug_assert();
    }

    #[test]
    fn an_agent_needs_no_flags() {
        let settings = NodeSettings::try_parse_from(["node"]).unwrap();
        assert_eq!(settings.keys, Path::new("/etc/morph/keys"));
        assert_eq!(settings.socket, Path::new("/run/morph-node/denials.sock"));
    }

    #[test]
    fn every_command_takes_the_same_words_about_its_log() {
        let flags = ["--log-format=text", "--log=off"];
        let all = |name: &'static str, word: &[&'static str]| {
            [&[name], word, &flags].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let operator = Settings::try_parse_from(all("operator", &["--identity=a"])).unwrap().log;
        let node = NodeSettings::try_parse_from(all("node", &[])).unwrap().log;
        let keys = KeysSettings::try_parse_from(all("keys", &["ensure"])).unwrap().log;
        for log in [operator, node, keys] {
            assert_eq!((log.format, log.filter.as_str()), (LogFormat::Text, "off"));
        }
        let default = NodeSettings::try_parse_from(["node"]).unwrap().log;
        assert_eq!((default.format, default.filter.as_str()), (LogFormat::Json, "info"));
    }

    #[test]
    fn an_agents_places_are_absolute() {
        for flag in ["--published", "--keys", "--socket", "--token-file"] {
            let error = NodeSettings::try_parse_from(["node", &format!("{flag}=here")]).unwrap_err();
            assert!(error.to_string().contains("absolute"), "{flag}");
        }
    }

    #[test]
    fn keys_are_made_or_rotated_and_nothing_else() {
        let parse = |word| KeysSettings::try_parse_from(["keys", word]).map(|settings| settings.action);
        assert_eq!(parse("ensure").unwrap(), KeysAction::Ensure);
        assert_eq!(parse("rotate").unwrap(), KeysAction::Rotate);
        assert!(parse("delete").is_err());
        assert!(KeysSettings::try_parse_from(["keys"]).is_err());
    }
}
