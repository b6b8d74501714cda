//! Tests of `seal` that a thread can stand for a process in; the others are in `tests/processes`.
#![allow(clippy::unwrap_used)]

use super::*;

/// `KEYCTL_GET_KEYRING_ID` of `KEY_SPEC_SESSION_KEYRING` (`linux/keyctl.h`); `None` in a kernel without keys.
fn session_keyring() -> Option<i64> {
    // SAFETY: no pointer is passed.
    let serial = unsafe { libc::syscall(libc::SYS_keyctl, 0_i64, -3_i64, 0_i64) };
    let without = io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS);
    assert!(serial > 0 || without, "{}", io::Error::last_os_error());
    (serial > 0).then_some(serial)
}

/// Does something on a thread that has its own credentials and ends with them.
fn apart<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(act).join().unwrap()
}

#[test]
fn nobody_keeps_the_keyring_of_whoever_started_the_shim() {
    let mine = session_keyring();
    let theirs = apart(|| {
        give_up_root(1000, 1000, &[]).unwrap();
        session_keyring()
    });
    let others = apart(|| {
        leave_keyring().unwrap();
        session_keyring()
    });
    assert_eq!(session_keyring(), mine, "this one stays where it was");
    if mine.is_some() {
        assert!(theirs.is_some() && others.is_some());
        assert!(theirs != mine && others != mine && theirs != others, "{mine:?} {theirs:?} {others:?}");
    }
}

#[test]
fn nobody_becomes_root_by_giving_up_root() {
    for (uid, gid, groups) in [(0, 1, vec![]), (1, 0, vec![]), (1, 1, vec![1, 0])] {
        let error = apart(move || give_up_root(uid, gid, &groups).unwrap_err().to_string());
        assert!(error.contains("set runAsUser and runAsGroup"), "{error}");
    }
}

#[test]
fn limits_have_the_names_that_a_spec_gives_them() {
    for name in ["AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE"] {
        assert!(resource(&format!("RLIMIT_{name}")).is_some(), "{name}");
    }
    for name in ["NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"] {
        assert!(resource(&format!("RLIMIT_{name}")).is_some(), "{name}");
    }
    for name in ["", "NOFILE", "rlimit_nofile", "RLIMIT_LUCK"] {
        assert!(resource(name).is_none(), "{name}");
    }
}

/// What a thread's stack has in memory, in KiB.
fn stack_kibibytes() -> u64 {
    let here = 0_u8;
    let here = &raw const here as usize;
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut is_mine = false;
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap();
        if let Some((begin, end)) = first.split_once('-') {
            let at = |text| usize::from_str_radix(text, 16).unwrap();
            is_mine = (at(begin)..at(end)).contains(&here);
        } else if is_mine && first == "Rss:" {
            return line.split_whitespace().nth(1).unwrap().parse().unwrap();
        }
    }
    panic!("no mapping has {here:#x}");
}

#[inline(never)]
fn deep() -> u8 {
    let used = std::hint::black_box([1_u8; 160 << 10]);
    used[used.len() - 1]
}

#[test]
fn a_stack_that_calls_have_used_is_given_back_and_can_be_used_again() {
    let thread = std::thread::spawn(|| {
        // Before, so that reading the figures takes no more of it the second time.
        let (_, kept) = (stack_kibibytes(), [deep(); 3]);
        let used = stack_kibibytes();
        give_back_stack();
        let left = stack_kibibytes();
        (used, left, kept, deep())
    });
    let (used, left, kept, again) = thread.join().unwrap();
    assert!(used >= 160 && left + 100 < used, "{used} KiB before and {left} KiB after");
    assert_eq!((kept, again), ([1; 3], 1));
}
