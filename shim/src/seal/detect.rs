//! What this kernel can do, asked of the kernel itself; nothing is changed by asking.

/// Whether a filter could kill a process for a system call.
pub(crate) fn seccomp() -> bool {
    let action: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: the action is read, and nothing is written.
    let answer =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    answer == 0
}

/// `LANDLOCK_CREATE_RULESET_VERSION` (`linux/landlock.h`).
const VERSION: libc::c_uint = 1;

/// The version of Landlock's interface; 0 without it.
pub(crate) fn landlock_abi() -> u32 {
    // SAFETY: with this flag the kernel takes a null pointer and no size, and answers a number.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0_usize, VERSION)
    };
    u32::try_from(answer).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn seccomp_is_there_when_the_kernel_lists_its_action() {
        let listed = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
        assert_eq!(seccomp(), listed.split_whitespace().any(|action| action == "kill_process"), "{listed}");
    }

    #[test]
    fn landlock_is_there_when_the_kernel_makes_rules() {
        // A rule set that restricts reading files: structure of one 64-bit number, in every version.
        let handled: u64 = 1 << 2;
        // SAFETY: the number is read for its size; what comes back is a descriptor or an error.
        let made = unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size_of::<u64>(), 0_u32)
        };
        let errno = std::io::Error::last_os_error().raw_os_error();
        assert_eq!(landlock_abi() > 0, made >= 0);
        assert!(made >= 0 || matches!(errno, Some(libc::ENOSYS | libc::EOPNOTSUPP)), "{errno:?}");
        // Where it can be read, the kernel's list of what is turned on says the same.
        if let Ok(list) = std::fs::read_to_string("/sys/kernel/security/lsm") {
            assert_eq!(list.trim().split(',').any(|name| name == "landlock"), landlock_abi() > 0, "{list}");
        }
        if let Ok(descriptor) = i32::try_from(made)
            && descriptor >= 0
        {
            // SAFETY: it is new and nobody else's.
            drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(descriptor) });
        }
    }
}
