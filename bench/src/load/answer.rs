//! As much of HTTP/1.1 as it takes to see where an answer ends. Pure.

/// What stands in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The whole of an answer.
    Whole {
        /// Its status.
        status: u16,
    },
    /// The beginning of one.
    Partial,
    /// Something else.
    Nonsense(&'static str),
}

/// Looks at what has been received since the request.
pub(super) fn read(bytes: &[u8]) -> Answer {
    let Some(head_end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Answer::Partial;
    };
    let (head, body) = (&bytes[..head_end], &bytes[head_end + 4..]);
    let Ok(head) = std::str::from_utf8(head) else { return Answer::Nonsense("a head that is no text") };
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let Some(status) = status else { return Answer::Nonsense("no status") };
    let is_whole = match length(lines) {
        Some(Length::Bytes(length)) => body.len() >= length,
        // Servers here send no trailers and no empty chunk but the last.
        Some(Length::Chunked) => body == b"0\r\n\r\n" || body.ends_with(b"\r\n0\r\n\r\n"),
        None => return Answer::Nonsense("a body without a length"),
    };
    if is_whole { Answer::Whole { status } } else { Answer::Partial }
}

enum Length {
    Bytes(usize),
    Chunked,
}

fn length<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Length> {
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            return value.parse().ok().map(Length::Bytes);
        }
        if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            return Some(Length::Chunked);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, wanted: Answer) {
        assert_eq!(read(bytes.as_bytes()), wanted, "{bytes:?}");
    }

    const OK: Answer = Answer::Whole { status: 200 };

    #[test]
    fn a_body_of_a_known_length_ends_there() {
        check("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", OK);
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", Answer::Partial);
        check("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", Answer::Whole { status: 503 });
    }

    #[test]
    fn chunks_end_with_an_empty_one() {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        check(&format!("{head}5\r\nhello\r\n0\r\n\r\n"), OK);
        check(&format!("{head}0\r\n\r\n"), OK);
        check(&format!("{head}5\r\nhello\r\n"), Answer::Partial);
        check(&format!("{head}10\r\n\r\n"), Answer::Partial);
    }

    #[test]
    fn every_beginning_of_an_answer_is_partial() {
        let whole = "HTTP/1.1 200 OK\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for end in 0..whole.len() {
            check(&whole[..end], Answer::Partial);
        }
        check(whole, OK);
    }

    #[test]
    fn what_is_no_answer_is_said() {
        check("HTTP/1.0 200 OK\r\n\r\n", Answer::Nonsense("no status"));
        check("HTTP/1.1 200 OK\r\n\r\n", Answer::Nonsense("a body without a length"));
        assert_eq!(read(b"\xff\r\n\r\n"), Answer::Nonsense("a head that is no text"));
    }
}
