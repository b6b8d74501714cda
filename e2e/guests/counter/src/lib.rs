//! A Server that keeps a number in /data/count and answers with the next one. For tests it also tries what it
//! was not granted: `/read/PATH` and `/write/PATH` answer with what the host said.

use std::io;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

const COUNT: &str = "/data/count";

struct Counter;

wasip2::http::proxy::export!(Counter);

impl Guest for Counter {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let answer = if let Some(path) = path.strip_prefix("/read") {
            std::fs::read_to_string(path)
        } else if let Some(path) = path.strip_prefix("/write") {
            std::fs::write(path, "written\n").map(|()| "written\n".to_owned())
        } else {
            count().map(|count| format!("{count}\n"))
        };
        let (status, text) = match answer {
            Ok(text) => (200, text),
            Err(error) => (500, format!("refused: {error}\n")),
        };
        guest_answer::answer(out, status, &text);
    }
}

/// The number after the one in the file; 1 when there is none yet. Renamed in place, so that it is never
/// half.
fn count() -> io::Result<u64> {
    let last = match std::fs::read_to_string(COUNT) {
        Ok(text) => text.trim().parse::<u64>().map_err(io::Error::other)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let next = last + 1;
    let new = format!("{COUNT}.new");
    std::fs::write(&new, format!("{next}\n"))?;
    std::fs::rename(new, COUNT)?;
    Ok(next)
}
