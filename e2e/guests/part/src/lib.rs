//! What each part of a composition can do, the main component and the plug alike: whose rights hold is seen
//! by who does it.

use std::time::{SystemTime, UNIX_EPOCH};
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};
use wasip2::io::poll::Pollable;

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
        ["memory", mebibytes] => memory(mebibytes),
        ["hoard", count] => hoard(count),
        ["exit", status] => std::process::exit(status.parse().unwrap_or(1)),
        ["trap"] => std::process::abort(),
        _ => Err(format!("nobody does {words:?}")),
    }
}

/// Takes memory and keeps it.
fn memory(mebibytes: &str) -> Result<String, String> {
    let size = mebibytes.parse::<usize>().map_err(|error| error.to_string())? << 20;
    Ok(std::hint::black_box(vec![1_u8; size]).leak().len().to_string())
}

/// Takes handles and keeps them.
fn hoard(count: &str) -> Result<String, String> {
    let count = count.parse::<usize>().map_err(|error| error.to_string())?;
    (0..count).for_each(|_| std::mem::forget(soon()));
    Ok(count.to_string())
}

/// Ready at once.
#[must_use]
pub fn soon() -> Pollable {
    subscribe_duration(0)
}

/// The first of the part's own directories.
#[must_use]
pub fn directory() -> Option<Descriptor> {
    get_directories().into_iter().next().map(|(directory, _)| directory)
}

/// Does what the words say with a directory, whoever has it.
pub fn within<S: AsRef<str>>(directory: &Descriptor, words: &[S]) -> Result<String, String> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let open = |path, how, flags| {
        directory.open_at(PathFlags::SYMLINK_FOLLOW, path, how, flags).map_err(|error| format!("{error:?}"))
    };
    match words[..] {
        ["read", path] => {
            let file = open(path, OpenFlags::empty(), DescriptorFlags::READ)?;
            let (bytes, _) = file.read(1 << 16, 0).map_err(|error| format!("{error:?}"))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        ["write", path, text] => {
            let file = open(path, OpenFlags::CREATE, DescriptorFlags::WRITE)?;
            file.write(text.as_bytes(), 0).map(|_| String::new()).map_err(|error| format!("{error:?}"))
        }
        ["keep"] => Ok(directory.take_handle().to_string()), // and never gives it back
        ["trap"] => std::process::abort(),
        _ => Err(format!("nobody does {words:?}")),
    }
}
