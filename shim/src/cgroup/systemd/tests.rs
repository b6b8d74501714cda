//! What is said to a systemd that a test plays. What a real one makes of it, `tests/containerd/systemd.rs`
//! asks.
#![allow(clippy::unwrap_used)]

use super::*;
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

/// A message of a kind without fields, with a text as its body.
fn message(kind: u8, text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    let mut bytes = vec![b'l', kind, 0, 1];
    for number in [length + 5, 1, 0, length] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

/// An error of systemd's manager, of which the name is a field as D-Bus has it, and the text is empty.
fn refusal(name: &str) -> Vec<u8> {
    let name = format!("org.freedesktop.systemd1.{name}");
    let length = |text: &str| u32::try_from(text.len()).unwrap().to_le_bytes();
    let field = [&[4, 1, b's', 0], length(&name).as_slice(), name.as_bytes(), &[0]].concat();
    let mut bytes = vec![b'l', 3, 0, 1];
    for number in [5, 1, u32::try_from(field.len()).unwrap()] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend(field);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend_from_slice(&[0; 5]);
    bytes
}

/// Answers one caller; gives back what it said after its greeting.
fn systemd(greeting: &'static str, answers: Vec<u8>) -> (tempfile::TempDir, String, JoinHandle<Vec<u8>>) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("private");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut begun = [0; b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n".len()];
        stream.read_exact(&mut begun).unwrap();
        assert_eq!(&begun, b"\0AUTH EXTERNAL 30\r\nBEGIN\r\n");
        stream.write_all(greeting.as_bytes()).unwrap();
        let mut said = vec![0; 4096];
        let length = stream.read(&mut said).unwrap();
        said.truncate(length);
        stream.write_all(&answers).unwrap();
        said
    });
    let path = path.to_str().unwrap().to_owned();
    (place, path, thread)
}

const SCOPE: Scope<'_> = Scope { slice: "a.slice", name: "b.scope" };
const WELCOME: &str = "OK 0123\r\n";

#[test]
fn a_scope_in_a_slice_is_systemds_and_nothing_else() {
    let cases = [
        ("kubepods.slice/kubepods-pod1.slice/cri-1.scope", Some(("kubepods-pod1.slice", "cri-1.scope"))),
        ("kubepods/pod1/cri-1", None),
        ("kubepods/cri-1.scope", None),
        ("cri-1.scope", None),
    ];
    for (path, want) in cases {
        assert_eq!(Scope::of(Path::new(path)).map(|scope| (scope.slice, scope.name)), want, "{path}");
    }
}

#[test]
fn a_call_arrives_whole_and_its_answer_is_found_behind_signals() {
    let answers = [message(4, "a signal"), message(2, "/a/job")].concat();
    let (_place, socket, thread) = systemd(WELCOME, answers);
    let call = wire::start_transient_unit("b.scope", &properties::of_scope("a.slice", 7));
    SCOPE.call(&socket, "testing", &call).unwrap();
    assert_eq!(thread.join().unwrap(), call);
}

#[test]
fn a_refusal_is_told_in_systemds_words() {
    let (_place, socket, thread) = systemd(WELCOME, message(3, "Unit b.scope was already loaded."));
    let error = SCOPE.call(&socket, "testing", &wire::set_unit_properties("b.scope", &[])).unwrap_err();
    thread.join().unwrap();
    let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
    assert!(text.contains("b.scope: testing") && text.contains("already loaded"), "{text}");
}

#[test]
fn a_scope_that_systemd_has_forgotten_is_stopped_and_no_other_refusal_is_success() {
    for (name, is_fine) in [("NoSuchUnit", true), ("NoSuchUnitFile", false), ("NoSuchJob", false)] {
        let (_place, socket, thread) = systemd(WELCOME, refusal(name));
        let stopped = SCOPE.stop_at(&socket);
        assert_eq!(thread.join().unwrap(), wire::stop_unit("b.scope"));
        assert_eq!(stopped.is_ok(), is_fine, "{name}: {stopped:?}");
        let (_place, socket, thread) = systemd(WELCOME, refusal(name));
        SCOPE.call(&socket, "testing", &wire::set_unit_properties("b.scope", &[])).unwrap_err();
        thread.join().unwrap();
    }
}

#[test]
fn who_is_not_let_in_is_told_so() {
    let (_place, socket, thread) = systemd("REJECTED\r\n", Vec::new());
    let error = ask(&socket, &[]).unwrap_err();
    drop(thread.join());
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{error}");
}

#[test]
fn an_answer_that_is_too_long_is_not_read() {
    let mut long = message(2, "x");
    long[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let (_place, socket, thread) = systemd(WELCOME, long);
    let error = ask(&socket, &wire::set_unit_properties("b.scope", &[])).unwrap_err();
    thread.join().unwrap();
    assert!(error.to_string().contains("too long"), "{error}");
}

#[test]
fn without_systemd_there_is_nobody_to_tell() {
    let place = tempfile::tempdir().unwrap();
    let socket = place.path().join("private");
    SCOPE.call(socket.to_str().unwrap(), "testing", &[]).unwrap();
}

/// Source: the D-Bus specification, "Message Format".
#[test]
fn a_message_has_its_fields_where_dbus_has_them() {
    let bytes = wire::set_unit_properties("b", &[]);
    assert_eq!(&bytes[..4], b"l\x01\0\x01");
    let body = &bytes[bytes.len() - 16..];
    assert_eq!(body, b"\x01\0\0\0b\0\0\0\x01\0\0\0\0\0\0\0");
    assert_eq!(bytes[4..8], 16_u32.to_le_bytes());
    assert_eq!(bytes.len() % 8, 0);
}
