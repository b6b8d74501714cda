//! The command line as containerd writes it: Go's flags, then the action. Only what this shim uses is kept.

/// What containerd asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `start` or `delete`; empty with [`Self::version`] and [`Self::info`].
    pub action: String,
    /// Id of the task.
    pub id: String,
    /// containerd's namespace.
    pub namespace: String,
    /// containerd's socket.
    pub address: String,
    /// The bundle, where it isn't the working directory.
    pub bundle: String,
    /// Say more in the log.
    pub debug: bool,
    /// Print the version.
    pub version: bool,
    /// Print what this runtime can do.
    pub info: bool,
}

/// A command line that can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// A flag that this shim doesn't know.
    #[error("unknown flag {0}")]
    Unknown(String),
    /// A flag at the end.
    #[error("flag {0} needs a value")]
    NoValue(String),
}

impl Arguments {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// Unknown flags, and those without their value.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, ArgumentsError> {
        let mut arguments = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                if arguments.action.is_empty() {
                    arguments.action = word;
                }
                continue;
            };
            let (name, given) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            if let Some(switch) = arguments.switch(name) {
                *switch = given.as_deref() != Some("false");
                continue;
            }
            let place = arguments.place(name).ok_or_else(|| ArgumentsError::Unknown(word.clone()))?;
            let value = given.or_else(|| words.next()).ok_or(ArgumentsError::NoValue(word))?;
            if let Some(place) = place {
                *place = value;
            }
        }
        Ok(arguments)
    }

    fn switch(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "debug" => &mut self.debug,
            "v" | "version" => &mut self.version,
            "info" => &mut self.info,
            _ => return None,
        })
    }

    /// Where a flag's value goes: `Some(None)` for one that is known and not used.
    fn place(&mut self, name: &str) -> Option<Option<&mut String>> {
        Some(match name {
            "id" => Some(&mut self.id),
            "namespace" => Some(&mut self.namespace),
            "address" => Some(&mut self.address),
            "bundle" => Some(&mut self.bundle),
            "publish-binary" | "socket" => None,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(line: &str) -> Result<Arguments, ArgumentsError> {
        Arguments::parse(line.split_whitespace().map(Into::into))
    }

    #[test]
    fn containerds_own_line_is_understood() {
        let line = "-namespace k8s.io -address /run/c.sock -publish-binary /bin/c -id c1 -debug start";
        let arguments = parse(line).unwrap();
        assert_eq!((arguments.action.as_str(), arguments.id.as_str()), ("start", "c1"));
        assert_eq!((arguments.namespace.as_str(), arguments.address.as_str()), ("k8s.io", "/run/c.sock"));
        assert!(arguments.debug && !arguments.version);
        let line = "-namespace=k8s.io --bundle=/b -id c1 -debug=false delete";
        let arguments = parse(line).unwrap();
        assert_eq!((arguments.action.as_str(), arguments.bundle.as_str()), ("delete", "/b"));
        assert!(!arguments.debug);
    }

    #[test]
    fn questions_need_no_action() {
        assert!(parse("-info").unwrap().info);
        assert!(parse("-v").unwrap().version && parse("--version").unwrap().version);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(parse("-what x start"), Err(ArgumentsError::Unknown("-what".into())));
        assert_eq!(parse("start -id"), Err(ArgumentsError::NoValue("-id".into())));
    }
}
