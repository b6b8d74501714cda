//! What each part of a composition can do, the main component and the plug alike: whose rights hold is seen by who
//! does it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Does what the words say.
pub fn act<S: AsRef<str>>(words: &[S]) -> Result<String, String> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words[..] {
        ["env"] => {
            let mut all: Vec<_> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
            all.sort();
            Ok(all.join(","))
        }
        ["args"] => Ok(std::env::args().collect::<Vec<_>>().join(",")),
        ["read", path] => std::fs::read_to_string(path).map_err(|error| error.to_string()),
        ["write", path, text] => {
            std::fs::write(path, text).map(|()| String::new()).map_err(|e| e.to_string())
        }
        ["print", text] => {
            println!("{text}");
            Ok(String::new())
        }
        ["year"] => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
            Ok((1970 + now.as_secs() / 31_556_952).to_string())
        }
        ["memory", mebibytes] => {
            let size = mebibytes.parse::<usize>().map_err(|error| error.to_string())? << 20;
            Ok(std::hint::black_box(vec![1_u8; size]).len().to_string())
        }
        ["exit", status] => std::process::exit(status.parse().unwrap_or(1)),
        ["trap"] => std::process::abort(),
        _ => Err(format!("nobody does {words:?}")),
    }
}
