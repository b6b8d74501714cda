//! The walls that not every kernel has: which there are, what this kernel can do, and what the node's
//! configuration insists on. All other walls every kernel has that can run the shim at all; a step of theirs
//! that fails is a worker that doesn't start.

use crate::seal;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A wall that a kernel may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wall {
    /// The filter of system calls.
    Seccomp,
    /// Rules for files: what is granted can be opened, and nothing else even if it were there.
    Landlock,
    /// Rules for TCP: the ports that are granted.
    LandlockTcp,
    /// No signal and no abstract socket to anybody outside.
    LandlockScopes,
}

impl Wall {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Seccomp, Self::Landlock, Self::LandlockTcp, Self::LandlockScopes];

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
            Self::LandlockTcp => "landlock-tcp",
            Self::LandlockScopes => "landlock-scopes",
        }
    }

    /// The first version of Landlock's interface that has it; none where it isn't Landlock's.
    fn landlock_abi(self) -> Option<u32> {
        match self {
            Self::Seccomp => None,
            // The first that can allow a file to be moved from one directory of a volume to another.
            Self::Landlock => Some(2),
            Self::LandlockTcp => Some(4),
            Self::LandlockScopes => Some(6),
        }
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a kernel can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Whether it filters system calls, and kills for them.
    pub seccomp: bool,
    /// Version of Landlock's interface; 0 where there is none, or where it isn't turned on.
    pub landlock_abi: u32,
}

impl Kernel {
    /// Asks the kernel.
    #[must_use]
    pub fn detect() -> Self {
        Self { seccomp: seal::detect::seccomp(), landlock_abi: seal::detect::landlock_abi() }
    }

    /// Whether it has a wall.
    #[must_use]
    pub fn has(self, wall: Wall) -> bool {
        wall.landlock_abi().map_or(self.seccomp, |first| self.landlock_abi >= first)
    }

    /// The walls that it lacks.
    #[must_use]
    pub fn lacks(self) -> Vec<Wall> {
        Wall::ALL.into_iter().filter(|wall| !self.has(*wall)).collect()
    }

    /// Whether it has all that are required.
    ///
    /// # Errors
    /// The first that it lacks.
    pub fn check(self, required: &[Wall]) -> Result<(), Missing> {
        required.iter().find(|wall| !self.has(**wall)).map_or(Ok(()), |wall| Err(Missing { wall: *wall }))
    }
}

/// A wall that must be there and isn't.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this kernel lacks {wall}, and required_walls of the node configuration names it: turn it on in the \
     kernel, or take it off that list"
)]
pub struct Missing {
    wall: Wall,
}

/// Names in a line, for a log.
#[must_use]
pub fn line(walls: &[Wall]) -> String {
    walls.iter().map(|wall| wall.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kernel(seccomp: bool, landlock_abi: u32) -> Kernel {
        Kernel { seccomp, landlock_abi }
    }

    #[test]
    fn each_version_of_landlock_has_the_walls_that_came_with_it() {
        for (abi, lacks) in [
            (0, "landlock, landlock-tcp, landlock-scopes"),
            (1, "landlock, landlock-tcp, landlock-scopes"),
            (2, "landlock-tcp, landlock-scopes"),
            (4, "landlock-scopes"),
            (5, "landlock-scopes"),
            (6, ""),
            (99, ""),
        ] {
            assert_eq!(line(&kernel(true, abi).lacks()), lacks, "{abi}");
        }
        assert_eq!(kernel(false, 6).lacks(), [Wall::Seccomp]);
    }

    #[test]
    fn a_wall_that_is_required_and_missing_is_named_with_what_to_do() {
        let required = [Wall::Seccomp, Wall::Landlock];
        assert_eq!(kernel(true, 2).check(&required), Ok(()));
        assert_eq!(kernel(false, 0).check(&[]), Ok(()));
        for (kernel, name) in [(kernel(true, 0), "landlock"), (kernel(false, 6), "seccomp")] {
            let error = kernel.check(&required).unwrap_err().to_string();
            assert!(error.starts_with(&format!("this kernel lacks {name}, and required_walls")), "{error}");
        }
    }

    #[test]
    fn names_are_those_that_the_configuration_takes() {
        for wall in Wall::ALL {
            assert_eq!(serde_json::to_value(wall).unwrap(), wall.name());
        }
    }
}
