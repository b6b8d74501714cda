//! Tests of the lines that guests log.
#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::Value;
use std::io::Read as _;

const TIME: Timestamp = Timestamp::UNIX_EPOCH;

fn parsed(line: &str) -> Value {
    assert!(line.ends_with('\n') && line.lines().count() == 1, "{line:?}");
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_call_is_one_object_with_all_that_is_known() {
    assert_eq!(
        line(TIME, "weather", "warn", "http", "it is late"),
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warn\",\"component\":\"weather\",\
         \"context\":\"http\",\"message\":\"it is late\"}\n"
    );
}

#[test]
fn a_guest_cannot_forge_a_second_line_or_a_second_field() {
    for words in [
        "a\n{\"level\":\"critical\"}",
        "\",\"level\":\"critical\",\"x\":\"",
        "\\",
        "a\r\nb\tc\u{0}\u{1b}[2J\u{7f}",
        "\u{85}\u{2028}\u{2029}\u{202e}",
        "Grüezi \u{1f44b}",
    ] {
        let line = line(TIME, "weather", "info", words, words);
        let value = parsed(&line);
        assert_eq!((value["context"].as_str(), value["message"].as_str()), (Some(words), Some(words)));
        assert_eq!((value["level"].as_str(), value.as_object().unwrap().len()), (Some("info"), 5));
        assert!(!line.trim_end().contains(char::is_control), "{line:?}");
    }
}

#[test]
fn a_line_is_bounded_whatever_is_in_it() {
    for letter in ["x", "ä", "\n", "\"", "\u{1b}", "\u{2028}", "\u{1f44b}"] {
        let words = letter.repeat(1 << 20);
        let line = line(TIME, "weather", "info", &words, &words);
        let value = parsed(&line);
        assert!(line.len() <= LOG_MESSAGE_BYTES_MAX + LOG_CONTEXT_BYTES_MAX + 200, "{}", line.len());
        for field in ["context", "message"] {
            let kept = value[field].as_str().unwrap().strip_suffix('…').unwrap();
            assert!(!kept.is_empty() && words.starts_with(kept), "{field} of {letter:?}");
        }
    }
}

#[tokio::test]
async fn each_level_has_its_word_in_both_versions() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let output = Output::new(writer.into(), crate::stdio::Rate::new(1 << 40));
    {
        let mut log = Log { component: "weather", output: &output };
        macro_rules! all {
            ($version:ident) => {
                use $version::Level::{Critical, Debug, Error, Info, Trace, Warn};
                for level in [Trace, Debug, Info, Warn, Error, Critical] {
                    $version::Host::log(&mut log, level, "c".into(), "m".into()).await.unwrap();
                }
            };
        }
        {
            all!(unversioned);
        }
        {
            all!(draft);
        }
    }
    output.drained().await;
    drop(output);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let levels: Vec<String> =
        text.lines().map(|line| parsed(&format!("{line}\n"))["level"].as_str().unwrap().into()).collect();
    let words = ["trace", "debug", "info", "warn", "error", "critical"];
    assert_eq!(levels, [words, words].concat());
}

#[tokio::test]
async fn who_logs_to_a_full_log_waits_and_nothing_is_lost() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let output = Output::new(writer.into(), crate::stdio::Rate::new(1 << 40));
    let message = "x".repeat(8 << 10);
    let count = 200;
    let logging = async {
        let mut log = Log { component: "weather", output: &output };
        for _ in 0..count {
            log.write("info", "", &message).await;
        }
        output.drained().await;
    };
    let mut logging = Box::pin(logging);
    // Nobody reads: at some time it has to wait.
    assert!(futures::poll!(&mut logging).is_pending());
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    logging.await;
    drop(output);
    let text = reading.await.unwrap();
    assert_eq!(
        text.lines().filter(|line| parsed(&format!("{line}\n"))["message"] == *message).count(),
        count
    );
}

#[tokio::test]
async fn a_log_that_nobody_can_read_any_more_keeps_nobody() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Output::new(writer.into(), crate::stdio::Rate::new(1 << 40));
    let mut log = Log { component: "weather", output: &output };
    for _ in 0..1_000 {
        log.write("info", "", "nobody hears this").await;
    }
}
