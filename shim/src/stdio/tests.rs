//! Fifos without a reader, files, and what isn't supported.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use std::fs::File;
use std::io::{Read, Write};

struct Fifos {
    _directory: tempfile::TempDir,
    streams: Streams,
}

fn fifos() -> Fifos {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let path = directory.path().join(name);
        rustix::fs::mkfifoat(CWD, &path, Mode::from(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let streams =
        Streams { stdin: make("stdin"), stdout: make("stdout"), stderr: make("stderr"), terminal: false };
    Fifos { streams, _directory: directory }
}

fn write_to(descriptor: &OwnedFd, text: &str) -> io::Result<()> {
    File::from(descriptor.try_clone()?).write_all(text.as_bytes())
}

#[test]
fn output_is_kept_while_nobody_reads() {
    let fifos = fifos();
    let opened = fifos.streams.open().unwrap();
    write_to(&opened.process[1], "early").unwrap();
    let mut reader = File::open(&fifos.streams.stdout).unwrap();
    write_to(&opened.process[1], " late").unwrap();
    drop(opened);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "early late");
}

#[test]
fn a_reader_that_goes_away_is_no_broken_pipe() {
    let fifos = fifos();
    let opened = fifos.streams.open().unwrap();
    drop(File::open(&fifos.streams.stdout).unwrap());
    write_to(&opened.process[1], "still there").unwrap();
}

#[test]
fn a_reader_sees_the_end_when_the_process_has_gone() {
    let fifos = fifos();
    let Opened { process, kept } = fifos.streams.open().unwrap();
    let mut reader = File::open(&fifos.streams.stderr).unwrap();
    drop(process);
    let mut text = String::new();
    assert_eq!(reader.read_to_string(&mut text).unwrap(), 0);
    drop(kept);
}

#[test]
fn input_ends_when_it_is_closed_and_not_before() {
    let fifos = fifos();
    let Opened { process, mut kept } = fifos.streams.open().unwrap();
    let [stdin, ..] = process;
    let flags = rustix::fs::fcntl_getfl(&stdin).unwrap();
    rustix::fs::fcntl_setfl(&stdin, flags | OFlags::NONBLOCK).unwrap();
    let mut reader = File::from(stdin);
    let mut byte = [0];
    assert_eq!(reader.read(&mut byte).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    kept.close_stdin();
    assert_eq!(reader.read(&mut byte).unwrap(), 0);
}

#[test]
fn no_stream_is_the_null_device() {
    let opened = Streams::default().open().unwrap();
    write_to(&opened.process[1], "nowhere").unwrap();
    let mut input = File::from(opened.process[0].try_clone().unwrap());
    assert_eq!(input.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_file_is_made_and_appended_to() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let streams = Streams { stdout: format!("file://{}", path.display()), ..Streams::default() };
    for _ in 0..2 {
        write_to(&streams.open().unwrap().process[1], "line\n").unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), "line\nline\n");
}

#[test]
fn a_log_file_is_found_by_its_name_and_not_by_how_a_uri_writes_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not yet there/100% grün?.log");
    let written = "not%20yet%20there/100%25%20gr%C3%BCn%3f.log";
    let uri = format!("file://{}/{written}?maxsize=1", directory.path().display());
    let streams = Streams { stdout: uri.clone(), stderr: uri, ..Streams::default() };
    let opened = streams.open().unwrap();
    write_to(&opened.process[1], "out\n").unwrap();
    write_to(&opened.process[2], "err\n").unwrap();
    streams.write_error("why").unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "out\nerr\nwhy\n");
}

#[test]
fn input_may_come_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "typed").unwrap();
    let streams = Streams { stdin: format!("file://{}", file.path().display()), ..Streams::default() };
    let mut text = String::new();
    let [stdin, ..] = streams.open().unwrap().process;
    File::from(stdin).read_to_string(&mut text).unwrap();
    assert_eq!(text, "typed");
}

#[test]
fn what_no_guest_can_write_to_is_refused_with_words_that_say_what_to_do() {
    for (uri, problem) in [
        ("binary:///bin/logger?id=1", "logging programs are not started"),
        ("binary-v2:///bin/logger", "logging programs are not started"),
        ("npipe:////./pipe/x", "its scheme is not known"),
        ("file://relative/log", "its path is not absolute"),
        ("file://", "its path is not absolute"),
        ("file:///log%2", "no path can be read"),
        ("file:///log%zz", "no path can be read"),
        ("file:///log%+1", "no path can be read"),
        ("file:///log%00", "no path can be read"),
    ] {
        for name in ["stdin", "stdout", "stderr"] {
            let mut streams = Streams::default();
            match name {
                "stdin" => streams.stdin = uri.into(),
                "stdout" => streams.stdout = uri.into(),
                _ => streams.stderr = uri.into(),
            }
            let error = streams.open().unwrap_err().to_string();
            let advice = "name a fifo, or a file as file:///absolute/path";
            assert!(error.starts_with(&format!("{name}: {uri}: {problem}")), "{error}");
            assert!(error.ends_with(advice), "{error}");
        }
    }
}

#[tokio::test]
async fn with_a_terminal_errors_go_where_output_goes_and_come_after_it() {
    let mut fifos = fifos();
    fifos.streams.stderr.clear();
    fifos.streams.terminal = true;
    let Opened { process, mut kept } = fifos.streams.open().unwrap();
    let mut reader = File::open(&fifos.streams.stdout).unwrap();
    assert!(process.iter().all(rustix::termios::isatty));
    write_to(&process[2], "oops").unwrap();
    drop(process);
    kept.drained().await;
    fifos.streams.write_error(" again").unwrap();
    drop(kept);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "oops again\r\n");
}

#[tokio::test]
async fn a_terminal_without_fifos_writes_into_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let stdout = format!("file://{}", log.display());
    let streams = Streams { stdout, terminal: true, ..Streams::default() };
    let Opened { process, mut kept } = streams.open().unwrap();
    write_to(&process[1], "one\ntwo").unwrap();
    drop(process);
    kept.drained().await;
    assert_eq!(std::fs::read_to_string(log).unwrap(), "one\r\ntwo");
}

#[test]
fn an_error_line_is_cut_to_what_a_fifo_takes_at_once() {
    let fifos = fifos();
    let opened = fifos.streams.open().unwrap();
    fifos.streams.write_error(&"ä".repeat(5_000)).unwrap();
    let mut reader = File::open(&fifos.streams.stderr).unwrap();
    drop(opened);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.len() <= LINE_BYTES_MAX && text.ends_with("ä\n"), "{}", text.len());
}
