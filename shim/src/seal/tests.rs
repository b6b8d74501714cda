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
