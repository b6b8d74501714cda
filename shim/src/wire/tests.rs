//! Frames keep message and descriptors together, and refuse what is too long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use std::io::Seek;

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("socket pair")
}

#[test]
fn a_message_arrives_as_it_was_sent() {
    let (ours, theirs) = pair();
    let role = Role::Sandbox { own_pid_namespace: true };
    let message = ToZygote::Fork { role, tasks_files: 2, into_cgroup: false };
    send(&ours, &message, &[]).expect("send");
    let (received, descriptors) = receive::<ToZygote>(&theirs).expect("receive").expect("a message");
    assert_eq!(received, message);
    assert!(descriptors.is_empty());
}

#[test]
fn descriptors_arrive_with_their_own_message() {
    let (ours, theirs) = pair();
    let files: Vec<_> = (0..3).map(|_| tempfile::tempfile().expect("file")).collect();
    for (index, mut file) in files.iter().enumerate() {
        write!(file, "{index}").expect("write");
        file.rewind().expect("rewind");
    }
    send(&ours, &FromZygote::Forked { pid: 1 }, &[files[0].as_fd(), files[1].as_fd()]).expect("send");
    send(&ours, &FromZygote::Forked { pid: 2 }, &[files[2].as_fd()]).expect("send");
    let mut contents = Vec::new();
    for expected in [2, 1] {
        let (_, descriptors) = receive::<FromZygote>(&theirs).expect("receive").expect("a message");
        assert_eq!(descriptors.len(), expected);
        for descriptor in descriptors {
            let mut text = String::new();
            std::fs::File::from(descriptor).read_to_string(&mut text).expect("read");
            contents.push(text);
        }
    }
    assert_eq!(contents, ["0", "1", "2"]);
}

#[test]
fn a_received_descriptor_is_not_inherited() {
    let (ours, theirs) = pair();
    let file = tempfile::tempfile().expect("file");
    send(&ours, &FromZygote::Forked { pid: 1 }, &[file.as_fd()]).expect("send");
    let (_, descriptors) = receive::<FromZygote>(&theirs).expect("receive").expect("a message");
    let flags = rustix::io::fcntl_getfd(&descriptors[0]).expect("flags");
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn a_long_message_arrives_whole() {
    let (ours, theirs) = pair();
    let message = FromZygote::Refused { reason: "x".repeat(1 << 20) };
    let copy = message.clone();
    let sender = std::thread::spawn(move || send(&ours, &copy, &[]));
    let (received, _) = receive::<FromZygote>(&theirs).expect("receive").expect("a message");
    sender.join().expect("thread").expect("send");
    assert_eq!(received, message);
}

#[test]
fn an_end_is_no_message() {
    let (ours, theirs) = pair();
    drop(ours);
    assert!(receive::<ToZygote>(&theirs).expect("receive").is_none());
}

#[test]
fn a_torn_message_is_an_error() {
    let (mut ours, theirs) = pair();
    let whole = frame(&FromZygote::Up { threads: 1 }).expect("frame");
    ours.write_all(&whole[..whole.len() - 1]).expect("write");
    drop(ours);
    assert_eq!(receive::<FromZygote>(&theirs).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_message_past_the_limit_is_neither_sent_nor_read() {
    let message = FromZygote::Refused { reason: "x".repeat(MESSAGE_BYTES_MAX) };
    assert!(frame(&message).unwrap_err().to_string().contains("at most"));
    let (mut ours, theirs) = pair();
    ours.write_all(&u32::MAX.to_le_bytes()).expect("write");
    assert!(receive::<FromZygote>(&theirs).unwrap_err().to_string().contains("at most"));
}

#[test]
fn more_descriptors_than_the_limit_are_not_sent() {
    let (ours, _theirs) = pair();
    let file = tempfile::tempfile().expect("file");
    let many = vec![file.as_fd(); DESCRIPTORS_MAX + 1];
    let error = send(&ours, &FromZygote::Forked { pid: 1 }, &many).unwrap_err();
    assert!(error.to_string().contains("descriptors"), "{error}");
}

#[test]
fn a_message_of_another_kind_is_an_error() {
    let (ours, theirs) = pair();
    send(&ours, &FromChild::Ready, &[]).expect("send");
    assert!(receive::<ToZygote>(&theirs).is_err());
}
