//! The filter of system calls that a process puts on itself, the last thing before it meets what isn't ours.
//! Two programs: one kills for what is hostile, the other allows what is in the table and answers `ENOSYS` to
//! everything else, as an older kernel would, so that libraries do without. Programs are made once, in the
//! zygote; a worker only installs them.

pub(crate) mod table;

use super::{Result, Step};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter,
};
use std::collections::BTreeMap;
use std::io;
use table::{ALLOWED, HOSTILE, Role, Row, Term, When};

/// The programs for one kind of process.
#[derive(Debug)]
pub(crate) struct Filter {
    hostile: BpfProgram,
    allowed: BpfProgram,
}

impl Filter {
    /// The programs for whoever has these roles.
    pub(crate) fn of(roles: &[Role]) -> Result<Self> {
        let may = ALLOWED.iter().filter(|row| row.who.iter().any(|role| roles.contains(role)));
        let build = || -> seccompiler::Result<Self> {
            Ok(Self {
                hostile: program(HOSTILE.iter(), SeccompAction::Allow, SeccompAction::KillProcess)?,
                allowed: program(may, SeccompAction::Errno(NOT_THERE), SeccompAction::Allow)?,
            })
        };
        build().map_err(io::Error::other).step("making a seccomp filter")
    }

    /// Holds for this thread and all that it makes from here on, and can't be taken off. What kills comes
    /// first: the other no longer lets a filter be installed.
    pub(crate) fn install(&self) -> Result<()> {
        let install = || apply_filter(&self.hostile).and_then(|()| apply_filter(&self.allowed));
        install().map_err(io::Error::other).step("installing the seccomp filter")
    }
}

/// What a kernel without the call answers.
const NOT_THERE: u32 = libc::ENOSYS.cast_unsigned();

/// The processor that this program is made for.
const PROCESSOR: TargetArch =
    if cfg!(target_arch = "aarch64") { TargetArch::aarch64 } else { TargetArch::x86_64 };

fn program<'a>(
    rows: impl Iterator<Item = &'a Row>,
    otherwise: SeccompAction,
    then: SeccompAction,
) -> seccompiler::Result<BpfProgram> {
    let mut rules = BTreeMap::new();
    for row in rows {
        if let Some(number) = row.number {
            rules.insert(number, alternatives(row.when)?);
        }
    }
    Ok(SeccompFilter::new(rules, otherwise, then, PROCESSOR)?.try_into()?)
}

fn alternatives(when: When) -> seccompiler::Result<Vec<SeccompRule>> {
    let mut rules = Vec::with_capacity(when.len());
    for terms in when {
        let conditions = terms.iter().map(condition).collect::<seccompiler::Result<Vec<_>>>()?;
        rules.push(SeccompRule::new(conditions)?);
    }
    Ok(rules)
}

fn condition(term: &Term) -> seccompiler::Result<SeccompCondition> {
    let compare = match term.mask {
        u32::MAX => SeccompCmpOp::Eq,
        mask => SeccompCmpOp::MaskedEq(mask.into()),
    };
    Ok(SeccompCondition::new(term.argument, SeccompCmpArgLen::Dword, compare, term.value.into())?)
}

#[cfg(test)]
mod tests;
